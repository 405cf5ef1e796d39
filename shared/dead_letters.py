"""What a dead letter looks like: the record as it was, and why and from where it came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.publisher import Record
from shared.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from shared.topics import Topic

PREFIX = "heed-dlq-"
SERVICE = f"{PREFIX}service"
REASON = f"{PREFIX}reason"
TOPIC = f"{PREFIX}topic"
PARTITION = f"{PREFIX}partition"
OFFSET = f"{PREFIX}offset"
TIME = f"{PREFIX}time"
NOTHING = f"{PREFIX}nothing"
"""Set where there is nothing to send again.

The record had neither key nor value, which aiokafka does not send, or it is too large for its dead-letter topic.
"""


def dead_letter(service: str, topic: Topic, record: ConsumerRecord[bytes, bytes], reason: str) -> Record:
    """The original key, bytes and headers, then ours; those of an earlier death are dropped.

    Args:
        service: who could not read it; names the dead-letter topic.
        topic: where it was.
        record: as it came.
        reason: a code; never content.
    """
    headers = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    headers += [
        (SERVICE, service.encode()),
        (REASON, reason.encode()),
        (TOPIC, topic.name.encode()),
        (PARTITION, str(record.partition).encode()),
        (OFFSET, str(record.offset).encode()),
        (TIME, datetime.now(UTC).isoformat().encode()),
    ]
    if record.key is None and record.value is None:
        return Record(DEAD_LETTERS[service].name, None, b"", [*headers, (NOTHING, b"true")])
    return Record(DEAD_LETTERS[service].name, record.key, record.value, headers)


def without_value(letter: Record) -> Record:
    """The same, of a record too large to be kept: its place tells where the bytes still are."""
    return Record(letter.topic, letter.key, b"", [*letter.headers, (NOTHING, b"true")])
