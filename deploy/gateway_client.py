"""Speaks `POST /v1/feedback:batch`: one request, its answers by line, and every fault as one of a few kinds."""

from __future__ import annotations

import ipaddress
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from shared.errors import HeedError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

LONGEST_PAUSE = 30.0
"""Seconds that a gateway may ask us to wait; it cannot put us to sleep for longer."""

_FIELD = re.compile(r"[A-Za-z0-9_.]{1,64}")
_HOST = re.compile(r"[\w.:-]+")
_KIND = re.compile(r"[a-z0-9-]{1,64}")


class Away(HeedError):  # noqa: N818 - a fault that passes
    """The gateway cannot take it now.

    Args:
        what: what was seen, in words.
        retry_after: seconds that it asks to be left alone.
    """

    def __init__(self, what: str, retry_after: float = 0.0) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class TooLarge(HeedError):  # noqa: N818 - an answer
    """The whole request is larger than the gateway takes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway says of one line.

    Attributes:
        feedback_id: where it was taken.
        reason: where it was not: the problem's kind and the fields, such as `invalid_feedback:occurred_at`.
    """

    status: int
    feedback_id: UUID | None = None
    duplicate: bool = False
    reason: str = ""

    @property
    def is_transient(self) -> bool:
        """Whether the same line may fare better later."""
        return self.status == 429 or self.status >= 500


class GatewayClient:
    """One gateway, one key, one pool of connections."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self.url = url

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, key: str) -> AsyncIterator[GatewayClient]:
        """Open a pool; nothing is sent yet.

        Raises:
            UsageError: the URL or the key cannot be one.
        """
        host = _checked(url)
        if not (key.isascii() and key.isprintable() and key.strip()):
            raise UsageError("the gateway's key is empty or holds odd characters; `heed integrations add` makes one")
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"},
            timeout=httpx.Timeout(60.0, connect=5.0),
            trust_env=not _is_loopback(host),  # a proxy of the environment cannot reach our own loopback
        ) as http:
            yield cls(http, url.rstrip("/"))

    async def post(self, lines: Sequence[bytes]) -> dict[int, Answer]:
        """Post lines of JSON; the answers by number of line, from 1. Some are missing where the connection broke.

        Raises:
            Away: nothing is known of any line; posting again is safe.
            TooLarge: the request must be parted.
            UsageError: the key is refused, or this is no gateway.
            HeedError: an answer that this version does not know.
        """
        answers: dict[int, Answer] = {}
        try:
            request = self._http.stream("POST", f"{self.url}/v1/feedback:batch", content=b"".join(lines))
            async with request as response:
                self._check(response)
                async for line in response.aiter_lines():
                    if told := _answer(line):
                        answers[told[0]] = told[1]
        except httpx.TransportError as error:
            if not answers:
                raise Away(f"no answer ({type(error).__name__})") from None
        return answers

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if status in {401, 403}:
            raise UsageError(
                f"the gateway at {self.url} refuses the key ({status}); "
                "give the key of an integration, `heed integrations add` makes one"
            )
        if status == 429 or status >= 500:
            raise Away(f"it answers {status}", _retry_after(response))
        if status == 413:
            raise TooLarge(f"the gateway at {self.url} takes no request of this size")
        if status in {404, 405} or response.is_redirect:
            raise UsageError(f"there is no gateway at {self.url} (it answers {status}); check the URL")
        raise HeedError(f"the gateway at {self.url} answers {status} to a batch; is it of the same version?")


def _checked(url: str) -> str:
    """The URL's host.

    Raises:
        UsageError: it is no address of a gateway.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not _HOST.fullmatch(parsed.host):
        raise UsageError("the gateway's URL must look like http://127.0.0.1:8080")
    return parsed.host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(response: httpx.Response) -> float:
    """Seconds, as the header says; 0 where it does not, or names a date."""
    told = response.headers.get("Retry-After", "")
    return min(float(told), LONGEST_PAUSE) if re.fullmatch(r"\d{1,6}(\.\d+)?", told, re.ASCII) else 0.0


def _answer(line: str) -> tuple[int, Answer] | None:
    """One answer and the number of its line; None for what is none, such as the stump of a broken connection."""
    try:
        told = json.loads(line)
        number, status = int(told["line"]), int(told["status"])
        if status == 202:
            return number, Answer(status, UUID(told["feedback_id"]), bool(told.get("duplicate")))
        return number, Answer(status, reason=_reason(told.get("problem"), status))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _reason(problem: object, status: int) -> str:
    """A code from a problem document: its kind, and the names of the fields; never its prose."""
    document = problem if isinstance(problem, dict) else {}
    kind = str(document.get("type", "")).rpartition(":")[2]
    code = kind.replace("-", "_") if _KIND.fullmatch(kind) else f"refused_{status}"
    errors = document.get("errors")
    fields = (
        [str(item.get("field", "")) for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    )
    named = [name for name in dict.fromkeys(fields) if _FIELD.fullmatch(name)][:5]
    return f"{code}:{','.join(named)}" if named else code
