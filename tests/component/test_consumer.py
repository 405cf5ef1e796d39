from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from shared import telemetry
from shared.cloudevents import encode
from shared.consumer import BatchConsumer, Delivery, GiveBack, Halted
from shared.errors import InvalidRecord, TransientFault
from shared.publisher import Record
from shared.service import Running
from shared.settings import ServiceSettings
from shared.telemetry import Metric
from shared.topics import FEEDBACK_SUBMITTED, THEME_DIGESTS
from tests.doubles import RememberingPublisher, consumed, raw, submitted
from tests.unit.digest_samples import PARKING, WAITING, theme_digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import ConsumerRecord

    from shared.digests import ThemeDigest
    from shared.events import FeedbackSubmitted

SECRET = "planted words of a patient"
QUICK = ServiceSettings(backoff_initial=0.001, backoff_max=0.002, give_back_after=0.2)


def consumer(
    effect: Callable[[Sequence[Delivery[FeedbackSubmitted]]], Awaitable[None]],
    publisher: RememberingPublisher,
    settings: ServiceSettings = QUICK,
) -> BatchConsumer[FeedbackSubmitted]:
    return BatchConsumer(
        service="analysis", topic=FEEDBACK_SUBMITTED, effect=effect, publisher=publisher, settings=settings
    )


def batch(size: int, bad: Sequence[int] = ()) -> list[ConsumerRecord[bytes, bytes]]:
    """Records 0 … size-1; those in `bad` carry the planted words, which the tests' effects trip over."""
    records = []
    for number in range(size):
        event = submitted(number, text=SECRET if number in bad else "Kind staff.")
        records.append(consumed(Record("feedback-submitted", *encode(event, "/heed/test")), offset=number))
    return records


async def test_exactly_the_culprits_are_dead_lettered_and_every_neighbour_is_done() -> None:
    done: set[str] = set()
    publisher = RememberingPublisher()

    async def effect(deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        if any(delivery.event.text == SECRET for delivery in deliveries):
            raise ValueError(SECRET)
        done.update(str(delivery.event.feedback_id) for delivery in deliveries)

    records = batch(40, bad=[3, 4, 39])
    await consumer(effect, publisher).handle(records)

    assert len(done) == 37
    letters = publisher.on("analysis-dlq")
    assert [letter.value for letter in letters] == [records[index].value for index in (3, 4, 39)]


async def test_a_dead_letter_keeps_bytes_key_headers_and_position() -> None:
    publisher = RememberingPublisher()

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise InvalidRecord("no_good")

    record = consumed(
        Record("feedback-submitted", b"k", b"\x00\xff", [("x", b"\xfe"), ("heed-dlq-reason", b"old")]), offset=7
    )
    await consumer(effect, publisher).handle([record])

    (letter,) = publisher.sent
    assert (letter.topic, letter.key, letter.value) == ("analysis-dlq", b"k", b"\x00\xff")
    headers = dict(letter.headers)
    assert headers["x"] == b"\xfe"
    assert headers["heed-dlq-reason"] == b"header_not_utf8"
    assert (headers["heed-dlq-topic"], headers["heed-dlq-partition"], headers["heed-dlq-offset"]) == (
        b"feedback-submitted",
        b"0",
        b"7",
    )
    assert [name for name, _ in letter.headers].count("heed-dlq-reason") == 1


async def test_a_record_of_nothing_at_all_can_still_be_dead_lettered() -> None:
    publisher = RememberingPublisher()

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise AssertionError("must not run")

    await consumer(effect, publisher).handle([consumed(Record("feedback-submitted", None, None), offset=9)])
    (letter,) = publisher.sent
    assert (letter.key, letter.value) == (None, b""), "aiokafka refuses to send a null key with a null value"
    assert dict(letter.headers)["heed-dlq-nothing"] == b"true"
    assert dict(letter.headers)["heed-dlq-reason"] == b"null_value"


async def test_a_record_under_another_key_is_refused() -> None:
    publisher = RememberingPublisher()

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise AssertionError("must not run")

    _, value, headers = encode(submitted(), "/heed/test")
    await consumer(effect, publisher).handle([consumed(Record("feedback-submitted", b"other", value, headers))])
    assert dict(publisher.sent[0].headers)["heed-dlq-reason"] == b"key_mismatch"


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",) * 2,
        (SECRET, None),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
    ],
)
async def test_only_a_trace_context_is_handed_on_as_one(given: str, handed_on: str | None) -> None:
    seen: list[str | None] = []

    async def effect(deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        seen.extend(delivery.traceparent for delivery in deliveries)

    record = consumed(Record("feedback-submitted", *encode(submitted(), "/heed/test", given)))
    await consumer(effect, RememberingPublisher()).handle([record])
    assert seen == [handed_on]


async def test_a_transient_fault_is_waited_out_and_nothing_is_dead_lettered() -> None:
    publisher = RememberingPublisher()
    calls = 0

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise TransientFault("away")

    await consumer(effect, publisher).handle(batch(3))
    assert calls == 4
    assert publisher.sent == []


async def test_a_fault_that_lasts_gives_the_batch_back() -> None:
    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise TransientFault("away")

    subject = consumer(effect, RememberingPublisher())
    with pytest.raises(GiveBack):
        await subject.handle(batch(3))
    assert subject.away_since is not None


async def test_a_stopping_service_does_not_wait_for_the_fault_to_pass() -> None:
    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise TransientFault("away")

    subject = consumer(effect, RememberingPublisher(), ServiceSettings(backoff_initial=60))
    subject.stopping.set()
    with pytest.raises(GiveBack):
        await subject.handle(batch(1))


async def test_dead_letters_wait_for_their_topic() -> None:
    publisher = RememberingPublisher(away=3)

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise ValueError

    await consumer(effect, publisher).handle(batch(1))
    assert len(publisher.sent) == 1


class SmallTopic(RememberingPublisher):
    """Refuses a value of more than a hundred bytes, as Kafka refuses one beyond `max.message.bytes`."""

    async def send(self, records: Sequence[Record]) -> None:
        if any(len(record.value or b"") > 100 for record in records):
            raise InvalidRecord("record_too_large")
        await super().send(records)


async def test_a_dead_letter_too_large_for_its_topic_leaves_its_place() -> None:
    publisher = SmallTopic()

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise AssertionError("must not run")

    small = consumed(Record("feedback-submitted", b"k", b"{not json"), offset=1)
    large = consumed(Record("feedback-submitted", b"k", b"x" * 101), offset=2)
    await consumer(effect, publisher).handle([small, large])
    assert [letter.value for letter in publisher.sent] == [b"{not json", b""]
    headers = dict(publisher.sent[1].headers)
    assert (headers["heed-dlq-offset"], headers["heed-dlq-nothing"]) == (b"2", b"true")


async def test_the_breaker_keeps_a_bad_topic_out_of_the_dead_letters() -> None:
    publisher = RememberingPublisher()

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise ValueError

    subject = consumer(effect, publisher, ServiceSettings(dead_letter_window=40, dead_letter_share=0.5))
    with pytest.raises(Halted):
        await subject.handle(batch(20))
    assert subject.halted
    assert publisher.sent == []


async def test_a_breaker_that_has_opened_is_told_by_health_and_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[Metric, float, object]] = []
    monkeypatch.setattr(telemetry, "measure", lambda *told: measured.append(told))

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise ValueError

    subject = consumer(effect, RememberingPublisher(), ServiceSettings(dead_letter_window=40, dead_letter_share=0.5))
    service = Running([subject])
    assert await service.readiness() == {"reads feedback-submitted": True}
    with pytest.raises(Halted):
        await subject.handle(batch(20))
    assert await service.readiness() == {"reads feedback-submitted": False}
    assert measured == [(Metric.HALTED, 1, {"service": "analysis", "topic": "feedback-submitted"})]


@pytest.mark.parametrize(("share", "halts"), [(0.25, True), (0.5, False)])
async def test_how_many_may_be_bad_is_for_the_operator_to_say(share: float, halts: bool) -> None:
    async def effect(deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        if any(delivery.event.text == SECRET for delivery in deliveries):
            raise ValueError

    subject = consumer(effect, RememberingPublisher(), ServiceSettings(dead_letter_window=20, dead_letter_share=share))
    records = batch(20, bad=range(8))
    if halts:
        with pytest.raises(Halted):
            await subject.handle(records)
    else:
        await subject.handle(records)
    assert subject.halted is halts


async def test_no_words_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        raise ValueError(SECRET)

    with caplog.at_level(logging.DEBUG):
        await consumer(effect, RememberingPublisher()).handle(batch(2, bad=[0, 1]))
    assert "effect_failed:ValueError" in caplog.text
    assert SECRET not in caplog.text


def keyed(key: bytes, offset: int) -> ConsumerRecord[bytes, bytes]:
    """A record without a value."""
    return consumed(Record("feedback-submitted", key, None), offset=offset)


def forgetting(
    done: list[str], gone: list[str], publisher: RememberingPublisher, faults: list[Exception]
) -> BatchConsumer[FeedbackSubmitted]:
    """One that notes what it is told, and trips over each fault once, or over the key `bad` always."""

    async def effect(deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        done.extend(str(delivery.event.feedback_id) for delivery in deliveries)

    async def removal(keys: Sequence[str]) -> None:
        if faults:
            raise faults.pop()
        if "bad" in keys:
            raise ValueError(SECRET)
        gone.extend(keys)

    return BatchConsumer(
        service="analysis",
        topic=FEEDBACK_SUBMITTED,
        effect=effect,
        publisher=publisher,
        settings=QUICK,
        removal=removal,
    )


async def test_a_record_without_a_value_removes_its_key_unless_a_later_one_brings_it_back() -> None:
    done: list[str] = []
    gone: list[str] = []
    publisher = RememberingPublisher()
    first, second = batch(2)
    back = (first.key or b"").decode()
    later = [keyed(first.key or b"", 2), keyed(second.key or b"", 3), batch(1)[0]]
    await forgetting(done, gone, publisher, []).handle([first, second, *later])
    assert done == [back, (second.key or b"").decode(), back]
    assert gone == [(second.key or b"").decode()]
    assert publisher.sent == []


async def test_a_removal_that_fails_for_good_is_dead_lettered_alone() -> None:
    gone: list[str] = []
    publisher = RememberingPublisher()
    records = [keyed(key, offset) for offset, key in enumerate([b"a", b"bad", b"c"])]
    await forgetting([], gone, publisher, []).handle(records)
    assert gone == ["a", "c"]
    (letter,) = publisher.on("analysis-dlq")
    assert letter.key == b"bad"
    assert dict(letter.headers)["heed-dlq-reason"] == b"removal_failed:ValueError"


async def test_a_removal_is_tried_again_while_the_database_is_away() -> None:
    gone: list[str] = []
    await forgetting([], gone, RememberingPublisher(), [TransientFault("away"), TransientFault("away")]).handle(
        [keyed(b"a", 0)]
    )
    assert gone == ["a"]


def of_all_themes(
    done: list[str], gone: list[str], publisher: RememberingPublisher, prefix: str = ""
) -> BatchConsumer[ThemeDigest]:
    """One that notes the slugs of what it reads, and the keys of what is removed."""

    async def effect(deliveries: Sequence[Delivery[ThemeDigest]]) -> None:
        done.extend(delivery.event.slug for delivery in deliveries)

    async def removal(keys: Sequence[str]) -> None:
        if f"{PARKING}:bad" in keys:
            raise ValueError
        gone.extend(keys)

    return BatchConsumer(
        service="portal",
        topic=THEME_DIGESTS,
        effect=effect,
        publisher=publisher,
        settings=QUICK.model_copy(update={"kafka_prefix": prefix}),
        removal=removal,
    )


def digest_record(slug: str, topic: str | None = None) -> ConsumerRecord[bytes, bytes]:
    return raw(theme_digest(slug), topic or THEME_DIGESTS.named(slug=slug))


async def test_a_familys_removals_are_told_apart_by_their_topics() -> None:
    """All digests of a month have the same key."""
    done: list[str] = []
    gone: list[str] = []
    publisher = RememberingPublisher()
    taken_back = [
        consumed(Record(THEME_DIGESTS.named(slug=slug), b"2026-05-01", None), offset=1) for slug in (WAITING, PARKING)
    ]
    await of_all_themes(done, gone, publisher).handle([*taken_back, digest_record(PARKING)])
    assert done == [PARKING]
    assert gone == [f"{WAITING}:2026-05-01"]
    assert publisher.sent == []


async def test_a_record_on_another_topic_of_its_family_is_refused() -> None:
    done: list[str] = []
    publisher = RememberingPublisher()
    moved = THEME_DIGESTS.named(slug=PARKING)
    await of_all_themes(done, [], publisher).handle([digest_record(WAITING), digest_record(WAITING, moved)])
    assert done == [WAITING]
    (letter,) = publisher.on("portal-dlq")
    headers = dict(letter.headers)
    assert (headers["heed-dlq-reason"], headers["heed-dlq-topic"]) == (b"topic_mismatch", moved.encode())


async def test_a_familys_topics_are_named_without_the_installations_prefix() -> None:
    done: list[str] = []
    gone: list[str] = []
    publisher = RememberingPublisher()
    topic = f"ours-{THEME_DIGESTS.named(slug=PARKING)}"
    subject = of_all_themes(done, gone, publisher, prefix="ours-")
    removed = [consumed(Record(topic, key, None)) for key in (b"2026-04-01", b"bad")]
    await subject.handle([digest_record(PARKING, topic), *removed])
    assert (done, gone) == ([PARKING], [f"{PARKING}:2026-04-01"])
    (letter,) = publisher.on("portal-dlq")
    assert dict(letter.headers)["heed-dlq-topic"] == THEME_DIGESTS.named(slug=PARKING).encode()
    assert subject.reads(topic)
    assert not subject.reads(THEME_DIGESTS.named(slug=PARKING))
