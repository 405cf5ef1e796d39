"""Publishes the outbox: in order, one member at a time, and for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared import telemetry
from shared.errors import InvalidRecord, TransientFault
from shared.publisher import record
from shared.telemetry import Metric
from shared.topics import FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN, MEDIA_UPLOADED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.gateway.outbox import Leader, Outbox, Waiting
    from services.gateway.settings import GatewaySettings
    from shared.publisher import Publisher, Record
    from shared.topics import Topic

log = logging.getLogger(__name__)

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN, MEDIA_UPLOADED)}


class Relay:
    """Moves rows from the outbox to Kafka, at least once each, in the order of their ids.

    Args:
        outbox: where they wait.
        publisher: how they go.
        settings: batch size, poll and backoff.
        clock: the moment that `published_at` gets.
    """

    def __init__(
        self, outbox: Outbox, publisher: Publisher, settings: GatewaySettings, clock: Callable[[], datetime]
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._wake = asyncio.Event()
        self._faults = 0

    def wake(self) -> None:
        """Say that a row was written; the relay of this member looks at once."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled. No fault ends it: it waits longer and longer, up to `backoff_max`."""
        while True:
            try:
                async with self._outbox.leading() as leader:
                    if leader is not None:
                        await self._lead(leader)
                # Another member leads, and finds what is written here at its own poll: a wake changes nothing.
                await asyncio.sleep(self._settings.relay_poll)
            except TransientFault as fault:
                log.warning("relay waits: %s", fault)
                await self._back_off("transient")
            except Exception:
                # A relay that has ended would leave every receipt unkept; the cause is logged by class and place.
                log.exception("relay failed and goes on")
                await self._back_off("unexpected")

    async def _lead(self, leader: Leader) -> None:
        while True:
            self._wake.clear()  # before looking: a row written from now on wakes the relay again
            rows = await leader.waiting(self._settings.relay_batch)
            if rows:
                await self._publish(leader, rows)
            self._faults = 0
            if len(rows) < self._settings.relay_batch:
                await self._idle()

    async def _publish(self, leader: Leader, rows: Sequence[Waiting]) -> None:
        try:
            with telemetry.publish_spans([(row.topic, row.traceparent) for row in rows]) as traces:
                await self._publisher.send([_record(row, trace) for row, trace in zip(rows, traces, strict=True)])
        except InvalidRecord as refused:
            if len(rows) == 1:
                log.error("outbox row %d is set aside: %s", rows[0].id, refused.reason)
                telemetry.count(Metric.OUTBOX_SET_ASIDE, 1, {"reason": refused.reason})
                await leader.set_aside(rows[0].id, refused.reason)
                return
            middle = len(rows) // 2
            await self._publish(leader, rows[:middle])
            await self._publish(leader, rows[middle:])
            return
        now = self._clock()
        await leader.mark_published([row.id for row in rows], now)
        telemetry.count(Metric.OUTBOX_PUBLISHED, len(rows))

    async def _idle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.relay_poll):
                await self._wake.wait()

    async def _back_off(self, kind: str) -> None:
        self._faults += 1
        telemetry.count(Metric.RELAY_FAULTS, 1, {"kind": kind})
        pause = min(self._settings.backoff_initial * 2 ** min(self._faults - 1, 16), self._settings.backoff_max)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret


def _record(row: Waiting, traceparent: str | None) -> Record:
    topic = TOPICS[row.topic]
    assert topic.event is not None, "dead letters never wait in the outbox"
    try:
        event = topic.event.model_validate_json(row.event)
    except ValidationError:
        raise InvalidRecord("invalid_event") from None
    return record(topic, event, "gateway", traceparent=traceparent)
