"""Translate events into readings, store them, return."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from services.learning import wording
from services.learning.corrections import correction_of
from services.learning.readings import reading_of, tombstone
from shared import telemetry
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from services.learning.correcting import CorrectionStore
    from services.learning.periods import PeriodKind
    from services.learning.readings import Reading
    from services.learning.routing import Router
    from services.learning.store import Change
    from services.learning.urgent import UrgentStore
    from shared.consumer import Delivery
    from shared.events import (
        FeedbackAnalysed,
        FeedbackUrgent,
        FeedbackWithdrawn,
        ReadingCorrected,
        UrgentAcknowledged,
    )

    class TakesReadings(Protocol):
        """What the handlers need of the store."""

        async def take(self, arriving: Sequence[Reading]) -> Change:
            """See `ReadingStore.take`."""


log = logging.getLogger(__name__)


class Handlers:
    """The effects of the topics that readings come from; idempotent."""

    def __init__(self, router: Router, store: TakesReadings, kind: PeriodKind = "month") -> None:
        self._router = router
        self._store = store
        self._kind = kind

    def use(self, router: Router) -> None:
        """Route what arrives from now on by another catalogue."""
        self._router = router

    async def on_feedback_analysed(self, deliveries: Sequence[Delivery[FeedbackAnalysed]]) -> None:
        """Route each reading, keep it and count it."""
        await self._take([self._reading(delivery) for delivery in deliveries])

    async def on_feedback_withdrawn(self, deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        """Forget each one, and remember only that it is to stay forgotten."""
        await self._take([tombstone(delivery.event.feedback_id) for delivery in deliveries])

    def _reading(self, delivery: Delivery[FeedbackAnalysed]) -> Reading:
        event = delivery.event
        team = self._router.team_for(event.about, event.source.channel)
        return reading_of(event, team, self._kind, delivery.traceparent)

    async def _take(self, readings: Sequence[Reading]) -> None:
        change = await self._store.take(readings)
        for outcome, count in (
            ("arrived", change.arrived),
            ("replaced", change.replaced),
            ("ignored", change.ignored),
        ):
            if count:
                telemetry.count(Metric.READINGS, count, {"outcome": outcome})
        for channel, count in change.voices.items():
            telemetry.count(Metric.VOICES, count, {"channel": wording.channel(channel)})
        if change.unrouted:
            telemetry.count(Metric.UNROUTED, change.unrouted)
            log.warning(
                "%d pieces of feedback match no team of the catalogue; `heed doctor` lists where they come from",
                change.unrouted,
            )


class CorrectionHandler:
    """The effect of `reading-corrected`; idempotent."""

    def __init__(self, store: CorrectionStore) -> None:
        self._store = store

    async def on_reading_corrected(self, deliveries: Sequence[Delivery[ReadingCorrected]]) -> None:
        """Keep each correction and count its reading anew."""
        change = await self._store.take([correction_of(delivery.event) for delivery in deliveries])
        for outcome, count in (("applied", change.applied), ("kept", change.kept), ("ignored", change.ignored)):
            if count:
                telemetry.count(Metric.CORRECTIONS, count, {"outcome": outcome})


class UrgentHandlers:
    """The effects of `feedback-urgent` and `urgent-acknowledged`; idempotent."""

    def __init__(self, store: UrgentStore) -> None:
        self._store = store

    async def on_feedback_urgent(self, deliveries: Sequence[Delivery[FeedbackUrgent]]) -> None:
        """Keep each until somebody has taken it on."""
        await self._store.flag([delivery.event for delivery in deliveries])

    async def on_urgent_acknowledged(self, deliveries: Sequence[Delivery[UrgentAcknowledged]]) -> None:
        """Remember who took what on."""
        await self._store.acknowledge([delivery.event for delivery in deliveries])
