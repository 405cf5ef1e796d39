"""What every answer carries to keep a browser safe, and how often an address may try to sign in."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No script at all, no style within a page, nothing from anywhere else."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

UNSHARED_PATH = "/r/"
"""Whoever knows an address below this path may see and do what stands there."""

UNSHARED_HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
"""On those: no other page and no disk gets to know the address."""

TRANSPORT = "max-age=31536000; includeSubDomains"

WINDOW = 300.0
"""Seconds that tries to sign in count for."""

REMEMBERED = 10_000
"""Addresses that are counted at the same time; beyond, the one unheard of for longest is forgotten."""


class Protection:
    """Puts the headers on every answer, and answers a failure of ours with a page instead of a traceback.

    Args:
        app: what answers.
        failure: the answer to a failure.
        secure: whether people reach us over TLS.
    """

    def __init__(self, app: ASGIApp, failure: Callable[[], Response], *, secure: bool) -> None:
        self._app = app
        self._failure = failure
        self._headers = {**HEADERS, **({"Strict-Transport-Security": TRANSPORT} if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own = {**self._headers, **UNSHARED_HEADERS} if scope["path"].startswith(UNSHARED_PATH) else self._headers
        started = False

        async def protected(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in own.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, protected)
        except ClientDisconnect:
            log.info("the client went away before its request was read")
        except Exception:
            log.exception("a request failed")
            if started:
                raise
            await self._failure()(scope, receive, protected)


class Limit:
    """Counts tries by address, in windows of five minutes.

    Args:
        tries: in one window.
        clock: seconds, never going back.
    """

    def __init__(self, tries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._clock = clock
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Count one more try; whether it may be made."""
        now = self._clock()
        since, tries = self._counted.pop(address, (now, 0))
        if now - since >= WINDOW:
            since, tries = now, 0
        self._counted[address] = (since, tries + 1)
        if len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        return tries < self._tries

    def is_spent(self, address: str) -> bool:
        """Whether no try is left in this window; counts nothing."""
        since, tries = self._counted.get(address, (0.0, 0))
        return tries >= self._tries and self._clock() - since < WINDOW
