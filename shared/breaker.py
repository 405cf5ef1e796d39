"""Stops a consumer that would otherwise drain its topic into the dead letters.

After a faulty deploy every record looks bad. A breaker in the manner of arroyo's `DlqLimit` keeps them on their topic,
where they wait for the fix, instead of in a dead-letter topic, from where a person must bring them back.
"""

from __future__ import annotations

from collections import deque


class DeadLetterBreaker:
    """Measures the share of bad records among the newest ones.

    Args:
        share: of bad records, above which the breaker opens; 0 < share ≤ 1.
        window: how many of the newest records count; before half as many have been seen it stays closed, so that one
            bad record at the start of a quiet topic stops nothing.
    """

    def __init__(self, share: float, window: int) -> None:
        self._share = share
        self._least = max(1, window // 2)
        self._outcomes: deque[bool] = deque(maxlen=window)

    def would_open(self, good: int, bad: int) -> bool:
        """Whether counting these, too, takes the share over the limit."""
        if bad == 0:
            return False
        window = self._outcomes.maxlen or 1
        kept = list(self._outcomes)[max(0, len(self._outcomes) + good + bad - window) :] if good + bad < window else []
        seen = len(kept) + good + bad
        return seen >= self._least and (sum(kept) + bad) / seen > self._share

    def note(self, good: int, bad: int) -> None:
        """Count records whose outcome is final."""
        self._outcomes.extend([True] * bad + [False] * good)
