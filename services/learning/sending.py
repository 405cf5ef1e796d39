"""Sends pages and lists of what they include; one team's trouble keeps no other team's page back.

A page that no topic takes by its size is held. A team whose own topic does not take it (it is missing, access is
denied) waits, with growing pauses, while the others go on. What the topic of all pages does not take is everybody's
trouble: the round ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared import telemetry
from shared.errors import InvalidRecord, TransientFault
from shared.publisher import Record, record
from shared.telemetry import Metric
from shared.topics import FEEDBACK_SUMMARISED, LEARNING_SUMMARIES, PAGE_SOURCES, SUMMARIES_HELD, TEAM_SUMMARIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from services.learning.outgoing import Holding, Outgoing, Unsent
    from services.learning.pages import PageStore
    from shared.publisher import Publisher
    from shared.summaries import LearningSummary

log = logging.getLogger(__name__)

SERVICE = "learning"

AT_ONCE = 32
"""Pages or lists sent together, at most."""

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Seconds before a team's topic is tried again; doubled after every failure."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A team whose topic did not take a page.

    Attributes:
        pause: seconds, the last one.
        until: on the clock, when it is tried again.
    """

    topic: str
    pause: float
    until: float


class Sending:
    """One member's way from the rows to Kafka.

    Args:
        pages: where they wait.
        publisher: how they are sent.
        clock: seconds, never going back.
    """

    def __init__(self, pages: PageStore, publisher: Publisher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pages = pages
        self._publisher = publisher
        self._clock = clock
        self._waits: dict[str, Wait] = {}

    @property
    def waiting(self) -> list[str]:
        """Topics that did not take their team's page when it was last tried."""
        return sorted(wait.topic for wait in self._waits.values())

    async def everything(self, *, patient: bool = True) -> None:
        """Send what waits, unless another member is at it: that one goes on until nothing is left.

        Args:
            patient: leave teams alone until their pause is over.

        Raises:
            TransientFault: the database or the broker is away; what is left stays due.
        """
        await self._while_any(self._group)
        if await self._retried(patient=patient):
            await self._while_any(self._group)
        await self._while_any(self._taken_back)
        await self._while_any(self._parts)
        await self._while_any(self._holdings)

    async def _while_any(self, batch: Callable[[Outgoing], Awaitable[bool]]) -> None:
        more = True
        while more:
            # One transaction for each batch, so that a crash repeats no more than one.
            async with self._pages.sending() as outgoing:
                more = outgoing is not None and await batch(outgoing)

    async def _group(self, outgoing: Outgoing) -> bool:
        batch = await outgoing.pages(AT_ONCE, without=self._waits)
        if not batch:
            return False
        try:
            with telemetry.publish_spans([(LEARNING_SUMMARIES.name, page.traceparent) for page in batch]) as traces:
                await self._publisher.send(
                    [item for page, trace in zip(batch, traces, strict=True) for item in records(page, trace)]
                )
        except (InvalidRecord, TransientFault):
            for page in batch:
                if page.summary.team_id not in self._waits:
                    await self._settle(outgoing, page, await self._refused(page))
        else:
            await _published(outgoing, batch)
        return True

    async def _retried(self, *, patient: bool) -> bool:
        """Try one page of each team whose pause is over; whether any team may go on."""
        now = self._clock()
        due = [team for team, wait in self._waits.items() if not patient or wait.until <= now]
        if not due:
            return False
        async with self._pages.sending() as outgoing:
            if outgoing is None:
                return False
            batch = await outgoing.first_pages(due)
            # Side by side: Kafka's client looks for a missing topic for the better part of a minute.
            tasks = [asyncio.ensure_future(self._refused(page)) for page in batch]
            if tasks:
                # All of them, also where one fails: nothing may be on its way once the lock is given back.
                await asyncio.wait(tasks)
            refusals = [task.result() for task in tasks]
            before = {team: self._waits.pop(team) for team in due}
            for page, refusal in zip(batch, refusals, strict=True):
                await self._settle(outgoing, page, refusal, before[page.summary.team_id].pause)
        return not before.keys() <= self._waits.keys()

    async def _taken_back(self, outgoing: Outgoing) -> bool:
        batch = await outgoing.to_take_back(AT_ONCE, without=self._waits)
        for page in batch:
            refusal = await self._refused(page, tombstones)
            if refusal is not None:
                await self._settle(outgoing, page, refusal)
                continue
            await outgoing.mark_taken_back(page.summary)
            telemetry.count(Metric.SUMMARIES, 1, {"outcome": "taken_back"})
            log.error("summary taken back: team %s, period %s", page.summary.team_id, page.summary.period)
        return bool(batch)

    async def _refused(
        self, page: Unsent, made: Callable[[Unsent], tuple[Record, ...]] | None = None
    ) -> InvalidRecord | TransientFault | None:
        """Send one page, or what takes it back, by itself; what is the matter with it, or with its team's own topic.

        Raises:
            TransientFault: the topic of all pages, or that of their sources, takes nothing.
        """
        *shared, own = (made or records)(page)
        try:
            await self._publisher.send(shared)
        except InvalidRecord as refusal:
            return refusal
        try:
            await self._publisher.send([own])
        except (InvalidRecord, TransientFault) as refusal:
            return refusal
        return None

    async def _settle(
        self,
        outgoing: Outgoing,
        page: Unsent,
        refusal: InvalidRecord | TransientFault | None,
        pause: float = FIRST_PAUSE / 2,
    ) -> None:
        summary = page.summary
        if refusal is None:
            await _published(outgoing, [page])
        elif isinstance(refusal, InvalidRecord):
            await outgoing.hold(summary, f"{refusal.reason} at page")
            telemetry.count(Metric.SUMMARIES, 1, {"outcome": "held"})
            log.error("summary held: team %s, period %s: %s", summary.team_id, summary.period, refusal.reason)
        else:
            pause = min(2 * pause, LONGEST_PAUSE)
            topic = TEAM_SUMMARIES.named(team_id=summary.team_id)
            self._waits[summary.team_id] = Wait(topic, pause, self._clock() + pause)
            telemetry.count(Metric.SUMMARIES, 1, {"outcome": "waiting"})
            log.error("topic %s takes no summary; tried again in %.0f s: %s", topic, pause, refusal)

    async def _parts(self, outgoing: Outgoing) -> bool:
        batch = await outgoing.parts(AT_ONCE)
        if not batch:
            return False
        await self._publisher.send([record(FEEDBACK_SUMMARISED, part, SERVICE) for part in batch])
        await outgoing.mark_sent(batch)
        return True

    async def _holdings(self, outgoing: Outgoing) -> bool:
        batch = await outgoing.holdings(AT_ONCE)
        if not batch:
            return False
        await self._publisher.send([_holding(each) for each in batch])
        await outgoing.mark_told(batch)
        return True


async def _published(outgoing: Outgoing, batch: Sequence[Unsent]) -> None:
    await outgoing.mark_published(batch)
    telemetry.count(Metric.SUMMARIES, len(batch), {"outcome": "published"})


def records(page: Unsent, traceparent: str | None = None) -> tuple[Record, ...]:
    """A page on the topic of all pages, its sources beside it, and last the page on its team's own, keyed by period."""
    summary = page.summary
    shared = record(LEARNING_SUMMARIES, summary, SERVICE, traceparent)
    sources = [record(PAGE_SOURCES, page.sources, SERVICE, traceparent)] if page.sources else []
    return shared, *sources, _own(summary, traceparent)


def tombstones(page: Unsent) -> tuple[Record, ...]:
    """What takes a page back: its keys without a value, which is how a compacted topic forgets."""
    summary = page.summary
    key, own = summary.key().encode(), _own(summary)
    return (
        Record(LEARNING_SUMMARIES.name, key, None),
        Record(PAGE_SOURCES.name, key, None),
        Record(own.topic, own.key, None),
    )


def _own(summary: LearningSummary, traceparent: str | None = None) -> Record:
    own = record(TEAM_SUMMARIES, summary, SERVICE, traceparent, team_id=summary.team_id)
    return replace(own, key=summary.period.isoformat().encode())


def _holding(told: Holding) -> Record:
    if told.event is not None:
        return record(SUMMARIES_HELD, told.event, SERVICE)
    return Record(SUMMARIES_HELD.name, f"{told.team_id}:{told.period.isoformat()}".encode(), None)
