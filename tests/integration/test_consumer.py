"""The consumer loop on a real broker: what it promises, seen from the committed offsets and the dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher

from shared.consumer import BatchConsumer, Delivery
from shared.errors import TransientFault
from shared.member import consuming
from shared.polling import IDLE_WAIT_MS
from shared.publisher import Record, record
from shared.topics import DEAD_LETTERS, FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN
from tests.doubles import NOON, submitted
from tests.integration.offsets import committed
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.events import FeedbackSubmitted
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = pytest.mark.integration

POISON = "the effect trips over this"


class Effect:
    """Remembers what it did; trips over poison; is away for the first `away` calls."""

    def __init__(self, away: int = 0) -> None:
        self.done: list[tuple[UUID, int]] = []
        self.away = away
        self.calls = 0

    async def __call__(self, deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        self.calls += 1
        if self.calls <= self.away:
            raise TransientFault("away; this is a test")
        if any(delivery.event.text == POISON for delivery in deliveries):
            raise ValueError(POISON)
        self.done += [(delivery.event.feedback_id, delivery.event.version) for delivery in deliveries]


def reading(effect: Effect, publisher: KafkaPublisher, settings: ServiceSettings) -> BatchConsumer[FeedbackSubmitted]:
    return BatchConsumer(
        service="analysis", topic=FEEDBACK_SUBMITTED, effect=effect, publisher=publisher, settings=settings
    )


def submissions(numbers: range, poison: Sequence[int] = ()) -> list[Record]:
    return [
        record(FEEDBACK_SUBMITTED, submitted(number, POISON if number in poison else "Kind staff."), "test")
        for number in numbers
    ]


async def dead(settings: ServiceSettings, count: int) -> list[dict[str, bytes]]:
    """The headers of the service's dead letters, once there are `count`."""
    found: list[dict[str, bytes]] = []
    async with AIOKafkaConsumer(
        settings.kafka_prefix + DEAD_LETTERS["analysis"].name,
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
    ) as consumer:

        async def enough() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend({**dict(each.headers), "value": each.value} for each in records)
            return len(found) >= count

        await until(enough)
    return found


async def test_600_records_24_of_them_poison(kafka: ServiceSettings, publisher: KafkaPublisher) -> None:
    poison = range(3, 600, 25)
    effect = Effect()
    await publisher.send(submissions(range(600), poison))
    async with consuming([reading(effect, publisher, kafka)], kafka):
        await until(lambda: len(set(effect.done)) == 576)
        letters = await dead(kafka, 24)

    assert len(effect.done) == 576, "each good one done once: nothing was given back"
    assert len(letters) == 24
    assert await committed(kafka) == 600
    assert {letter["heed-dlq-reason"] for letter in letters} == {b"effect_failed:ValueError"}
    assert all(POISON.encode() in letter["value"] for letter in letters)
    assert not any(POISON.encode() in value for letter in letters for name, value in letter.items() if name != "value")


async def test_bytes_that_no_parser_takes_are_dead_lettered_and_passed(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    bad = [
        Record(FEEDBACK_SUBMITTED.name, b"k", b"{not json", [("ce_type", b"heed.feedback.submitted.v1")]),
        Record(FEEDBACK_SUBMITTED.name, b"k", b"{}", [("ce_type", b"\xff\xfe")]),
        Record(FEEDBACK_SUBMITTED.name, b"k", b"", []),
        Record(FEEDBACK_SUBMITTED.name, b"k", None, []),
    ]
    effect = Effect()
    await publisher.send([*submissions(range(20)), *bad, *submissions(range(20, 40))])
    async with consuming([reading(effect, publisher, kafka)], kafka):
        await until(lambda: len(effect.done) == 40)
        letters = await dead(kafka, 4)
    assert sorted(letter["heed-dlq-reason"] for letter in letters) == [
        b"header_not_utf8",
        b"invalid_json",
        b"missing_ce_type",
        b"null_value",
    ]
    assert await committed(kafka) == 44


async def test_a_second_start_does_nothing_again(kafka: ServiceSettings, publisher: KafkaPublisher) -> None:
    first, second = Effect(), Effect()
    await publisher.send(submissions(range(50)))
    async with consuming([reading(first, publisher, kafka)], kafka):
        await until(lambda: len(first.done) == 50)
    await publisher.send(submissions(range(50, 51)))
    async with consuming([reading(second, publisher, kafka)], kafka):
        await until(lambda: len(second.done) >= 1)
    assert len(second.done) == 1


async def test_a_transient_fault_commits_nothing_and_loses_nothing(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    away = Effect(away=1_000_000)
    await publisher.send(submissions(range(10)))
    async with consuming([reading(away, publisher, kafka)], kafka):
        await until(lambda: away.calls >= 3)
    back = Effect()
    async with consuming([reading(back, publisher, kafka)], kafka):
        await until(lambda: len(back.done) == 10)
    assert away.done == []


async def test_a_bad_deploy_halts_and_leaves_the_topic_as_it_is(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    settings = kafka.model_copy(update={"dead_letter_window": 20})
    await publisher.send(submissions(range(60), poison=range(60)))
    subject = reading(Effect(), publisher, settings)
    async with consuming([subject], settings) as loop:
        await until(lambda: subject.halted)
        assert loop.alive(), "it stays a member, and its health tells"
    mended = Effect()
    await publisher.send(submissions(range(60, 61)))
    async with consuming([reading(mended, publisher, settings.model_copy(update={"dead_letter_share": 1}))], settings):
        await until(lambda: len(mended.done) == 1)
        assert len(await dead(kafka, 60)) == 60, "all sixty were still there to be read"


async def test_one_topics_halt_does_not_stop_the_other(kafka: ServiceSettings, publisher: KafkaPublisher) -> None:
    from shared.events import FeedbackWithdrawn

    settings = kafka.model_copy(update={"dead_letter_window": 20})
    forgotten: list[UUID] = []

    async def forget(deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        forgotten.extend(delivery.event.feedback_id for delivery in deliveries)

    withdrawals: BatchConsumer[FeedbackWithdrawn] = BatchConsumer(
        service="analysis", topic=FEEDBACK_WITHDRAWN, effect=forget, publisher=publisher, settings=settings
    )
    bad = reading(Effect(), publisher, settings)
    await publisher.send(submissions(range(60), poison=range(60)))
    async with consuming([bad, withdrawals], settings):
        await until(lambda: bad.halted)
        gone = FeedbackWithdrawn(feedback_id=submitted(1).feedback_id, withdrawn_at=NOON)
        await publisher.send([record(FEEDBACK_WITHDRAWN, gone, "test")])
        await until(lambda: forgotten == [gone.feedback_id])


async def test_an_idle_member_asks_seldom_until_there_is_something_to_read(
    kafka: ServiceSettings, publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    request = fetcher.FetchRequest

    def noted(max_wait_ms: int, *rest: Any, **more: Any) -> Any:
        waits.append(max_wait_ms)
        return request(max_wait_ms, *rest, **more)

    monkeypatch.setattr(fetcher, "FetchRequest", noted)
    monkeypatch.setattr("shared.polling.IDLE_AFTER", 0.0)
    effect = Effect()
    async with consuming([reading(effect, publisher, kafka)], kafka):
        await until(lambda: IDLE_WAIT_MS in waits)
        asked = len(waits)
        await publisher.send(submissions(range(1)))
        await until(lambda: len(effect.done) == 1)
        await until(lambda: min(waits[asked:], default=IDLE_WAIT_MS) < IDLE_WAIT_MS)
