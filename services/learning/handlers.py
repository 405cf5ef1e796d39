"""Translate events into readings, store them, return."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from services.learning.readings import reading_of, tombstone
from shared import telemetry
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from services.learning.periods import PeriodKind
    from services.learning.readings import Reading
    from services.learning.routing import Router
    from services.learning.store import Change
    from shared.consumer import Delivery
    from shared.events import FeedbackAnalysed, FeedbackWithdrawn

    class TakesReadings(Protocol):
        """What the handlers need of the store."""

        async def take(self, arriving: Sequence[Reading]) -> Change:
            """See `ReadingStore.take`."""


log = logging.getLogger(__name__)


class Handlers:
    """The effects of the two topics that the service reads; both idempotent."""

    def __init__(self, router: Router, store: TakesReadings, kind: PeriodKind = "month") -> None:
        self._router = router
        self._store = store
        self._kind = kind

    async def on_feedback_analysed(self, deliveries: Sequence[Delivery[FeedbackAnalysed]]) -> None:
        """Route each reading, keep it and count it."""
        events = [delivery.event for delivery in deliveries]
        await self._take([reading_of(e, self._router.team_for(e.about, e.source.channel), self._kind) for e in events])

    async def on_feedback_withdrawn(self, deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        """Forget each one, and remember only that it is to stay forgotten."""
        await self._take([tombstone(delivery.event.feedback_id) for delivery in deliveries])

    async def _take(self, readings: Sequence[Reading]) -> None:
        change = await self._store.take(readings)
        for outcome, count in (
            ("arrived", change.arrived),
            ("replaced", change.replaced),
            ("ignored", change.ignored),
        ):
            if count:
                telemetry.count(Metric.READINGS, count, {"outcome": outcome})
        if change.unrouted:
            telemetry.count(Metric.UNROUTED, change.unrouted)
            log.warning(
                "%d pieces of feedback match no team of the catalogue; `heed doctor` lists where they come from",
                change.unrouted,
            )
