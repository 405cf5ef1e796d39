"""What the gateway does with a request: read it, have it stored, wake the relay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.feedback import Prepared, prepare
from services.gateway.problems import (
    Problem,
    has_files,
    not_found,
    too_large,
    unauthorised,
    withdrawn,
    wrong_media_type,
)
from services.gateway.store import Refusal
from services.gateway.submission import read_submission
from shared import telemetry
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.gateway.integrations import Integration, Keys
    from services.gateway.pseudonyms import Pseudonyms
    from services.gateway.settings import GatewaySettings
    from services.gateway.store import Accepted, FeedbackStore, Journey
    from services.gateway.upload_handlers import Recordings
    from services.gateway.words import RawWords

RECEIPT = re.compile(r"[A-Za-z0-9_-]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The collaborators of every handler.

    Attributes:
        clock: now, in UTC.
        wake: tells the relay that a row was written.
        recordings: what takes recordings; None where the operator has set no bucket.
        words: what gives the portal raw words; None where the operator has set no token for it.
    """

    settings: GatewaySettings
    keys: Keys
    store: FeedbackStore
    pseudonyms: Pseudonyms
    clock: Callable[[], datetime]
    wake: Callable[[], None]
    recordings: Recordings | None = None
    words: RawWords | None = None

    def prepare(self, body: bytes, integration: Integration) -> Prepared:
        """Read one submission and make its event.

        Raises:
            Problem: it is not valid, naming the fields.
        """
        now = self.clock()
        return prepare(read_submission(body, now), integration, self.pseudonyms, now)


async def authenticate(gateway: Gateway, key: str | None) -> Integration:
    """The integration that a bearer key belongs to.

    Raises:
        Problem: 401.
        TransientFault: the database is away.
    """
    owner = await gateway.keys.owner(key) if key else None
    if owner is None:
        raise unauthorised()
    return owner


async def submit_feedback(gateway: Gateway, integration: Integration, body: bytes, traceparent: str | None) -> Accepted:
    """Accept one submission; on return it is durable.

    Raises:
        Problem: it is not valid, or was withdrawn before.
        TransientFault: the database is away; nothing was written.
    """
    try:
        prepared = gateway.prepare(body, integration)
    except Problem:
        telemetry.count(Metric.FEEDBACK, 1, {"outcome": "refused"})
        raise
    (accepted,) = await gateway.store.accept(integration.id, [prepared], gateway.clock(), traceparent)
    if isinstance(accepted, Refusal):
        telemetry.count(Metric.FEEDBACK, 1, {"outcome": accepted.value})
        raise not_taken(accepted)
    telemetry.count(Metric.FEEDBACK, 1, {"outcome": "duplicate" if accepted.duplicate else "accepted"})
    if not accepted.duplicate:
        gateway.wake()
    return accepted


def not_taken(refusal: Refusal) -> Problem:
    """The problem of an id under which nothing is taken."""
    return withdrawn() if refusal is Refusal.WITHDRAWN else has_files()


async def follow_feedback(gateway: Gateway, integration: Integration, receipt: str) -> Journey:
    """How far feedback has come.

    Raises:
        Problem: 404 for a receipt that this integration never got.
        TransientFault: the database is away.
    """
    journey = await gateway.store.journey(integration.id, receipt) if RECEIPT.fullmatch(receipt) else None
    if journey is None:
        raise not_found()
    return journey


async def withdraw_feedback(gateway: Gateway, integration: Integration, receipt: str) -> tuple[UUID, datetime]:
    """Take feedback back; doing it again changes nothing.

    Returns:
        The feedback's id and when it was withdrawn.

    Raises:
        Problem: 404 for a receipt that this integration never got.
        TransientFault: the database is away; nothing was written.
    """
    withdrawal = None
    if RECEIPT.fullmatch(receipt):
        withdrawal = await gateway.store.withdraw(integration.id, receipt, gateway.clock())
    if withdrawal is None:
        raise not_found()
    gateway.wake()
    return withdrawal


def check_media_type(headers: Mapping[str, str], *expected: str) -> None:
    """Let only `expected`, in UTF-8 and not compressed, pass.

    Raises:
        Problem: 415.
    """
    declared, _, parameters = headers.get("content-type", "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\";\s]+)", parameters, re.IGNORECASE)
    if (
        declared.strip().lower() not in expected
        or (charset is not None and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"})
        or headers.get("content-encoding", "identity").lower() != "identity"
    ):
        raise wrong_media_type(expected[0])


def check_length(headers: Mapping[str, str], limit: int) -> None:
    """Refuse a body that declares itself too large before a byte of it is read.

    Raises:
        Problem: 413.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise too_large(limit)


async def read_body(chunks: AsyncIterable[bytes], limit: int) -> bytes:
    """The whole body; a length that was not declared, or not truly, does not help to get past the limit.

    Raises:
        Problem: 413; what follows is not read.
    """
    body = bytearray()
    async for chunk in chunks:
        if len(body) + len(chunk) > limit:
            raise too_large(limit)
        body += chunk
    return bytes(body)
