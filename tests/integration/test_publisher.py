"""The publisher on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.errors import InvalidRecord, TransientFault
from shared.publisher import Record, record, running_publisher
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.doubles import submitted

if TYPE_CHECKING:
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = pytest.mark.integration


async def test_a_topic_stays_known_when_the_metadata_is_renewed(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
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


async def test_no_broker_is_one_clear_line(kafka: ServiceSettings) -> None:
    nowhere = kafka.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    with pytest.raises(TransientFault, match="no Kafka broker answers"):
        async with running_publisher(nowhere, "test"):
            pass
