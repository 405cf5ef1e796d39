"""Words are planted everywhere that a stranger can put them, every fault that could quote them happens, and we search.

A patient's words may stand in the gateway's outbox row, on `feedback-submitted`, and in dead letters' bytes. Redacted
ones may stand in `feedback-analysed`, in the readings and, with consent, on a page. Nowhere else.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from minio import Minio
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.admin import admin_client
from services.analysis.encoder import Encoder
from shared import telemetry
from shared.cloudevents import encode
from shared.dead_letters import PREFIX
from shared.objects import ObjectStore
from shared.publisher import Record
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, FEEDBACK_URGENT, LEARNING_SUMMARIES, TEAM_SUMMARIES
from tests.doubles import submitted
from tests.integration.conftest import REAL
from tests.integration.house import CRASH, TEAM, House, running_house
from tests.unit.learning_samples import analysed
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiokafka import ConsumerRecord

    from deploy.servers import Stage
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from tests.integration.conftest import DatabaseUrl

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

NAME, PHONE, NHS = "Bernadette Okonkwo", "07700 900123", "943 476 5919"
SENTENCE = "the lighthouse keeper waved from platform nine"
STORY = f"Sister {NAME} rang me on {PHONE}, my NHS number is {NHS}, and {SENTENCE}."
IDENTIFIERS = ("Bernadette", "Okonkwo", "900123", "900 123", "476 5919", "4765919")
WORDS = (*IDENTIFIERS, "lighthouse", "platform nine")
RESTRICTED = {"feedback-submitted", "analysis-dlq", "learning-dlq", "gateway-dlq"}
"""Topics that hold bytes as they came, for as long as they are kept: see `docs/operations.md`."""

OURS = {b"/heed/gateway", b"/heed/analysis", b"/heed/learning"}
"""Sources of events that Heed made."""

QUIET = 5
"""Polls that bring nothing, a tenth of a second each, after which a topic has been read."""

UNQUOTED = {LEARNING_SUMMARIES.name, TEAM_SUMMARIES.named(team_id=TEAM), FEEDBACK_URGENT.name}
"""Topics that hold no words of whoever did not consent to be quoted."""


def found(words: tuple[str, ...], *where: object) -> list[str]:
    """Which of the words stand there, as text or inside JSON's escapes."""
    haystack = "\n".join(str(each) for each in where).lower()
    return [word for word in words if word.lower() in haystack]


class Telemetry:
    """All that the process tells of itself: logs at DEBUG, spans, metrics."""

    def __init__(self) -> None:
        self.log = io.StringIO()
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()

    def everything(self) -> str:
        """As text."""
        spans = [span.to_json() for span in self.spans.get_finished_spans()]
        told = self.metrics.get_metrics_data()
        return "\n".join([self.log.getvalue(), *spans, told.to_json() if told else ""])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    seen = Telemetry()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(seen.spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: traces)
    monkeypatch.setattr(trace, "get_tracer", traces.get_tracer)
    monkeypatch.setattr(metrics, "get_meter", MeterProvider(metric_readers=[seen.metrics]).get_meter)
    monkeypatch.setattr(sys, "stderr", seen.log)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    telemetry._instrument.cache_clear()
    telemetry.configure_logging("DEBUG")
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)  # the test's own client
    yield seen
    root.handlers, root.level = handlers, level
    for name in telemetry.OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    telemetry._instrument.cache_clear()


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model fails on some words, and its error quotes them."""
    begin = Encoder.begin

    def fails(self: Encoder, texts: list[str], *arguments: object) -> object:
        for each in texts:
            if CRASH in each:
                raise RuntimeError(f"cannot read {each!r}")
        return begin(self, texts, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "begin", fails)


@pytest.fixture
async def urls(database_url: DatabaseUrl) -> dict[str, str]:
    return {service: await database_url(service) for service in ("gateway", "learning")}


@pytest.fixture
async def house(
    kafka: ServiceSettings, publisher: KafkaPublisher, urls: dict[str, str], told: Telemetry, crashing: None
) -> AsyncIterator[House]:
    settings = kafka.model_copy(update={"dead_letter_share": 1.0})
    async with running_house(settings, publisher, urls["gateway"], urls["learning"], real_model=True) as running:
        yield running


async def newest(settings: ServiceSettings) -> dict[str, dict[bytes | None, ConsumerRecord[bytes, bytes]]]:
    """By topic and key, the newest record; of a stranger's several records without a key, one."""
    async with admin_client(settings) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(settings.kafka_prefix)]
        described = await admin.describe_topics(names)
    partitions = [TopicPartition(each["topic"], part["partition"]) for each in described for part in each["partitions"]]
    found: dict[str, dict[bytes | None, ConsumerRecord[bytes, bytes]]] = {}
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(partitions)
        quiet = 0

        async def read() -> bool:
            nonlocal quiet
            batches = await consumer.getmany(timeout_ms=100)
            for partition, records in batches.items():
                topic = partition.topic.removeprefix(settings.kafka_prefix)
                found.setdefault(topic, {}).update({record.key: record for record in records})
            quiet = 0 if batches else quiet + 1
            if quiet < QUIET:  # the embedded broker's ends are too low, so both are asked for
                return False
            ends = await consumer.end_offsets(partitions)
            return all([await consumer.position(partition) >= end for partition, end in ends.items()])

        await until(read, 30)
    return found


async def rows(urls: dict[str, str]) -> dict[str, list[str]]:
    """Every row of every table of every schema, as text."""
    kept: dict[str, list[str]] = {}
    for service, url in urls.items():
        database = create_async_engine(make_url(url))
        async with database.connect() as connection:
            tables = await connection.execute(
                text(
                    "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
                    "WHERE schemaname = :schema"
                ),
                {"schema": service},
            )
            for (table,) in tables.all():
                found_rows = await connection.execute(text(f"SELECT t::text FROM {table} AS t"))  # noqa: S608 - its own
                kept[table] = [row[0] for row in found_rows]
        await database.dispose()
    return kept


def objects(stage: Stage) -> dict[str, bytes]:
    """Every object of every bucket."""
    bucket = stage.bucket
    client = Minio(bucket.address, bucket.access_key, bucket.secret_key, secure=bucket.secure)
    return {
        f"{each.name}/{item.object_name}": client.get_object(each.name, str(item.object_name)).data
        for each in client.list_buckets()
        for item in client.list_objects(each.name, recursive=True)
    }


def server_logs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the embedded servers of this run have written; a real PostgreSQL logs as its operator tells it to."""
    logs = [] if REAL else tmp_path_factory.getbasetemp().rglob("*.log")
    return "\n".join(path.read_text(errors="replace") for path in logs)


async def refused_requests(house: House) -> list[str]:
    """Every answer to requests that are wrong in a way that could be quoted back."""
    comment = {"kind": "comment", "source_id": STORY, "channel": STORY, "text": STORY}
    bodies: list[bytes] = [
        f'{{"kind": "comment", "text": "{STORY}"'.encode(),
        json.dumps([STORY]).encode(),
        json.dumps({**comment, "kind": STORY}).encode(),
        json.dumps({**comment, "occurred_at": STORY, "language": STORY, "rating": STORY}).encode(),
        json.dumps({**comment, "consent": {"quote": STORY}, "about": STORY}).encode(),
        json.dumps({**comment, "text": STORY * 2_000}).encode(),
        json.dumps({**comment, "text": STORY * 20_000}).encode(),
    ]
    answers = []
    for body in bodies:
        for path, kind in (("/v1/feedback", "application/json"), ("/v1/feedback:batch", "application/x-ndjson")):
            answers.append(await house.http.post(path, content=body, headers={"Content-Type": kind}))
    answers.append(await house.http.get(f"/v1/feedback/{SENTENCE}", params={"q": STORY}))
    answers.append(await house.http.delete("/v1/feedback/unknown", headers={"X-Words": STORY}))
    answers.append(await house.http.post("/v1/feedback", content=b"{}", headers={"Content-Type": STORY}))
    answers.append(await house.http.get("/v1/feedback/x", headers={"Authorization": f"Bearer {STORY}"}))
    assert {answer.status_code for answer in answers} <= {200, 400, 401, 404, 413, 415, 422}
    return [f"{answer.headers} {answer.text}" for answer in answers]


async def poison(house: House, publisher: KafkaPublisher, urls: dict[str, str]) -> int:
    """Records that every service refuses, each in a way that could be quoted; how many."""
    learning = create_async_engine(make_url(urls["learning"]))
    async with learning.begin() as connection:
        await connection.execute(text("ALTER TABLE learning.reading ADD CHECK (organisation <> 'Nowhere')"))
    await learning.dispose()
    nowhere = analysed(801, text=SENTENCE).model_copy(
        update={"about": analysed().about.model_copy(update={"organisation": "Nowhere"})}
    )
    strange = [
        (STORY, STORY.encode()),
        ("traceparent", STORY.encode()),
        ("ce_type", STORY.encode()),
    ]
    records = [Record(topic.name, STORY.encode(), STORY.encode(), strange) for topic in (FEEDBACK_SUBMITTED,)]
    for topic, event in ((FEEDBACK_SUBMITTED, submitted(802)), (FEEDBACK_ANALYSED, analysed(803))):
        key, value, headers = encode(event, "/heed/test")
        records.append(Record(topic.name, key, value.replace(b'"version":1', json.dumps({STORY: 1}).encode()), headers))
        records.append(Record(topic.name, STORY.encode(), value, headers))
    records.append(Record(FEEDBACK_SUBMITTED.name, *encode(submitted(804, f"{STORY} {CRASH}"), "/heed/test")))
    records.append(Record(FEEDBACK_ANALYSED.name, *encode(nowhere, "/heed/test")))
    await publisher.send(records)
    return 4 + 2 * 2 + 1  # feedback-analysed has two readers, of which the gateway has no trouble with Nowhere


async def test_nothing_that_a_stranger_plants_is_told(
    house: House,
    publisher: KafkaPublisher,
    urls: dict[str, str],
    told: Telemetry,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    taken = await house.submit("1", STORY, consent={"quote": False}, submitter={"id": NAME})
    assert taken.status_code == 202
    for number in range(2, 14):
        await house.submit(str(number), f"So kind, {SENTENCE}.", consent={"quote": False})
    withdrawn = (await house.submit("14", STORY)).json()["receipt"]
    answers = await refused_requests(house)
    dead = await poison(house, publisher, urls)

    async def all_read() -> bool:
        return await house.counted() >= 13 and len(await house.dead_letters()) >= dead

    await until(all_read, 60)
    answers.append((await house.http.delete(f"/v1/feedback/{withdrawn}")).text)

    async def published() -> bool:
        return LEARNING_SUMMARIES.name in await newest(house.settings)

    await until(published, 60)
    topics = await newest(house.settings)

    assert [answer for answer in answers if found(WORDS, answer)] == []
    assert [line for line in told.everything().splitlines() if found(WORDS, line)] == []
    assert "effect_failed:IntegrityError" in told.log.getvalue(), "the database did quote the row"
    assert "RuntimeError" in told.log.getvalue(), "the model did quote the text"
    assert told.spans.get_finished_spans()
    for topic, records in topics.items():
        ours = [(name, value) for r in records.values() for name, value in r.headers if name.startswith(PREFIX)]
        assert found(WORDS, *ours) == [], topic
        made = [record for record in records.values() if dict(record.headers).get("ce_source") in OURS]
        if topic not in RESTRICTED:
            assert found(IDENTIFIERS, *made) == [], topic
        if topic in UNQUOTED:
            assert found(WORDS, *made) == [], topic
    kept = {table: found(IDENTIFIERS, *lines) for table, lines in (await rows(urls)).items()}
    assert {table for table, leaked in kept.items() if leaked} == {"gateway.outbox"}
    assert found(WORDS, server_logs(tmp_path_factory)) == []


async def test_of_what_was_withdrawn_nothing_remains(
    house: House,
    urls: dict[str, str],
    told: Telemetry,
    stage: Stage,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    await ObjectStore(stage.bucket.endpoint, stage.bucket.access_key, stage.bucket.secret_key, "heed-media").ensure()
    mine = (await house.submit("mine", f"The nurses were so kind and {SENTENCE}.")).json()["receipt"]
    for number in range(11):
        await house.submit(str(number), "The nurses were kind.", consent={"quote": False})
    page = b"riverside-emergency:2026-05-01"

    async def quoted() -> bool:
        record = (await newest(house.settings)).get(LEARNING_SUMMARIES.name, {}).get(page)
        return record is not None and SENTENCE.encode() in record.value

    await until(quoted, 60)
    assert (await house.http.delete(f"/v1/feedback/{mine}")).status_code == 202

    async def revised() -> bool:
        record = (await newest(house.settings)).get(LEARNING_SUMMARIES.name, {}).get(page)
        return record is not None and SENTENCE.encode() not in record.value

    await until(revised, 60)
    assert {table: found((SENTENCE,), *lines) for table, lines in (await rows(urls)).items()} == {
        table: [] for table in await rows(urls)
    }
    assert found((SENTENCE,), *objects(stage).values()) == []
    assert found((SENTENCE,), told.everything(), server_logs(tmp_path_factory)) == []
    for topic, records in (await newest(house.settings)).items():
        if topic not in RESTRICTED | {FEEDBACK_ANALYSED.name}:
            assert found((SENTENCE,), *[record.value for record in records.values()]) == [], topic
