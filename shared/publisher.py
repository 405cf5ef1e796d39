"""Sends events and waits until the brokers have them: acks=all, idempotent on Kafka."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.cloudevents import Headers, encode
from shared.errors import InvalidRecord
from shared.kafka import connection, failed, unreached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.events import Event
    from shared.settings import ServiceSettings
    from shared.topics import Topic

LARGEST_REQUEST = 4 * 1024 * 1024
"""Bytes. Above every topic's `max.message.bytes`, so that it is the topic that refuses a record."""


@dataclass(frozen=True, slots=True)
class Record:
    """What goes onto a topic, in bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)


class Publisher(Protocol):
    """What a service needs of Kafka to send; a component test hands in one that remembers."""

    async def send(self, records: Sequence[Record]) -> None:
        """Return once every record is acknowledged by all in-sync replicas.

        Raises:
            TransientFault: at least one was not; sending all again is safe, readers are idempotent.
            InvalidRecord: one is larger than its topic takes; the others may or may not have been sent.
        """


def record(topic: Topic, event: Event, source: str, traceparent: str | None = None, **parts: str) -> Record:
    """An event as a record for `topic`; `parts` fill a family's name."""
    key, value, headers = encode(event, f"/heed/{source}", traceparent)
    return Record(topic.named(**parts), key, value, headers)


class KafkaPublisher:
    """The one producer of a process.

    Args:
        producer: connected.
        settings: those it was connected with; their prefix is put before every topic's name.
    """

    def __init__(self, producer: AIOKafkaProducer, settings: ServiceSettings) -> None:
        self._producer = producer
        self._settings = settings
        self._prefix = settings.kafka_prefix
        self._tracked: set[str] = set()

    async def send(self, records: Sequence[Record]) -> None:
        """See `Publisher.send`."""
        acknowledgements: list[asyncio.Future[object]] = []
        try:
            await self._track({self._prefix + item.topic for item in records} - self._tracked)
            for item in records:
                acknowledgements.append(  # noqa: PERF401 - each send may wait for room in the buffer
                    await self._producer.send(self._prefix + item.topic, item.value, key=item.key, headers=item.headers)
                )
            await asyncio.gather(*acknowledgements)
        except MessageSizeTooLargeError:
            raise InvalidRecord("record_too_large") from None
        except KafkaError as error:
            raise failed(self._settings, error) from error
        finally:
            # Those that failed beside the first are told by it; asking each keeps asyncio from logging them as lost.
            for acknowledgement in acknowledgements:
                if acknowledgement.done() and not acknowledgement.cancelled():
                    acknowledgement.exception()

    async def _track(self, topics: set[str]) -> None:
        """Have the producer keep these topics in its metadata.

        aiokafka 0.14 does not, for a topic that it knew from the first connection: when the metadata is next renewed
        the topic drops out, and what is on its way there hangs for forty seconds.
        """
        for topic in sorted(topics):
            await self._producer.client.add_topic(topic)
            self._tracked.add(topic)


@asynccontextmanager
async def running_publisher(settings: ServiceSettings, client_id: str) -> AsyncIterator[KafkaPublisher]:
    """Connect the process's producer; on the way out, flush and close it.

    Raises:
        TransientFault: no broker answers, or this account may write nothing yet.
        HeedError: the brokers refuse the login.
    """
    producer = AIOKafkaProducer(
        **connection(settings),
        client_id=client_id,
        acks="all",
        enable_idempotence=not settings.kafka_embedded,
        linger_ms=2,
        max_batch_size=256 * 1024,
        max_request_size=LARGEST_REQUEST,
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise await unreached(settings, error) from error
    try:
        yield KafkaPublisher(producer, settings)
    finally:
        await producer.stop()
