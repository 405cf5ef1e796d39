"""Reads the dead-letter topics and sends dead letters back to where they came from.

This is an operator's tool: it reads `<service>-dlq` without a consumer group, from the beginning, and leaves no trace
but one: for each replayed dead letter a marker record goes into the same dead-letter topic (key: the dead letter's
id; no value; header `heed-replayed`). So a second replay knows what the first has done, whoever ran it, and the markers
outlive what they mark, because they are younger and kept as long. The record is sent first and marked after: a crash
between the two sends it once more, which readers take in their stride.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.admin import admin_client
from shared import dead_letters as headers
from shared.cloudevents import header
from shared.errors import InvalidRecord, TransientFault, UsageError
from shared.kafka import connection, failed
from shared.publisher import Record
from shared.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Sequence

    from aiokafka import ConsumerRecord

    from shared.publisher import Publisher
    from shared.settings import ServiceSettings

REPLAY_OF = "heed-replay-of"
"""Header of a replayed record: the id of the dead letter that it was."""

REPLAY_REASON = "heed-replay-reason"
"""Header of a replayed record: why it died; dying of the same again means that a replay mends nothing."""

REPLAYED = "heed-replayed"
"""Header of a marker: when the dead letter that its key names was replayed."""

EMPTY_POLL_MS = 300
"""A poll that brings nothing for so long, at or past the end that the broker tells, is the end."""

SILENCE_LIMIT = 15.0
"""Seconds without a record short of the end, after which the broker is taken for away."""

TAIL_LIMIT = 10.0
"""Seconds to read on past the end that the broker told: a topic that is being written to has no end."""

BATCH = 100
"""Dead letters replayed together: what a crash can replay twice at most."""

POSITION = re.compile(r"([A-Za-z0-9._-]+)/([0-9]+)/([0-9]+)")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record stands; written `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what `str` wrote.

        Raises:
            UsageError: it is not of that form.
        """
        found = POSITION.fullmatch(text)
        if found is None:
            raise UsageError(
                f"{text!r} is no dead letter's id; `heed dlq list --each` shows them: topic/partition/offset"
            )
        return cls(found[1], int(found[2]), int(found[3]))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that a service could not read, without its content.

    Attributes:
        id: where it stands in the dead-letter topic.
        origin: where it stood when the service read it.
        replay_of: the dead letter that a replay made this record from, if one did.
        looping: it came from a replay and died of the same reason again.
    """

    id: Position
    service: str
    reason: str
    origin: Position
    time: datetime
    size: int | None
    """Bytes of the value; None where there was none."""
    replay_of: str | None
    looping: bool


@dataclass(slots=True)
class DeadLetters:
    """Everything that the dead-letter topics hold.

    Attributes:
        letters: oldest first within a topic.
        replayed: ids of those that were replayed.
        foreign: records, by topic, that are neither dead letters nor markers.
    """

    letters: list[DeadLetter] = field(default_factory=list)
    replayed: set[Position] = field(default_factory=set)
    foreign: Counter[str] = field(default_factory=Counter)

    def waiting(self) -> list[DeadLetter]:
        """Those not replayed yet."""
        return [letter for letter in self.letters if letter.id not in self.replayed]


class Fate(StrEnum):
    """What a replay did with one dead letter."""

    REPLAYED = "replayed"
    ALREADY_REPLAYED = "already replayed"
    LOOPING = "looping"
    """Left: it died of the same reason after an earlier replay."""
    NOTHING_TO_SEND = "nothing to send"
    """Left: it had neither key nor value, and aiokafka sends no such record."""
    TOO_LARGE = "too large"
    """Left: with the headers of a replay it is larger than a record may be."""
    GONE = "gone"
    """Its retention ended between the reading and the replay."""


class DeadLetterTopics:
    """The dead-letter topics of one installation. Names and ids are told without its prefix.

    Args:
        settings: how to reach Kafka, and the installation's prefix.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._prefix = settings.kafka_prefix

    async def read(self, services: Collection[str] | None = None) -> DeadLetters:
        """Read what the topics hold; contents are looked at for their size only.

        Args:
            services: whose topics; all by default.

        Raises:
            UsageError: one of them has none.
            TransientFault: no broker answers, or it falls silent.
        """
        found = DeadLetters()
        async with aclosing(self._records(_topics(services))) as records:
            async for record in records:
                marked = marked_by(record)
                letter = letter_of(record, self._position(record))
                if marked is not None:
                    found.replayed.add(marked)
                elif letter is not None:
                    found.letters.append(letter)
                else:
                    found.foreign[self._position(record).topic] += 1
        return found

    async def record(self, position: Position) -> ConsumerRecord[bytes, bytes]:
        """The record of one dead letter, with its content.

        Raises:
            UsageError: no record stands there, or it is no dead letter.
            TransientFault: no broker answers.
        """
        if position.topic in _topics(None):
            async with aclosing(self._records([position.topic], start=position)) as records:
                record = await anext(records, None)
            if record is not None and record.offset == position.offset and letter_of(record, position) is not None:
                return record
        raise UsageError(f"there is no dead letter {position}; `heed dlq list --each` shows those that are kept")

    async def replay(
        self, publisher: Publisher, chosen: Sequence[DeadLetter], replayed: Collection[Position], *, force: bool = False
    ) -> list[tuple[DeadLetter, Fate]]:
        """Send dead letters to the topics they came from: same bytes, key and headers, and `heed-replay-of`.

        Idempotent: what is in `replayed` is left alone. A crash repeats at most `BATCH` records.

        Args:
            publisher: sends the records and their markers, to the same installation.
            chosen: which dead letters.
            replayed: ids that earlier replays sent, from `read`.
            force: send those too that would loop.

        Raises:
            TransientFault: the broker went away; what was sent is marked, but for at most the last batch.
        """
        fates = {letter.id: fate for letter, fate in planned(chosen, replayed, force=force)}
        due = {position for position, fate in fates.items() if fate is Fate.REPLAYED}
        fates |= dict.fromkeys(due, Fate.GONE)
        async with aclosing(self._records(sorted({position.topic for position in due}))) as records:
            async for batch in self._batches(records, due):
                fates |= await resend(publisher, batch)
        return [(letter, fates[letter.id]) for letter in chosen]

    async def _batches(
        self, records: AsyncIterator[ConsumerRecord[bytes, bytes]], due: Collection[Position]
    ) -> AsyncIterator[dict[Position, ConsumerRecord[bytes, bytes]]]:
        """The records that are due, some at a time; stops reading when it has them all."""
        left = set(due)
        batch: dict[Position, ConsumerRecord[bytes, bytes]] = {}
        while left and (record := await anext(records, None)) is not None:
            if (position := self._position(record)) in left:
                left.remove(position)
                batch[position] = record
            if batch and (len(batch) == BATCH or not left):
                yield batch
                batch = {}
        if batch:
            yield batch

    def _position(self, record: ConsumerRecord[bytes, bytes]) -> Position:
        return Position(record.topic.removeprefix(self._prefix), record.partition, record.offset)

    async def _records(
        self, topics: Iterable[str], start: Position | None = None
    ) -> AsyncGenerator[ConsumerRecord[bytes, bytes]]:
        """Every record of the topics that are there, each partition from its beginning (or `start`) to its end."""
        partitions = await _partitions(self._settings, [self._prefix + topic for topic in topics])
        if start is not None:
            partitions = [partition for partition in partitions if partition.partition == start.partition]
        if not partitions:
            return
        consumer = AIOKafkaConsumer(
            **connection(self._settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            consumer.assign(partitions)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                consumer.seek(partition, max(begins[partition], start.offset if start else 0))
            async with aclosing(_until(consumer, ends)) as records:
                async for record in records:
                    yield record
        except KafkaError as error:
            raise failed(self._settings, error) from error
        finally:
            await consumer.stop()


def original_headers(record: ConsumerRecord[bytes, bytes]) -> list[tuple[str, bytes]]:
    """The headers that the record had before it died."""
    return [(name, value) for name, value in record.headers if not name.startswith(headers.PREFIX)]


def planned(
    chosen: Iterable[DeadLetter], replayed: Collection[Position], *, force: bool
) -> list[tuple[DeadLetter, Fate]]:
    """What a replay would do with each, without doing it."""
    return [(letter, _fate(letter, replayed, force=force)) for letter in chosen]


def _fate(letter: DeadLetter, replayed: Collection[Position], *, force: bool) -> Fate:
    if letter.id in replayed:
        return Fate.ALREADY_REPLAYED
    if letter.looping and not force:
        return Fate.LOOPING
    return Fate.REPLAYED


async def resend(publisher: Publisher, batch: dict[Position, ConsumerRecord[bytes, bytes]]) -> dict[Position, Fate]:
    """Send and mark a batch; what became of each."""
    empty = [position for position, record in batch.items() if header(record.headers, headers.NOTHING)]
    fates = dict.fromkeys(empty, Fate.NOTHING_TO_SEND)
    sendable = {position: record for position, record in batch.items() if position not in fates}
    try:
        await publisher.send([_revived(position, record) for position, record in sendable.items()])
    except InvalidRecord:
        if len(sendable) == 1:
            return fates | dict.fromkeys(sendable, Fate.TOO_LARGE)
        for position, record in sendable.items():
            fates |= await resend(publisher, {position: record})
        return fates
    told = [(REPLAYED, datetime.now(UTC).isoformat().encode())]
    await publisher.send([Record(position.topic, str(position).encode(), None, told) for position in sendable])
    return fates | dict.fromkeys(sendable, Fate.REPLAYED)


def _revived(position: Position, record: ConsumerRecord[bytes, bytes]) -> Record:
    letter = letter_of(record, position)
    assert letter is not None, "only dead letters are chosen"
    kept = [(name, value) for name, value in original_headers(record) if name not in {REPLAY_OF, REPLAY_REASON}]
    kept += [(REPLAY_OF, str(position).encode()), (REPLAY_REASON, letter.reason.encode())]
    return Record(letter.origin.topic, record.key, record.value, kept)


def marked_by(record: ConsumerRecord[bytes, bytes]) -> Position | None:
    """The dead letter that a marker names; a dead letter whose own headers imitate a marker stays a dead letter."""
    if record.key is None or header(record.headers, REPLAYED) is None or header(record.headers, headers.REASON):
        return None
    try:
        return Position.parse(record.key.decode())
    except (UnicodeDecodeError, UsageError):
        return None


def letter_of(record: ConsumerRecord[bytes, bytes], position: Position) -> DeadLetter | None:
    """Read a record as a dead letter that stands at `position`; None if it is none."""
    told = [
        header(record.headers, name)
        for name in (headers.SERVICE, headers.REASON, headers.TOPIC, headers.PARTITION, headers.OFFSET, headers.TIME)
    ]
    service, reason, topic, partition, offset, time = told
    if not (service and reason and topic and partition and offset and time):
        return None
    try:
        origin = Position(topic, int(partition), int(offset))
        died = datetime.fromisoformat(time)
    except ValueError:
        return None
    return DeadLetter(
        id=position,
        service=service,
        reason=reason,
        origin=origin,
        time=died,
        size=None if record.value is None else len(record.value),
        replay_of=header(record.headers, REPLAY_OF),
        looping=header(record.headers, REPLAY_REASON) == reason,
    )


def _topics(services: Collection[str] | None) -> list[str]:
    chosen = DEAD_LETTERS if services is None else services
    unknown = [service for service in chosen if service not in DEAD_LETTERS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no service with dead letters; there are {', '.join(DEAD_LETTERS)}")
    return [DEAD_LETTERS[service].name for service in chosen]


async def _partitions(settings: ServiceSettings, topics: Iterable[str]) -> list[TopicPartition]:
    """Partitions of the topics that exist; asking the embedded broker about a missing one would create it."""
    async with admin_client(settings) as admin:
        there = set(await admin.list_topics())
        present = [topic for topic in topics if topic in there]
        described = await admin.describe_topics(present) if present else []
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]


async def _until(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> AsyncGenerator[ConsumerRecord[bytes, bytes]]:
    """Read to the ends and on until a poll is empty: the embedded broker tells an end that is too low."""
    positions = {partition: await consumer.position(partition) for partition in ends}
    clock = asyncio.get_running_loop().time
    silent_since = clock()
    reached: float | None = None
    while True:
        batches = await consumer.getmany(timeout_ms=EMPTY_POLL_MS)
        for partition, records in batches.items():
            for record in records:
                positions[partition] = record.offset + 1
                yield record
        if reached is None and all(positions[partition] >= end for partition, end in ends.items()):
            reached = clock()
        if reached is not None and (not batches or clock() - reached > TAIL_LIMIT):
            return
        if batches:
            silent_since = clock()
        elif clock() - silent_since > SILENCE_LIMIT:
            raise TransientFault("Kafka fell silent before the end of a dead-letter topic; is the broker up?")
