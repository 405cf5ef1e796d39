"""Many submissions in one request: NDJSON in, one answer for each line, in order.

Lines are committed in groups. A bad line is answered and harms no neighbour. The answers are sent when the body has
been read: a client that only listens after it has spoken would otherwise wait for us while we wait for it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from services.gateway.handlers import not_taken
from services.gateway.lines import lines
from services.gateway.problems import Problem, database_away, too_large
from services.gateway.store import Accepted
from shared import telemetry
from shared.errors import TransientFault
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from services.gateway.feedback import Prepared
    from services.gateway.handlers import Gateway
    from services.gateway.integrations import Integration
    from services.gateway.store import Refusal

MEDIA_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

GROUP_LINES = 500
GROUP_BYTES = 4 * 1024 * 1024
"""Bytes of a group's lines after which it is committed early."""


class _Batch:
    """The lines of one request: those waiting for their commit, and the answers so far."""

    def __init__(self, gateway: Gateway, integration: Integration, traceparent: str | None) -> None:
        self._gateway = gateway
        self._integration = integration
        self._traceparent = traceparent
        self._waiting: list[tuple[int, int, Prepared]] = []
        self._waiting_bytes = 0
        self._committed = False
        self._away = False
        self._outcomes: Counter[str] = Counter()
        self.answers: list[bytes] = []

    async def take(self, number: int, line: bytes | None) -> None:
        """Read one line; it is answered now or with its group."""
        try:
            if line is None:
                raise too_large(self._gateway.settings.gateway_max_body, "line")
            prepared = self._gateway.prepare(line, self._integration)
        except Problem as problem:
            self.refuse(number, problem)
            return
        self._waiting.append((len(self.answers), number, prepared))
        self._waiting_bytes += len(prepared.event)
        self.answers.append(b"")
        if len(self._waiting) >= GROUP_LINES or self._waiting_bytes >= GROUP_BYTES:
            await self.commit()

    async def commit(self) -> None:
        """Write what waits in one transaction, and answer it.

        Raises:
            TransientFault: the database is away, and nothing of the whole request was written.
        """
        group, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not group:
            return
        accepted = await self._accepted([prepared for _, _, prepared in group])
        for place, (slot, number, _) in enumerate(group):
            answer = accepted[place] if accepted is not None else None
            if isinstance(answer, Accepted):
                self.answers[slot] = _accepted_line(number, answer)
                self._outcomes["duplicate" if answer.duplicate else "accepted"] += 1
            else:
                problem = not_taken(answer) if answer is not None else database_away()
                self.answers[slot] = _problem_line(number, problem)
                self._outcomes[problem.kind] += 1

    async def _accepted(self, group: list[Prepared]) -> list[Accepted | Refusal] | None:
        """The store's answers; None once the database went away in the middle of the request."""
        if self._away:
            return None
        gateway = self._gateway
        try:
            accepted = await gateway.store.accept(self._integration.id, group, gateway.clock(), self._traceparent)
        except TransientFault:
            if not self._committed:
                raise
            self._away = True
            return None
        self._committed = True
        gateway.wake()
        return accepted

    def refuse(self, number: int, problem: Problem) -> None:
        """Answer a line that cannot be taken."""
        self.answers.append(_problem_line(number, problem))
        self._outcomes["refused"] += 1

    def count(self) -> None:
        """Tell telemetry how the lines fared."""
        for outcome, amount in self._outcomes.items():
            telemetry.count(Metric.FEEDBACK, amount, {"outcome": outcome})


async def submit_batch(
    gateway: Gateway, integration: Integration, chunks: AsyncIterable[bytes], traceparent: str | None
) -> tuple[list[bytes], bool]:
    """Accept NDJSON line by line; what is answered with 202 is durable.

    A request that outgrows its limits is answered up to there, and then with one line of status 413: neither that line
    nor any after it was read.

    Returns:
        One line of JSON for each line that is not blank, in order; and whether the request was read to its end.

    Raises:
        TransientFault: the database is away, and nothing of the whole request was written.
    """
    batch = _Batch(gateway, integration, traceparent)
    settings = gateway.settings
    number = 0
    is_whole = True
    try:
        async for number, line in lines(_up_to(chunks, settings.gateway_batch_body), settings.gateway_max_body):
            if number > settings.gateway_batch_lines:
                raise _too_many(settings.gateway_batch_lines)
            if line is None or line.strip():
                await batch.take(number, line)
    except _RequestTooLarge as end:
        batch.refuse(end.line or number + 1, end.problem)
        is_whole = False
    await batch.commit()
    batch.count()
    return batch.answers, is_whole


class _RequestTooLarge(Exception):  # noqa: N818 - ends the reading, is no failure
    def __init__(self, problem: Problem, line: int | None = None) -> None:
        super().__init__(problem.kind)
        self.problem = problem
        self.line = line


def _too_many(limit: int) -> _RequestTooLarge:
    detail = f"A batch may have {limit} lines; send this line and those after it in another."
    return _RequestTooLarge(
        Problem(413, "too-large", detail, [("body", f"must have at most {limit} lines")]), limit + 1
    )


async def _up_to(chunks: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    taken = 0
    async for chunk in chunks:
        taken += len(chunk)
        if taken > limit:
            raise _RequestTooLarge(too_large(limit))
        yield chunk


def _accepted_line(number: int, accepted: Accepted) -> bytes:
    return _line(
        {
            "line": number,
            "status": 202,
            "receipt": accepted.receipt,
            "feedback_id": str(accepted.feedback_id),
            "version": accepted.version,
            "duplicate": accepted.duplicate,
        }
    )


def _problem_line(number: int, problem: Problem) -> bytes:
    return _line({"line": number, "status": problem.status, "problem": problem.document()})


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
