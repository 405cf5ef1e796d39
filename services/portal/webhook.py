"""Webhooks: one page in one signed POST, to the address that was checked, and nothing read of what is answered."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

import httpx

from services.portal.channels import TAKEN, Outcome, Verdict
from services.portal.webhook_targets import Target, TargetAway, Targets, parsed
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

ATTEMPT_LIMIT = 15.0
"""Seconds that one attempt may take in all, however slowly the receiver answers."""

CONNECT_LIMIT = 5.0
"""Seconds to connect."""

SIGNATURE_VERSION = "v1"

_GONE = 410
_AWAY = {408, 421, 425, 429}
"""Answers that say something about the receiver now, not about what was sent."""


def new_secret() -> str:
    """A secret to sign with: 256 random bits."""
    return f"heedwh_{secrets.token_urlsafe(32)}"


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the hexadecimal HMAC-SHA256 of timestamp, full stop and body, by the secret as it was shown.

    Args:
        secret: `heedwh_…`.
        timestamp: of `Heed-Timestamp`, in seconds since 1970.
        body: byte by byte as it is sent.
    """
    signed = f"{timestamp}.".encode() + body
    return f"{SIGNATURE_VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class Webhooks:
    """Posts pages.

    Args:
        targets: which addresses may be reached.
        client: follows no redirects and asks no proxy; see `webhook_client`.
        clock: seconds since 1970.
    """

    def __init__(self, targets: Targets, client: httpx.AsyncClient, clock: Callable[[], float] = time.time) -> None:
        self._targets = targets
        self._client = client
        self._clock = clock

    async def check(self, url: str) -> None:
        """See whether a webhook may go there.

        Raises:
            UsageError: it may not, or its name is not known.
        """
        try:
            await self._targets.address(parsed(url))
        except TargetAway:
            raise UsageError("this host's name is not known; is it spelt right?") from None

    async def send(self, url: str, secret: str, delivery: UUID, body: bytes) -> Outcome:
        """Post one page once. Any answer of 200 to 299 means that it was taken.

        Args:
            url: of the receiver.
            secret: what it is signed with.
            delivery: the same at every attempt, so that a receiver can drop repeats.
            body: JSON in UTF-8.
        """
        target = parsed(url)
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT):
                address = await self._targets.address(target)
                status = await self._status(target, address, self._headers(secret, delivery, body), body)
        except UsageError:
            return Outcome(Verdict.REFUSED, "target_not_allowed")
        except TargetAway:
            return Outcome(Verdict.AWAY, "name_not_known")
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(Verdict.AWAY, "timeout")
        except httpx.ConnectError:
            return Outcome(Verdict.AWAY, "not_connected")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Outcome(Verdict.AWAY, "broken_answer")
        return _judged(status)

    def _headers(self, secret: str, delivery: UUID, body: bytes) -> dict[str, str]:
        timestamp = int(self._clock())
        return {
            "Content-Type": "application/json",
            "User-Agent": "Heed",
            "Heed-Delivery": str(delivery),
            "Heed-Timestamp": str(timestamp),
            "Heed-Signature": signature(secret, timestamp, body),
        }

    async def _status(self, target: Target, address: str, headers: dict[str, str], body: bytes) -> int:
        """Post to the address; the name still stands in `Host` and in the certificate that is asked for."""
        url = httpx.URL(target.url)
        named = {**headers, "Host": url.netloc.decode()}
        extensions = {"sni_hostname": target.host} if target.secure else {}
        to = url.copy_with(host=address)
        async with self._client.stream("POST", to, content=body, headers=named, extensions=extensions) as answer:
            return answer.status_code  # the body is never read: it tells nothing that we may keep


def webhook_client() -> httpx.AsyncClient:
    """A client for `Webhooks`; whoever opens it closes it.

    Connections are not kept: one that was made for one name must not serve another at the same address.
    """
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(ATTEMPT_LIMIT, connect=CONNECT_LIMIT),
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def _judged(status: int) -> Outcome:
    if 200 <= status < 300:
        return TAKEN
    if status == _GONE:
        return Outcome(Verdict.GONE, "http_410")
    if status >= 500 or status < 400 or status in _AWAY:
        return Outcome(Verdict.AWAY, f"http_{status}")
    return Outcome(Verdict.REFUSED, f"http_{status}")
