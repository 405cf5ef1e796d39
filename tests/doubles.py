"""Stand-ins for the network in unit and component tests, and the records they pass around."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRecord

from shared.errors import TransientFault
from shared.events import About, FeedbackSubmitted, Kind, Source, feedback_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.events import Event
    from shared.publisher import Record

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class RememberingPublisher:
    """Keeps what it is given; `away` many sends fail first, as if the broker were gone."""

    def __init__(self, away: int = 0) -> None:
        self.sent: list[Record] = []
        self.away = away

    async def send(self, records: Sequence[Record]) -> None:
        if self.away:
            self.away -= 1
            raise TransientFault("the broker is away; this is a test")
        self.sent.extend(records)

    def on(self, topic: str) -> list[Record]:
        return [record for record in self.sent if record.topic == topic]


def submitted(number: int = 1, text: str = "The nurses were kind.", **fields: Any) -> FeedbackSubmitted:
    """A valid submission; `number` makes its id."""
    given: dict[str, Any] = {
        "feedback_id": feedback_id("test", str(number)),
        "kind": Kind.COMMENT,
        "source": Source(integration="test", channel="survey"),
        "text": text,
        "occurred_at": NOON,
        "received_at": NOON,
        "about": About(organisation="Riverside Hospitals", service="Emergency department"),
    }
    return FeedbackSubmitted(**{**given, **fields})


def consumed(record: Record, offset: int = 0, partition: int = 0) -> ConsumerRecord[bytes, bytes]:
    """A record as a consumer gets it."""
    return ConsumerRecord(
        topic=record.topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=record.key,
        value=record.value,
        checksum=None,
        serialized_key_size=len(record.key or b""),
        serialized_value_size=len(record.value or b""),
        headers=tuple(record.headers),
    )


def raw(event: Event, topic: str) -> ConsumerRecord[bytes, bytes]:
    """An event as a consumer gets it."""
    from shared.cloudevents import encode
    from shared.publisher import Record

    key, value, headers = encode(event, "/heed/test")
    return consumed(Record(topic, key, value, headers))
