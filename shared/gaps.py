"""Finds jumps in the offsets of a topic that has none, so that a consumer can go back for what was skipped.

Apache Kafka needs no such thing, and there gaps are normal (compaction, transactions). The embedded broker of the trial
stack now and then hands a tailing consumer a later record first; the skipped ones are there when asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTEMPTS = 50
"""How often the same gap is asked for again before it is believed."""


class GapGuard:
    """Remembers, for one partition, the offset that must come next."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self._attempts = 0

    def contiguous(self, offsets: Sequence[int]) -> int:
        """How many of these offsets, in order, follow on without a gap.

        Offsets before the expected one are replays and count as following on. After `ATTEMPTS` looks at the same gap
        it is taken to be real, and everything counts.
        """
        following = self.expected
        for index, offset in enumerate(offsets):
            if offset > following:
                if index > 0:
                    return index
                self._attempts += 1
                return len(offsets) if self._attempts > ATTEMPTS else 0
            following = max(following, offset + 1)
        return len(offsets)

    def done(self, last: int) -> None:
        """Everything up to and including `last` is handled."""
        self.expected = last + 1
        self._attempts = 0
