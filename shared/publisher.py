"""Sends events and waits until the brokers have them: acks=all, idempotent on Kafka."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

from shared.cloudevents import Headers, encode
from shared.errors import HeedError, InvalidRecord, TransientFault
from shared.kafka import connection, failed, paced, unreached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.events import Event
    from shared.settings import ServiceSettings
    from shared.topics import Topic

log = logging.getLogger(__name__)

LARGEST_REQUEST = 4 * 1024 * 1024
"""Bytes. Above every topic's `max.message.bytes`, so that it is the topic that refuses a record."""

CLOSE_LIMIT = 5.0
"""Seconds that closing may take: a service that is told to stop has little time, also while no broker answers."""

LOST_COUNT = (OutOfOrderSequenceNumber, InvalidProducerEpoch, ProducerFenced)
"""What an idempotent producer never gets over.

aiokafka 0.14 gives up a record for which no leader was found in forty seconds, and with it a number in the sequence
that the brokers count by: from then on they refuse everything that this producer sends to that partition.
"""


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
        settings: how to reach Kafka; their prefix is put before every topic's name.
        client_id: what the brokers know this process by.
    """

    def __init__(self, settings: ServiceSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._prefix = settings.kafka_prefix
        self._tracked: set[str] = set()
        self._replacing = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def connect(self) -> None:
        """Connect; what is sent before that connects by itself.

        Raises:
            TransientFault: no broker answers, or this account may write nothing yet.
            HeedError: the brokers refuse the login.
        """
        producer = AIOKafkaProducer(
            **connection(self._settings),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=not self._settings.kafka_embedded,
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=LARGEST_REQUEST,
        )
        paced(producer.client, self._settings.backoff_initial)
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise await unreached(self._settings, error) from error
        self._producer, self._tracked = producer, set()

    async def close(self) -> None:
        """Flush and disconnect; what no broker takes within seconds is given up, its sender waits for it no more."""
        if self._producer is not None:
            await _closed(self._producer)

    async def send(self, records: Sequence[Record]) -> None:
        """See `Publisher.send`."""
        acknowledgements: list[asyncio.Future[object]] = []
        producer = self._producer or await self._connected()
        try:
            await self._track(producer, {self._prefix + item.topic for item in records} - self._tracked)
            for item in records:
                acknowledgements.append(  # noqa: PERF401 - each send may wait for room in the buffer
                    await producer.send(self._prefix + item.topic, item.value, key=item.key, headers=item.headers)
                )
            await asyncio.gather(*acknowledgements)
        except MessageSizeTooLargeError:
            raise InvalidRecord("record_too_large") from None
        except KafkaError as error:
            if isinstance(error, LOST_COUNT) or producer._sender.sender_task.done():
                await self._replace(producer)
            raise failed(self._settings, error) from error
        finally:
            # Those that failed beside the first are told by it; asking each keeps asyncio from logging them as lost.
            for acknowledgement in acknowledgements:
                if acknowledgement.done() and not acknowledgement.cancelled():
                    acknowledgement.exception()

    async def _connected(self) -> AIOKafkaProducer:
        """The producer of a process that started while no broker answered."""
        async with self._replacing:
            if self._producer is None:
                await self.connect()
            assert self._producer is not None
            return self._producer

    async def _replace(self, broken: AIOKafkaProducer) -> None:
        """Go on with a new producer, unless another sender has seen to that, or the brokers are away again."""
        async with self._replacing:
            if self._producer is not broken:
                return
            try:
                await self.connect()
            except HeedError:
                return
        log.warning("the producer had lost count of what it sent, and was replaced")
        await _closed(broken)

    async def _track(self, producer: AIOKafkaProducer, topics: set[str]) -> None:
        """Have the producer keep these topics in its metadata.

        aiokafka 0.14 does not, for a topic that it knew from the first connection: when the metadata is next renewed
        the topic drops out, and what is on its way there hangs for forty seconds.
        """
        for topic in sorted(topics):
            await producer.client.add_topic(topic)
            self._tracked.add(topic)


async def _closed(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), CLOSE_LIMIT)
    except TimeoutError:
        await producer._sender.close()
        await producer.client.close()


@asynccontextmanager
async def running_publisher(
    settings: ServiceSettings, client_id: str, *, patient: bool = False
) -> AsyncIterator[KafkaPublisher]:
    """Connect the process's producer; on the way out, flush and close it.

    Args:
        settings: how to reach Kafka.
        client_id: what the brokers know this process by.
        patient: go on where no broker answers; each send then tries to connect.

    Raises:
        TransientFault: no broker answers, or this account may write nothing yet.
        HeedError: the brokers refuse the login.
    """
    publisher = KafkaPublisher(settings, client_id)
    try:
        await publisher.connect()
    except TransientFault as fault:
        if not patient:
            raise
        log.warning("sends wait: %s", fault)
    try:
        yield publisher
    finally:
        await publisher.close()
