"""Which rule of the team catalogue a piece of feedback falls under: one answer for every service that asks.

A rule matches when every field that it names equals the feedback's, white space and case aside. Of those that match,
the one that names most fields wins, then the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.events import About

FIELDS = ("organisation", "service", "unit", "site", "channel")
"""What a rule may name."""

REMEMBERED = 10_000
"""Distinct origins remembered; real deployments have tens."""

T = TypeVar("T")

Origin = tuple[str, str | None, str | None, str | None, str]


def fold(value: str) -> str:
    """A name without case and with every run of white space, non-breaking included, as one space."""
    return " ".join(value.split()).casefold()


class Rules(Generic[T]):
    """Finds by one set of rules; it has no state that an answer depends on.

    Args:
        rules: folded value by field, and what the rule leads to, in the order of the file.
        otherwise: where none matches.
    """

    def __init__(self, rules: Iterable[tuple[Mapping[str, str], T]], otherwise: T) -> None:
        # The stable sort keeps the order of the file between rules that name equally many fields.
        self._rules = sorted(rules, key=lambda rule: -len(rule[0]))
        self._otherwise = otherwise
        self._known: dict[Origin, T] = {}

    def find(self, about: About, channel: str) -> T:
        """What the winning rule leads to."""
        origin = (about.organisation, about.service, about.unit, about.site, channel)
        if origin in self._known:
            return self._known[origin]
        found = self._find(origin)
        if len(self._known) < REMEMBERED:
            self._known[origin] = found
        return found

    def _find(self, origin: Origin) -> T:
        given = {name: fold(value) for name, value in zip(FIELDS, origin, strict=True) if value is not None}
        for criteria, leads_to in self._rules:
            if all(given.get(name) == value for name, value in criteria.items()):
                return leads_to
        return self._otherwise
