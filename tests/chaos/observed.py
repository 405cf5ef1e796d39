"""Everything that came of a run: each topic from its beginning, the rows of both services, and every table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from tests.chaos.house import Access

SILENCE_MS = 2_000
"""Where the broker does not tell where a topic ends, a poll that brings nothing for so long is the end."""

CounterKey = tuple[str, date, str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row of the gateway; `read` is the version that analysis has read, 0 for none."""

    version: int
    read: int
    receipt: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of learning; `told` is what it says, in a form that can be compared."""

    version: int
    withdrawn: bool
    team: str | None
    period: date | None
    measures: tuple[tuple[str, str], ...]
    told: str


@dataclass(frozen=True, slots=True)
class Page:
    """The newest revision of a page.

    Attributes:
        said: the page without its revision and date.
    """

    said: dict[str, Any]
    revision: int
    held: bool
    published: bool


@dataclass(slots=True)
class Observed:
    """All of it.

    Attributes:
        records: by topic, without the prefix; in the order of each partition.
        queued: versions by feedback id that the outbox still has, and whether they were published.
        tables: every row of every table as JSON text, by `schema.table`; the outbox without its events.
    """

    records: dict[str, list[ConsumerRecord[bytes, bytes]]] = field(default_factory=dict)
    accepted: dict[UUID, Accepted] = field(default_factory=dict)
    queued: dict[tuple[UUID, int], bool] = field(default_factory=dict)
    readings: dict[UUID, Reading] = field(default_factory=dict)
    counters: dict[CounterKey, int] = field(default_factory=dict)
    pages: dict[tuple[str, date], Page] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)


async def observe(access: Access) -> Observed:
    """Look at everything, now that nothing moves."""
    observed = Observed(records=await _records(access))
    connection = await asyncpg.connect(access.database)
    try:
        for row in await connection.fetch(
            "SELECT feedback_id, version, read_version, receipt, withdrawn_at FROM gateway.feedback"
        ):
            observed.accepted[row["feedback_id"]] = Accepted(
                row["version"], row["read_version"] or 0, row["receipt"], row["withdrawn_at"] is not None
            )
        for row in await connection.fetch(
            "SELECT feedback_id, version, published_at FROM gateway.outbox WHERE version IS NOT NULL"
        ):
            observed.queued[(row["feedback_id"], row["version"])] = row["published_at"] is not None
        observed.readings, observed.counters, observed.pages = await learnt(connection)
        observed.tables = await _tables(connection)
    finally:
        await connection.close()
    return observed


async def learnt(
    connection: asyncpg.Connection,
) -> tuple[dict[UUID, Reading], dict[CounterKey, int], dict[tuple[str, date], Page]]:
    """Readings, counters and pages of a learning service's schema."""
    readings = {}
    for row in await connection.fetch(
        "SELECT feedback_id, version, withdrawn, team_id, period, measures, quote_ok, segments FROM learning.reading"
    ):
        measures = tuple(sorted((measure, value) for measure, value in json.loads(row["measures"])))
        readings[row["feedback_id"]] = Reading(
            row["version"],
            row["withdrawn"],
            row["team_id"],
            row["period"],
            measures,
            json.dumps([row["quote_ok"], json.loads(row["segments"])], sort_keys=True),
        )
    counters = {
        (row["team_id"], row["period"], row["measure"], row["value"]): row["count"]
        for row in await connection.fetch("SELECT team_id, period, measure, value, count FROM learning.period_counter")
        if row["count"]
    }
    pages = {}
    for row in await connection.fetch(
        "SELECT team_id, period, payload, revision, held, published_revision FROM learning.page"
    ):
        pages[(row["team_id"], row["period"])] = Page(
            said_by(json.loads(row["payload"])),
            row["revision"],
            bool(row["held"]),
            row["published_revision"] == row["revision"],
        )
    return readings, counters, pages


def said_by(payload: dict[str, Any]) -> dict[str, Any]:
    """What a page says, whichever revision says it and whenever it was written."""
    return {name: value for name, value in payload.items() if name not in {"revision", "generated_at"}}


async def _tables(connection: asyncpg.Connection) -> dict[str, list[str]]:
    names = await connection.fetch(
        "SELECT table_schema AS s, table_name AS t FROM information_schema.tables "
        "WHERE table_schema IN ('gateway', 'learning')"
    )
    found = {}
    for row in names:
        # The outbox is where raw feedback may rest; a tombstone or a withdrawal is looked for by its id.
        kept = "- 'event'" if row["t"] == "outbox" else ""
        query = f'SELECT (to_jsonb(r) {kept})::text AS told FROM "{row["s"]}"."{row["t"]}" AS r'  # noqa: S608 - ours
        found[f"{row['s']}.{row['t']}"] = [each["told"] for each in await connection.fetch(query)]
    return found


async def _records(access: Access) -> dict[str, list[ConsumerRecord[bytes, bytes]]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=access.bootstrap)
    await admin.start()
    try:
        names = sorted(name for name in await admin.list_topics() if name.startswith(access.prefix))
        described = await admin.describe_topics(names)
    finally:
        await admin.close()
    topics = {
        topic["topic"]: [TopicPartition(topic["topic"], each["partition"]) for each in topic["partitions"]]
        for topic in described
        if not topic["topic"].startswith("__")
    }
    found: dict[str, list[ConsumerRecord[bytes, bytes]]] = {name: [] for name in topics}
    # All of them at once: a topic after the other takes the better part of a second each, for sixty topics.
    partitions = [partition for each in topics.values() for partition in each]
    async with AIOKafkaConsumer(bootstrap_servers=access.bootstrap, enable_auto_commit=False) as consumer:
        for record in await _all_of(consumer, partitions, embedded=access.embedded):
            found[record.topic].append(record)
    return {name.removeprefix(access.prefix): records for name, records in found.items()}


async def _all_of(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], *, embedded: bool
) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record, in the order of each partition."""
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = {} if embedded else await consumer.end_offsets(partitions)
    found: list[ConsumerRecord[bytes, bytes]] = []
    while True:
        polled = await consumer.getmany(timeout_ms=SILENCE_MS if embedded else 100)
        found += [record for records in polled.values() for record in records]
        if not polled and all([await consumer.position(each) >= end for each, end in ends.items()]):
            return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))
