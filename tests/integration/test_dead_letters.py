"""Dead letters on a real broker: what a consumer could not read is listed, shown, replayed once, and marked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from deploy.dead_letters import DeadLetterTopics, Fate, Position, original_headers
from shared.consumer import BatchConsumer
from shared.dead_letters import dead_letter
from shared.errors import TransientFault, UsageError
from shared.events import FeedbackSubmitted
from shared.member import consuming
from shared.publisher import Record, record
from shared.settings import ServiceSettings
from shared.topics import FEEDBACK_SUBMITTED
from tests.doubles import consumed, submitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.servers import Broker
    from shared.consumer import Delivery
    from shared.publisher import KafkaPublisher

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka: ServiceSettings) -> ServiceSettings:
    return kafka.model_copy(update={"dead_letter_share": 1.0})  # a few records, half of them bad, are the point here


@pytest.fixture
def topics(settings: ServiceSettings) -> DeadLetterTopics:
    return DeadLetterTopics(settings)


class Effect:
    """Remembers what it was given; refuses texts that hold "poison" until it is mended."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.mended = False

    async def __call__(self, deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        if not self.mended and any("poison" in delivery.event.text for delivery in deliveries):
            raise ValueError("this one again")
        self.done += [delivery.event.text for delivery in deliveries]


async def read_by_analysis(
    effect: Effect, settings: ServiceSettings, publisher: KafkaPublisher, *, done: int, dead: int
) -> None:
    """Run the service until so many effects and so many dead letters are there in all."""
    topics = DeadLetterTopics(settings)
    consumer = BatchConsumer(
        service="analysis", topic=FEEDBACK_SUBMITTED, effect=effect, publisher=publisher, settings=settings
    )
    async with consuming([consumer], settings), asyncio.timeout(30):
        while len((await topics.read()).letters) < dead or len(effect.done) < done:  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.02)


async def poisoned(settings: ServiceSettings, publisher: KafkaPublisher) -> Effect:
    """Three good submissions, two that the effect refuses and one that is no JSON, read by a service."""
    texts = ["good 1", "poison 1", "good 2", "poison 2", "good 3"]
    records = [record(FEEDBACK_SUBMITTED, submitted(n, text), "test") for n, text in enumerate(texts)]
    records.append(Record(FEEDBACK_SUBMITTED.name, b"k", b"{not json", [("ce_type", b"heed.feedback.submitted.v1")]))
    await publisher.send(records)
    effect = Effect()
    await read_by_analysis(effect, settings, publisher, done=3, dead=3)
    return effect


async def test_dead_letters_are_read_with_reason_and_origin(
    settings: ServiceSettings, publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    await poisoned(settings, publisher)
    found = await topics.read()
    assert sorted(letter.reason for letter in found.letters) == [
        "effect_failed:ValueError",
        "effect_failed:ValueError",
        "invalid_json",
    ]
    assert {letter.origin.topic for letter in found.letters} == {"feedback-submitted"}
    assert {letter.id.topic for letter in found.letters} == {"analysis-dlq"}
    assert found.waiting() == found.letters
    assert not found.foreign


async def test_one_dead_letter_is_found_with_its_bytes(
    settings: ServiceSettings, publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    await poisoned(settings, publisher)
    (letter,) = [letter for letter in (await topics.read()).letters if letter.reason == "invalid_json"]
    found = await topics.record(letter.id)
    assert (found.key, found.value) == (b"k", b"{not json")
    assert original_headers(found) == [("ce_type", b"heed.feedback.submitted.v1")]


async def test_a_replay_reaches_the_mended_effect_once(
    settings: ServiceSettings, publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    effect = await poisoned(settings, publisher)
    found = await topics.read(["analysis"])
    chosen = [letter for letter in found.letters if letter.reason.startswith("effect_failed")]
    effect.mended = True
    outcome = await topics.replay(publisher, chosen, found.replayed)
    assert [fate for _, fate in outcome] == [Fate.REPLAYED, Fate.REPLAYED]
    await read_by_analysis(effect, settings, publisher, done=5, dead=3)
    assert sorted(effect.done) == ["good 1", "good 2", "good 3", "poison 1", "poison 2"]


async def test_a_second_replay_sends_nothing(
    settings: ServiceSettings, publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    await poisoned(settings, publisher)
    first = await topics.read()
    await topics.replay(publisher, first.letters, first.replayed)
    second = await topics.read()
    assert second.letters == first.letters
    assert second.waiting() == []
    outcome = await topics.replay(publisher, second.letters, second.replayed)
    assert {fate for _, fate in outcome} == {Fate.ALREADY_REPLAYED}
    assert (await topics.read()).replayed == {letter.id for letter in first.letters}


async def test_what_dies_of_the_same_again_needs_force(
    settings: ServiceSettings, publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    effect = await poisoned(settings, publisher)
    first = await topics.read()
    await topics.replay(publisher, first.letters, first.replayed)
    await read_by_analysis(effect, settings, publisher, done=3, dead=6)
    second = await topics.read()
    again = second.waiting()
    assert len(again) == 3
    assert all(letter.looping for letter in again)
    assert {letter.replay_of for letter in again} == {str(letter.id) for letter in first.letters}
    assert {fate for _, fate in await topics.replay(publisher, again, second.replayed)} == {Fate.LOOPING}
    forced = await topics.replay(publisher, again, second.replayed, force=True)
    assert {fate for _, fate in forced} == {Fate.REPLAYED}


async def test_more_than_one_batch_of_dead_letters_is_replayed_whole(
    settings: ServiceSettings, publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    original = [Record(FEEDBACK_SUBMITTED.name, str(n).encode(), b"{", [("n", str(n).encode())]) for n in range(250)]
    await publisher.send(
        [
            dead_letter("analysis", FEEDBACK_SUBMITTED, consumed(item, offset=n), "invalid_json")
            for n, item in enumerate(original)
        ]
    )
    found = await topics.read()
    assert len(found.letters) == 250
    outcome = await topics.replay(publisher, found.letters, found.replayed)
    assert {fate for _, fate in outcome} == {Fate.REPLAYED}
    assert (await topics.read()).waiting() == []


async def test_records_that_heed_did_not_write_are_counted_and_left(
    publisher: KafkaPublisher, topics: DeadLetterTopics
) -> None:
    await publisher.send([Record("learning-dlq", b"k", b"hello", [])])
    found = await topics.read()
    assert found.foreign == {"learning-dlq": 1}
    assert found.letters == []
    with pytest.raises(UsageError, match="there is no dead letter learning-dlq/0/0"):
        await topics.record(Position("learning-dlq", 0, 0))


@pytest.mark.parametrize("where", ["analysis-dlq/0/99", "analysis-dlq/7/0", "feedback-submitted/0/0"])
async def test_a_dead_letter_that_is_not_there_is_told(
    publisher: KafkaPublisher, topics: DeadLetterTopics, where: str
) -> None:
    with pytest.raises(UsageError, match="there is no dead letter"):
        await topics.record(Position.parse(where))


async def test_a_broker_without_topics_has_no_dead_letters(broker: Broker) -> None:
    nobodys = ServiceSettings(kafka_bootstrap=broker.bootstrap, kafka_prefix="nobodys-")
    assert (await DeadLetterTopics(nobodys).read()).letters == []


async def test_no_broker_is_told_in_one_line() -> None:
    with pytest.raises(TransientFault, match="no Kafka broker answers"):
        await DeadLetterTopics(ServiceSettings(kafka_bootstrap="127.0.0.1:1")).read()
