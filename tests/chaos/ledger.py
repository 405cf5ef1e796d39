"""What was sent, and what was answered: one side of the proof. The other is what is observed."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from shared.events import FeedbackSubmitted


@dataclass(frozen=True, slots=True)
class Version:
    """One version that was sent.

    Attributes:
        body: as the gateway takes it.
        event: what it must become.
        sentence: planted in it.
    """

    body: dict[str, Any]
    event: FeedbackSubmitted
    sentence: str


@dataclass(slots=True)
class Item:
    """One piece of feedback.

    Attributes:
        sent: every version that may have arrived, by number.
        accepted: versions that were answered with 202, or acknowledged by Kafka.
        source_id: the integration's own id.
        receipt: from the gateway; None for what went to the topic directly.
        withdrawn: whether a withdrawal was answered with 202.
        withdrawal_sent: whether one was sent at all.
    """

    feedback_id: UUID
    source_id: str
    sent: dict[int, Version] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    receipt: str | None = None
    withdrawn: bool = False
    withdrawal_sent: bool = False

    @property
    def unanswered(self) -> set[int]:
        """Versions that may have arrived or not."""
        return self.sent.keys() - self.accepted

    @property
    def newest(self) -> int:
        """The highest version accepted; 0 where none was."""
        return max(self.accepted, default=0)


@dataclass(slots=True)
class Ledger:
    """Everything that was sent.

    Attributes:
        items: by feedback id.
        poison: values of records that no service can read, by whether Kafka acknowledged them.
        surprises: answers that no client should get, told as codes.
        texts: numbers the texts, so that each has a sentence of its own.
    """

    items: dict[UUID, Item] = field(default_factory=dict)
    poison: dict[bytes, bool] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    texts: Iterator[int] = field(default_factory=count)

    def accepted(self) -> Iterator[tuple[Item, int]]:
        """Every version that was accepted."""
        for item in self.items.values():
            for version in sorted(item.accepted):
                yield item, version

    def withdrawn_sentences(self) -> set[str]:
        """What must be found nowhere any more."""
        return {version.sentence for item in self.items.values() if item.withdrawn for version in item.sent.values()}
