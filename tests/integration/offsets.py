"""What a service's consumer group has behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.topics import FEEDBACK_SUBMITTED

if TYPE_CHECKING:
    from shared.settings import ServiceSettings


async def committed(settings: ServiceSettings) -> int:
    """How many submissions the analysis group has behind it (the embedded broker's end offsets are wrong)."""
    name = settings.kafka_prefix + FEEDBACK_SUBMITTED.name
    partitions = [TopicPartition(name, number) for number in range(FEEDBACK_SUBMITTED.partitions)]
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"{settings.kafka_prefix}analysis",
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign(partitions)
        return sum([await consumer.committed(each) or 0 for each in partitions])
