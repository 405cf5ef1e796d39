"""What a run does, decided before it begins: the same seed, the same rounds and the same faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BURST = 4.0
"""Seconds within which the submissions of a round begin, and its faults strike."""


class Kind(StrEnum):
    """How something fails."""

    KILL = "kill"
    """SIGKILL; started again a moment later."""
    PAUSE = "pause"
    """SIGSTOP, then SIGCONT."""
    OUTLAST = "outlast"
    """SIGSTOP for longer than Kafka keeps a silent member in its group: it comes back as a zombie."""
    RESTART = "restart"
    """SIGTERM; started again once it has ended."""


LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.KILL: (0.0, 3.0),
    Kind.PAUSE: (0.5, 4.0),
    Kind.OUTLAST: (12.0, 15.0),
    Kind.RESTART: (0.0, 1.0),
}
"""Seconds, fewest and most; a group forgets a member after ten."""

Targets = dict[str, tuple[Kind, ...]]
"""What can fail on a stage, and how."""

ONCE = (Kind.KILL, Kind.PAUSE, Kind.RESTART)


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure.

    Attributes:
        target: what fails.
        after: seconds from the beginning of the round.
        lasts: seconds until it may work again.
    """

    target: str
    kind: Kind
    after: float
    lasts: float

    @property
    def name(self) -> str:
        """Target and kind."""
        return f"{self.target} {self.kind}"


@dataclass(frozen=True, slots=True)
class Round:
    """A burst of submissions and the faults that strike meanwhile."""

    submissions: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A run.

    Attributes:
        patience: seconds that everything may take to be handled after each round.
    """

    seed: int
    rounds: tuple[Round, ...]
    patience: float = 240.0


def planned(targets: Mapping[str, Sequence[Kind]], rounds: int, submissions: int, seed: int) -> Plan:
    """Deal every fault of the stage before any comes again, one or two to a round; two never strike the same target.

    With half as many rounds as there are faults, or more, each fault strikes at least once.
    """
    chance = Random(seed)  # noqa: S311 - no secret
    deck: list[tuple[str, Kind]] = []
    dealt = []
    for number in range(rounds):
        share = submissions // rounds + (number < submissions % rounds)
        left = rounds - number
        if not deck:
            deck = _shuffled(targets, chance)
        count = 2 if len(deck) > left else chance.choice((1, 2))
        dealt.append(Round(share, tuple(_timed(pair, chance) for pair in _drawn(deck, count))))
    return Plan(seed, tuple(dealt))


def _shuffled(targets: Mapping[str, Sequence[Kind]], chance: Random) -> list[tuple[str, Kind]]:
    deck = [(target, kind) for target, kinds in targets.items() for kind in kinds]
    chance.shuffle(deck)
    return deck


def _drawn(deck: list[tuple[str, Kind]], count: int) -> list[tuple[str, Kind]]:
    """Draw from the targets with most faults left, so that the last rounds are not left with one target's."""
    drawn: list[tuple[str, Kind]] = []
    while deck and len(drawn) < count:
        left = Counter(target for target, _ in deck)
        free = [card for card in deck if card[0] not in {target for target, _ in drawn}]
        if not free:
            break
        drawn.append(max(free, key=lambda card: left[card[0]]))
        deck.remove(drawn[-1])
    return drawn


def _timed(pair: tuple[str, Kind], chance: Random) -> Fault:
    return Fault(*pair, after=chance.uniform(0, BURST), lasts=chance.uniform(*LASTS[pair[1]]))
