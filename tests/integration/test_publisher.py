"""The publisher on a real broker."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import client
from aiokafka.errors import KafkaConnectionError, KafkaError, OutOfOrderSequenceNumber

from deploy.create_topics import create_topics
from deploy.servers import running_broker
from shared.errors import InvalidRecord, TransientFault
from shared.publisher import CLOSE_LIMIT, Record, record, running_publisher
from shared.settings import ServiceSettings
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.doubles import submitted
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from shared.publisher import KafkaPublisher

pytestmark = pytest.mark.integration


async def test_a_topic_stays_known_when_the_metadata_is_renewed(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
    assert publisher._producer is not None
    client = publisher._producer.client
    await client.add_topic(kafka.kafka_prefix + FEEDBACK_ANALYSED.name)
    await client.force_metadata_update()
    assert client.cluster.partitions_for_topic(kafka.kafka_prefix + FEEDBACK_SUBMITTED.name)


async def test_a_record_too_large_is_refused_for_good(publisher: KafkaPublisher, kafka: ServiceSettings) -> None:
    if kafka.kafka_embedded:
        pytest.skip("the embedded broker knows no max.message.bytes; the producer's own limit is tested below")
    with pytest.raises(InvalidRecord, match="record_too_large"):
        await publisher.send([Record(FEEDBACK_SUBMITTED.name, b"k", b"x" * 2_000_000)])


async def test_a_request_too_large_is_refused_for_good(publisher: KafkaPublisher) -> None:
    with pytest.raises(InvalidRecord, match="record_too_large"):
        await publisher.send([Record(FEEDBACK_SUBMITTED.name, b"k", b"x" * 5_000_000)])
    await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])


class Connections:
    """Counts the connections that Kafka's clients try to make."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tried = 0
        self._make = client.create_conn
        monkeypatch.setattr(client, "create_conn", self._counted)

    async def _counted(self, *arguments: Any, **options: Any) -> Any:
        self.tried += 1
        return await self._make(*arguments, **options)


async def test_a_partition_without_a_leader_is_asked_after_at_leisure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(monkeypatch)
    async with AsyncExitStack() as stack:
        broker = running_broker(tmp_path)
        settings = ServiceSettings(
            kafka_bootstrap=(await broker.__aenter__()).bootstrap, kafka_embedded=True, backoff_initial=0.1
        )
        await create_topics(settings, [])
        publisher = await stack.enter_async_context(running_publisher(settings, "test"))
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
        await broker.__aexit__(None, None, None)
        assert publisher._producer is not None
        publisher._producer.client.cluster.leader_for_partition = lambda _: None
        connections.tried, begun = 0, time.monotonic()
        waiting = asyncio.create_task(publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")]))
        await until(lambda: connections.tried >= 10)
        assert connections.tried / (time.monotonic() - begun) <= 2 / settings.backoff_initial
        waiting.cancel()
        begun = time.monotonic()
    assert time.monotonic() - begun < CLOSE_LIMIT + 3, "nor does it keep a service from stopping"


@pytest.mark.parametrize("ended", [False, True])
async def test_a_producer_that_no_longer_works_is_replaced(
    publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    broken = publisher._producer
    assert broken is not None

    async def refuses(*_: Any, **__: Any) -> None:
        raise KafkaError("Unexpected error during batch delivery") if ended else OutOfOrderSequenceNumber

    monkeypatch.setattr(broken, "send", refuses)
    if ended:
        await broken._sender.close()
    with pytest.raises(TransientFault):
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
    assert publisher._producer is not broken
    await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])


async def test_a_producer_is_kept_through_a_fault_that_passes(
    publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = publisher._producer
    with monkeypatch.context() as away:

        async def refuses(*_: Any, **__: Any) -> None:
            raise KafkaConnectionError("away")

        away.setattr(kept, "send", refuses)
        with pytest.raises(TransientFault):
            await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
    assert publisher._producer is kept
    await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])


async def test_no_broker_is_one_clear_line(kafka: ServiceSettings) -> None:
    nowhere = kafka.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    with pytest.raises(TransientFault, match="no Kafka broker answers"):
        async with running_publisher(nowhere, "test"):
            pass
