"""From topic to topic on a real broker: every submission becomes one reading or one dead letter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.create_topics import create_topics
from deploy.dead_letters import DeadLetterTopics
from deploy.servers import running_broker
from services.analysis.handlers import SubmittedHandler
from services.analysis.reader import Reader
from shared.consumer import BatchConsumer, Delivery
from shared.events import FeedbackAnalysed, FeedbackUrgent
from shared.member import consuming
from shared.publisher import KafkaPublisher, record, running_publisher
from shared.settings import ServiceSettings
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, FEEDBACK_URGENT, Topic
from tests.analysis_doubles import FakeEncoder
from tests.doubles import submitted

pytestmark = pytest.mark.integration

REAL = os.environ.get("HEED_TEST_KAFKA")
COMMENTS = 200


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[ServiceSettings]:
    prefix = f"t{uuid4().hex[:10]}-"
    if REAL:
        yield ServiceSettings(kafka_bootstrap=REAL, kafka_prefix=prefix)
        return
    async with running_broker(tmp_path) as broker:
        yield ServiceSettings(kafka_bootstrap=broker.bootstrap, kafka_prefix=prefix, kafka_embedded=True)


@pytest.fixture
async def publisher(settings: ServiceSettings) -> AsyncIterator[KafkaPublisher]:
    await create_topics(settings, [])
    async with running_publisher(settings, "test") as connected:
        yield connected


class Heard:
    """What a reader downstream was given."""

    def __init__(self) -> None:
        self.readings: list[FeedbackAnalysed] = []
        self.flags: list[FeedbackUrgent] = []

    async def on_analysed(self, deliveries: Sequence[Delivery[FeedbackAnalysed]]) -> None:
        self.readings += [delivery.event for delivery in deliveries]

    async def on_urgent(self, deliveries: Sequence[Delivery[FeedbackUrgent]]) -> None:
        self.flags += [delivery.event for delivery in deliveries]


async def test_every_submission_is_one_reading_or_one_dead_letter(
    settings: ServiceSettings, publisher: KafkaPublisher
) -> None:
    def consumer(
        service: str, topic: Topic, effect: Callable[[Sequence[Delivery[Any]]], Awaitable[None]]
    ) -> BatchConsumer[Any]:
        return BatchConsumer(service=service, topic=topic, effect=effect, publisher=publisher, settings=settings)

    texts = [f"comment {n} of Bronwen" for n in range(COMMENTS)]
    texts[17], texts[18], texts[150] = "boom", "I want to die", "boom again"
    events = [submitted(n, text) for n, text in enumerate(texts)]
    await publisher.send([record(FEEDBACK_SUBMITTED, event, "test") for event in events])

    heard = Heard()
    topics = DeadLetterTopics(settings)
    with ThreadPoolExecutor(1) as worker:
        handler = SubmittedHandler(Reader(FakeEncoder(crash="boom")), worker, publisher)
        analysis = consumer("analysis", FEEDBACK_SUBMITTED, handler.on_feedback_submitted)
        learning = consumer("learning", FEEDBACK_ANALYSED, heard.on_analysed)
        portal = consumer("portal", FEEDBACK_URGENT, heard.on_urgent)
        async with consuming([analysis], settings), consuming([learning], settings), consuming([portal], settings):
            async with asyncio.timeout(40):
                while (  # noqa: ASYNC110 - a poll
                    len({reading.feedback_id for reading in heard.readings}) < COMMENTS - 2
                    or len((await topics.read()).letters) < 2
                    or not heard.flags
                ):
                    await asyncio.sleep(0.02)

    dead = {events[17].feedback_id, events[150].feedback_id}
    assert {reading.feedback_id for reading in heard.readings} == {event.feedback_id for event in events} - dead
    assert {flag.feedback_id for flag in heard.flags} == {events[18].feedback_id}
    letters = (await topics.read()).letters
    assert [letter.reason for letter in letters] == ["unreadable_text", "unreadable_text"]
    assert not any("Bronwen" in segment.text for reading in heard.readings for segment in reading.segments)
