"""Writes theme digests that are due and sends them; a theme whose topic is missing keeps no other theme's back."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from services.learning.digests import digest
from shared import telemetry
from shared.errors import InvalidRecord, TransientFault
from shared.publisher import Record, record
from shared.repeating import repeating
from shared.telemetry import Metric
from shared.topics import THEME_DIGESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import date, datetime

    from services.learning.catalogue import Catalogue
    from services.learning.digest_store import DigestStore, OutgoingDigests, WrittenDigest
    from services.learning.periods import Calendar
    from services.learning.readings import Measure
    from shared.digests import ThemeDigest
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

SERVICE = "learning"

PERIODS_AT_ONCE = 4
"""Periods whose digests are written in one transaction, at most."""

AT_ONCE = 32
"""Digests sent together, at most."""

PAUSE = 60.0
"""Seconds before a theme whose topic took nothing is tried again."""


class Digesting:
    """Keeps theme digests in step with the counters.

    Args:
        store: where they are kept.
        publisher: how they are sent.
        catalogue: whose teams take part.
        calendar: what a period is.
        clock: tells the time that digests are dated with.
        seconds: never going back.
    """

    def __init__(
        self,
        store: DigestStore,
        publisher: Publisher,
        catalogue: Catalogue,
        *,
        calendar: Calendar,
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._teams = _taking_part(catalogue)
        self._calendar = calendar
        self._clock = clock
        self._seconds = seconds
        self._waits: dict[str, float] = {}
        self._one_at_a_time = asyncio.Lock()

    def use(self, catalogue: Catalogue) -> None:
        """Write digests by another catalogue from now on."""
        self._teams = _taking_part(catalogue)

    async def everything(self, *, patient: bool = True) -> None:
        """Write what is due and send what waits, unless another member is at it.

        Args:
            patient: leave themes alone whose topic took nothing a moment ago.

        Raises:
            TransientFault: the database is away; what is left stays due.
        """
        async with self._one_at_a_time:
            while await self._store.write_due(self._compose, self._teams, limit=PERIODS_AT_ONCE, now=self._clock()):
                pass
            now = self._seconds()
            self._waits = {slug: until for slug, until in self._waits.items() if patient and until > now}
            more = True
            while more:
                async with self._store.sending() as outgoing:
                    more = outgoing is not None and await self._send(outgoing)

    async def pending(self) -> int:
        """Periods whose digests are to be written, and digests to be sent or taken back."""
        return await self._store.pending()

    def keeping_up(self, every: float) -> AbstractAsyncContextManager[None]:
        """Write and send in the background while inside; apart from pages, which must not wait for a theme's topic."""
        return repeating(self.everything, every, "learning-digests")

    def _compose(
        self, slug: str, period: date, counts: Mapping[str, Mapping[Measure, int]], revision: int
    ) -> ThemeDigest | None:
        if not self._calendar.has(period):
            return None
        now = self._clock()
        return digest(
            slug,
            period,
            counts,
            kind=self._calendar.kind,
            revision=revision,
            generated_at=now,
            provisional=self._calendar.closing(period, now) is not None,
        )

    async def _send(self, outgoing: OutgoingDigests) -> bool:
        batch = await outgoing.waiting(AT_ONCE, without=self._waits)
        if not batch:
            return False
        try:
            await self._publisher.send([_record(written) for written in batch])
        except (TransientFault, InvalidRecord):
            # One of each theme, side by side: Kafka's client looks for a missing topic for the better part of a minute.
            first = list({written.slug: written for written in reversed(batch)}.values())
            sent = await asyncio.gather(*(self._sent_alone(written) for written in first))
            batch = [written for written, went in zip(first, sent, strict=True) if went]
        await outgoing.mark_published(batch)
        _tell(batch)
        return True

    async def _sent_alone(self, written: WrittenDigest) -> bool:
        try:
            await self._publisher.send([_record(written)])
        except (TransientFault, InvalidRecord) as refusal:
            self._waits[written.slug] = self._seconds() + PAUSE
            telemetry.count(Metric.DIGESTS, 1, {"outcome": "waiting"})
            log.error("topic %s takes no digest; tried again in %.0f s: %s", _topic(written), PAUSE, refusal)
            return False
        return True


def _taking_part(catalogue: Catalogue) -> list[str]:
    return [team.id for team in catalogue.teams if team.opt_in.theme_digests]


def _topic(written: WrittenDigest) -> str:
    return THEME_DIGESTS.named(slug=written.slug)


def _record(written: WrittenDigest) -> Record:
    """The digest keyed by its period; a record without a value where it is taken back."""
    if written.digest is not None:
        return record(THEME_DIGESTS, written.digest, SERVICE, slug=written.slug)
    return Record(_topic(written), written.period.isoformat().encode(), None)


def _tell(batch: Sequence[WrittenDigest]) -> None:
    for outcome, count in (
        ("published", sum(written.digest is not None for written in batch)),
        ("taken_back", sum(written.digest is None for written in batch)),
    ):
        if count:
            telemetry.count(Metric.DIGESTS, count, {"outcome": outcome})
