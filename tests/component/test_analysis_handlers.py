"""The analysis handler behind the real consumer, with a fake encoder and a publisher that remembers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from services.analysis.handlers import SubmittedHandler
from services.analysis.reader import GROUP, Reader
from shared.cloudevents import decode, header
from shared.consumer import BatchConsumer, Delivery
from shared.errors import InvalidRecord, TransientFault
from shared.events import (
    Consent,
    FeedbackAnalysed,
    FeedbackSubmitted,
    FeedbackUrgent,
    Kind,
    MediaReference,
    Submitter,
    TranscriptSegment,
)
from shared.publisher import Record
from shared.settings import ServiceSettings
from shared.topics import DEAD_LETTERS, FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, FEEDBACK_URGENT
from tests.analysis_doubles import FakeEncoded, FakeEncoder
from tests.doubles import NOON, RememberingPublisher, raw, submitted
from tests.waiting import until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def publisher() -> RememberingPublisher:
    return RememberingPublisher()


@pytest.fixture
async def worker() -> AsyncIterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def handler(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor, encoder: FakeEncoder | None = None
) -> SubmittedHandler:
    return SubmittedHandler(Reader(encoder or FakeEncoder()), worker, publisher, lambda: NOON)


def analysed(publisher: RememberingPublisher) -> list[FeedbackAnalysed]:
    return [decode(FeedbackAnalysed, r.value, r.headers) for r in publisher.on(FEEDBACK_ANALYSED.name)]


def flagged(publisher: RememberingPublisher) -> list[FeedbackUrgent]:
    return [decode(FeedbackUrgent, r.value, r.headers) for r in publisher.on(FEEDBACK_URGENT.name)]


def deliveries(*events: FeedbackSubmitted) -> list[Delivery[FeedbackSubmitted]]:
    return [Delivery(event, TRACE) for event in events]


async def test_a_comment_becomes_a_redacted_reading(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    event = submitted(
        text="Bronwen was kind. Ring 07700 900123.",
        rating=1,
        consent=Consent(quote=True),
        submitter=Submitter(role="carer", age_band="35_44"),
    )
    await handler(publisher, worker).on_feedback_submitted(deliveries(event))
    (reading,) = analysed(publisher)
    assert reading.segments[0].text == "[name] was kind. Ring [phone]."
    assert (reading.feedback_id, reading.version, reading.about) == (event.feedback_id, 1, event.about)
    assert (reading.role, reading.age_band, reading.rating, reading.language) == ("carer", "35_44", 1, "en")
    assert reading.sentiment is not None
    assert reading.sentiment.label == 1
    assert [theme.name for theme in reading.themes] == ["Staff manner"]
    assert (reading.urgent, reading.quote_ok, reading.redactions) == (False, True, {"name": 1, "phone": 1})
    assert reading.model_version == "fake-1"
    assert reading.analysed_at == NOON
    assert publisher.on(FEEDBACK_URGENT.name) == []


async def test_urgent_feedback_goes_to_the_restricted_topic_without_words(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    event = submitted(text="A porter slapped my mother, disgraceful", consent=Consent(quote=True))
    await handler(publisher, worker).on_feedback_submitted(deliveries(event))
    (flag,) = flagged(publisher)
    assert flag.reasons == ("lexicon:assault", "severity")
    assert flag.feedback_id == event.feedback_id
    (record,) = publisher.on(FEEDBACK_URGENT.name)
    assert b"slapped" not in (record.value or b"")
    (reading,) = analysed(publisher)
    assert (reading.urgent, reading.quote_ok) == (True, False)


async def test_the_trace_goes_on(publisher: RememberingPublisher, worker: ThreadPoolExecutor) -> None:
    await handler(publisher, worker).on_feedback_submitted(deliveries(submitted(text="I want to die")))
    assert [header(record.headers, "traceparent") for record in publisher.sent] == [TRACE, TRACE]


async def test_versions_of_one_id_keep_their_order(publisher: RememberingPublisher, worker: ThreadPoolExecutor) -> None:
    events = [submitted(text=f"kind {version}", version=version) for version in (1, 2, 3)]
    await handler(publisher, worker).on_feedback_submitted(deliveries(*events))
    assert [reading.version for reading in analysed(publisher)] == [1, 2, 3]
    assert len({reading.identity() for reading in analysed(publisher)}) == 3


async def test_a_replay_makes_the_same_events(publisher: RememberingPublisher, worker: ThreadPoolExecutor) -> None:
    events = [submitted(n, text) for n, text in enumerate(["kind staff", "I want to die", "the wait"])]
    service = handler(publisher, worker)
    await service.on_feedback_submitted(deliveries(*events))
    first, publisher.sent = publisher.sent, []
    for event in events:
        await service.on_feedback_submitted(deliveries(event))
    assert publisher.sent == first


async def test_a_film_without_words_still_counts(publisher: RememberingPublisher, worker: ThreadPoolExecutor) -> None:
    await handler(publisher, worker).on_feedback_submitted(deliveries(submitted(text="", kind=Kind.VIDEO)))
    (reading,) = analysed(publisher)
    assert (reading.segments, reading.sentiment, reading.severity) == ((), None, 0.0)


async def test_a_transcript_is_read_in_segments_with_times(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    cues = (
        TranscriptSegment(start_seconds=0, end_seconds=3, text="My nurse was Bronwen."),
        TranscriptSegment(start_seconds=3, end_seconds=8.5, text="But the wait was long."),
    )
    film = MediaReference(media_id="film-1", content_type="video/mp4", stored=True)
    event = submitted(text="", kind=Kind.VIDEO, transcript=cues, media=(film,))
    await handler(publisher, worker, FakeEncoder(room=6)).on_feedback_submitted(deliveries(event))
    (reading,) = analysed(publisher)
    assert [(s.text, s.start_seconds, s.end_seconds) for s in reading.segments] == [
        ("My nurse was [name].", 0, 3),
        ("But the wait was long.", 3, 8.5),
    ]
    assert reading.media == (film,), "what the seconds count in"


async def test_an_unreadable_text_publishes_nothing_of_its_batch(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    service = handler(publisher, worker, FakeEncoder(crash="boom"))
    with pytest.raises(InvalidRecord) as refused:
        await service.on_feedback_submitted(deliveries(submitted(1), submitted(2, "boom")))
    assert refused.value.reason == "unreadable_text"
    assert publisher.sent == []


async def test_the_consumer_dead_letters_it_alone(publisher: RememberingPublisher, worker: ThreadPoolExecutor) -> None:
    service = handler(publisher, worker, FakeEncoder(crash="boom"))
    consumer: BatchConsumer[FeedbackSubmitted] = BatchConsumer(
        service="analysis",
        topic=FEEDBACK_SUBMITTED,
        effect=service.on_feedback_submitted,
        publisher=publisher,
        settings=ServiceSettings(),
    )
    events = [submitted(n, "boom" if n == 5 else f"comment {n}") for n in range(9)]
    await consumer.handle([raw(event, FEEDBACK_SUBMITTED.name) for event in events])
    read: list[UUID] = [reading.feedback_id for reading in analysed(publisher)]
    assert read == [event.feedback_id for event in events if event.text != "boom"]
    (letter,) = publisher.on(DEAD_LETTERS["analysis"].name)
    assert letter.key == events[5].key().encode()


async def test_a_broker_that_is_away_is_told_as_transient(worker: ThreadPoolExecutor) -> None:
    with pytest.raises(TransientFault):
        await handler(RememberingPublisher(away=1), worker).on_feedback_submitted(deliveries(submitted()))


async def test_one_send_for_a_batch(worker: ThreadPoolExecutor) -> None:
    sends: list[int] = []

    class Counting:
        async def send(self, records: Sequence[Record]) -> None:
            sends.append(len(records))

    service = SubmittedHandler(Reader(FakeEncoder()), worker, Counting())
    await service.on_feedback_submitted(deliveries(*(submitted(n) for n in range(5)), submitted(6, "I want to die")))
    assert sends == [7]


async def test_what_is_read_is_published_while_the_rest_is_read(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    let_go = threading.Event()

    class SlowAfterAGroup(FakeEncoder):
        def begin(
            self, texts: Sequence[str], question_types: Sequence[str]
        ) -> Iterator[tuple[Sequence[int], list[FakeEncoded]]]:
            for rows in (range(GROUP), range(GROUP, len(texts))):
                yield rows, self.run([texts[row] for row in rows], [question_types[row] for row in rows])
                assert let_go.wait(10)

    events = [submitted(n, f"comment {n}") for n in range(5 * GROUP)]
    reading = asyncio.create_task(
        handler(publisher, worker, SlowAfterAGroup()).on_feedback_submitted(deliveries(*events))
    )
    try:
        await until(lambda: len(publisher.sent) == GROUP)
        assert not reading.done()
    finally:
        let_go.set()
    await reading
    assert [record.key for record in publisher.sent] == [event.key().encode() for event in events]


async def test_versions_of_one_feedback_are_published_in_their_order(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    class LongestFirst(FakeEncoder):
        def begin(
            self, texts: Sequence[str], question_types: Sequence[str]
        ) -> Iterator[tuple[Sequence[int], list[FakeEncoded]]]:
            for row in sorted(range(len(texts)), key=lambda row: -len(texts[row])):
                yield [row], self.run([texts[row]], [question_types[row]])

    events = [submitted(1, "kind"), submitted(2, "kind staff"), submitted(1, "kind staff, long wait", version=2)]
    await handler(publisher, worker, LongestFirst()).on_feedback_submitted(deliveries(*events))
    assert [json.loads(record.value or b"")["segments"][0]["text"] for record in publisher.sent] == [
        event.text for event in events
    ]


async def test_the_event_loop_stays_free_while_the_model_reads(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor
) -> None:
    let_go = threading.Event()

    class Slow(FakeEncoder):
        def run(self, texts: Sequence[str], question_types: Sequence[str]) -> list[FakeEncoded]:
            assert let_go.wait(10)
            return super().run(texts, question_types)

    reading = asyncio.create_task(handler(publisher, worker, Slow()).on_feedback_submitted(deliveries(submitted())))
    turns = 0
    deadline = time.monotonic() + 5
    while turns < 100 and time.monotonic() < deadline:
        await asyncio.sleep(0)
        turns += 1
    assert not reading.done()
    let_go.set()
    await reading
    assert len(publisher.sent) == 1


async def test_logs_hold_no_words(
    publisher: RememberingPublisher, worker: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(InvalidRecord) as refused:
        await handler(publisher, worker, FakeEncoder(crash="boom")).on_feedback_submitted(
            deliveries(submitted(text="boom goes Bronwen"))
        )
    told: list[Any] = [caplog.text, str(refused.value)]
    assert "RuntimeError" in caplog.text
    assert not any("Bronwen" in words or "boom" in words for words in told)
