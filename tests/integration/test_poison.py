"""Every kind of record that nobody can read, at every service that must not stumble over it.

Exactly that record is in the service's dead letters, with its bytes, key, headers, position and reason; its neighbours
are done, and the topic is behind the group.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr
from sqlalchemy import text

from deploy.sample.feedback import CATALOGUE
from services.learning.app import running as running_learning
from services.learning.settings import LearningSettings
from shared.cloudevents import encode
from shared.database import engine
from shared.events import MAX_TEXT
from shared.publisher import Record
from shared.service import at_work
from shared.topics import DEAD_LETTERS, FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, MEBIBYTE
from tests.doubles import submitted
from tests.integration.house import CRASH, running_analysis
from tests.unit.learning_samples import analysed
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiokafka import ConsumerRecord
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.cloudevents import Headers
    from shared.events import Event
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from shared.topics import Topic
    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

PLANTED = "the lighthouse keeper waved from platform nine"
NEIGHBOURS = 30


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be read, and the code of why."""

    reason: str
    record: Record


def poisons(topic: Topic, event: Callable[[int], Event]) -> dict[str, Poison]:
    """What can be wrong with a record of any topic, before its content is looked at by the service."""
    numbers = count(900)

    def bad(
        reason: str,
        value: Callable[[bytes], bytes | None] = lambda value: value,
        headers: Callable[[Headers], Headers] = lambda headers: headers,
        key: bytes | None = None,
    ) -> Poison:
        whose, sound, told = encode(event(next(numbers)), "/heed/test")
        return Poison(reason, Record(topic.name, key or whose, value(sound), headers(told)))

    def newer(headers: Headers) -> Headers:
        return [(name, b"heed.feedback.anything.v9" if name == "ce_type" else told) for name, told in headers]

    def with_(**fields: Any) -> Callable[[bytes], bytes]:
        return lambda value: json.dumps({**json.loads(value), "planted": PLANTED, **fields}).encode()

    return {
        "bad JSON": bad("invalid_json", lambda value: value[:-1] + PLANTED.encode()),
        "not UTF-8": bad("invalid_json", lambda value: value.replace(b"feedback_id", b"\xff\xfe")),
        "nothing": bad("invalid_json", lambda _: b""),
        "wrong type": bad("invalid_version:int_parsing", with_(version="the second")),
        "another shape": bad("invalid_event:model_type", lambda _: json.dumps([PLANTED]).encode()),
        "unknown event version": bad("unknown_event_type", headers=newer),
        "null value": bad("null_value", lambda _: None),
        "header not UTF-8": bad("header_not_utf8", headers=lambda told: [*told, ("x-\u00e9", b"\xff\xfe")]),
        "no headers": bad("missing_ce_type", headers=lambda _: []),
        "wrong key": bad("key_mismatch", key=PLANTED.encode()),
        "as large as its topic takes": bad("invalid_json", lambda _: b"x" * (MEBIBYTE - 2048)),
    }


def of_analysis() -> dict[str, Poison]:
    """And what only the analysis service finds out."""

    def sent(number: int, **fields: Any) -> Record:
        event = submitted(number).model_copy(update=fields)
        return Record(FEEDBACK_SUBMITTED.name, *encode(event, "/heed/test"))

    return poisons(FEEDBACK_SUBMITTED, submitted) | {
        "oversize text": Poison("invalid_text:string_too_long", sent(801, text="🙏" * (MAX_TEXT + 1))),
        "crashes the model": Poison("unreadable_text", sent(802, text=f"{PLANTED}, {CRASH}")),
    }


def of_learning() -> dict[str, Poison]:
    """And what only the database finds out."""

    def sent(number: int, **fields: Any) -> Record:
        return Record(FEEDBACK_ANALYSED.name, *encode(analysed(number, text=PLANTED, **fields), "/heed/test"))

    nowhere = analysed().about.model_copy(update={"organisation": "Nowhere"})
    return poisons(FEEDBACK_ANALYSED, analysed) | {
        "violates a constraint": Poison("effect_failed:IntegrityError", sent(801, about=nowhere)),
        "a number that no column holds": Poison("effect_failed:DBAPIError", sent(802, version=2**40)),
    }


async def everything(settings: ServiceSettings, topic: Topic, least: int) -> list[ConsumerRecord[bytes, bytes]]:
    """All records of a topic, once there are so many; and no more come with the next polls."""
    found: list[ConsumerRecord[bytes, bytes]] = []
    partitions = [TopicPartition(settings.kafka_prefix + topic.name, number) for number in range(topic.partitions)]
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(partitions)
        quiet = 0

        async def whole() -> bool:
            nonlocal quiet
            batches = await consumer.getmany(timeout_ms=100)
            found.extend(record for records in batches.values() for record in records)
            quiet = 0 if batches else quiet + 1
            return len(found) >= least and quiet >= 3

        await until(whole, 30)
    return found


def among_neighbours(poison: dict[str, Poison], topic: Topic, event: Callable[[int], Event]) -> list[Record]:
    """Good records with the bad ones between them."""
    records = [Record(topic.name, *encode(event(number), "/heed/test")) for number in range(NEIGHBOURS)]
    for place, bad in enumerate(poison.values()):
        records.insert(2 * place + 1, bad.record)
    return records


async def check_dead_letters(settings: ServiceSettings, service: str, topic: Topic, poison: dict[str, Poison]) -> None:
    """Each poison is there once, whole, and nothing else is."""
    source = await everything(settings, topic, NEIGHBOURS + len(poison))
    letters = await everything(settings, DEAD_LETTERS[service], len(poison))
    died = {(letter.key, letter.value): dict(letter.headers) for letter in letters}
    assert len(letters) == len(died) == len(poison)
    for name, bad in poison.items():
        told = died[bad.record.key, bad.record.value]
        (stood,) = [each for each in source if (each.key, each.value) == (bad.record.key, bad.record.value)]
        ours = {header.removeprefix("heed-dlq-"): value for header, value in told.items() if "heed-dlq-" in header}
        before = [(header, value) for header, value in told.items() if "heed-dlq-" not in header]
        assert before == list(bad.record.headers), name
        assert ours.pop("time"), name
        assert ours == {
            "service": service.encode(),
            "reason": bad.reason.encode(),
            "topic": topic.name.encode(),
            "partition": str(stood.partition).encode(),
            "offset": str(stood.offset).encode(),
        }, name


async def behind(settings: ServiceSettings, service: str, topic: Topic) -> int:
    """How many records of the topic its group has committed."""
    partitions = [TopicPartition(settings.kafka_prefix + topic.name, number) for number in range(topic.partitions)]
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=settings.kafka_prefix + service,
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign(partitions)
        return sum([await consumer.committed(each) or 0 for each in partitions])


@pytest.fixture
def settings(kafka: ServiceSettings) -> ServiceSettings:
    return kafka.model_copy(update={"dead_letter_share": 1.0})  # so much poison at once would stop the consumer


async def test_every_poison_at_the_analysis_service(settings: ServiceSettings, publisher: KafkaPublisher) -> None:
    poison = of_analysis()
    records = among_neighbours(poison, FEEDBACK_SUBMITTED, submitted)
    async with at_work(running_analysis, settings, publisher):
        await publisher.send(records)

        async def all_behind() -> bool:
            return await behind(settings, "analysis", FEEDBACK_SUBMITTED) == len(records)

        await until(all_behind, 40)
    done = await everything(settings, FEEDBACK_ANALYSED, NEIGHBOURS)
    assert {each.key.decode() for each in done} == {str(submitted(n).feedback_id) for n in range(NEIGHBOURS)}
    await check_dead_letters(settings, "analysis", FEEDBACK_SUBMITTED, poison)


@pytest.fixture
async def learning(database_url: DatabaseUrl, settings: ServiceSettings) -> LearningSettings:
    url = await database_url("learning")
    given = settings.model_dump(exclude_unset=True)
    return LearningSettings(
        database_url=SecretStr(url), catalogue=CATALOGUE, summary_quiet=3600, summary_max_delay=3600, **given
    )


@pytest.fixture
async def database(learning: LearningSettings) -> AsyncIterator[AsyncEngine]:
    made = engine(learning.database_url.get_secret_value(), "learning", pool_size=1)
    yield made
    await made.dispose()


async def test_every_poison_at_the_learning_service(
    learning: LearningSettings, publisher: KafkaPublisher, database: AsyncEngine
) -> None:
    poison = of_learning()
    records = among_neighbours(poison, FEEDBACK_ANALYSED, analysed)
    async with at_work(running_learning, learning, publisher):
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE reading ADD CHECK (organisation <> 'Nowhere')"))
        await publisher.send(records)

        async def all_behind() -> bool:
            return await behind(learning, "learning", FEEDBACK_ANALYSED) == len(records)

        await until(all_behind, 40)
    async with database.connect() as connection:
        read = {row.feedback_id for row in await connection.execute(text("SELECT feedback_id FROM reading"))}
    assert read == {analysed(number).feedback_id for number in range(NEIGHBOURS)}
    await check_dead_letters(learning, "learning", FEEDBACK_ANALYSED, poison)
