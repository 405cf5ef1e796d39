"""What a check found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Wrong(StrEnum):
    """The three things that must never happen."""

    LOST = "lost"
    """Accepted, and without its effect: missing, overwritten by something older, or told by no page."""
    DOUBLED = "doubled"
    """An effect too many: counted twice, both done and dead-lettered, or of something that nobody sent."""
    LEAKED = "leaked"
    """Words where they must not be."""


@dataclass(slots=True)
class Verdict:
    """The sums, and every finding as one line that holds ids and places, never words.

    Attributes:
        accepted: versions answered with 202 or acknowledged by Kafka, poison included, and those that arrived although
            their answer was lost.
        effects: of these, how many have had their effect.
        dead_lettered: of these, how many are dead letters.
    """

    accepted: int = 0
    effects: int = 0
    dead_lettered: int = 0
    findings: list[tuple[Wrong, str]] = field(default_factory=list)

    def lost(self, what: str) -> None:
        """Note it."""
        self.findings.append((Wrong.LOST, what))

    def doubled(self, what: str) -> None:
        """Note it."""
        self.findings.append((Wrong.DOUBLED, what))

    def leaked(self, what: str) -> None:
        """Note it."""
        self.findings.append((Wrong.LEAKED, what))

    def sums(self) -> dict[str, int]:
        """How many of each."""
        wrong = Counter(kind for kind, _ in self.findings)
        return {
            "accepted": self.accepted,
            "effects": self.effects,
            "dead_lettered": self.dead_lettered,
            **{kind.value: wrong[kind] for kind in Wrong},
        }
