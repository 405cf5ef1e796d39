"""Which team hears a piece of feedback: the most specific matching rule, then the order of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.learning.catalogue import UNROUTED, fold

if TYPE_CHECKING:
    from services.learning.catalogue import Catalogue
    from shared.events import About

REMEMBERED = 10_000
"""Distinct origins remembered; real deployments have tens."""

Origin = tuple[str, str | None, str | None, str | None, str]


class Router:
    """Routes by one catalogue; routing has no state that an answer depends on."""

    def __init__(self, catalogue: Catalogue) -> None:
        # The stable sort keeps the order of the file between rules that name equally many fields.
        self._rules = sorted(
            ((rule.criteria(), team.id) for team in catalogue.teams for rule in team.match),
            key=lambda pair: -len(pair[0]),
        )
        self._known: dict[Origin, str] = {}

    def team_for(self, about: About, channel: str) -> str:
        """The team's id, or `unrouted` where no rule matches."""
        origin = (about.organisation, about.service, about.unit, about.site, channel)
        known = self._known.get(origin)
        if known is None:
            known = self._find(origin)
            if len(self._known) < REMEMBERED:
                self._known[origin] = known
        return known

    def _find(self, origin: Origin) -> str:
        names = ("organisation", "service", "unit", "site", "channel")
        given = {name: fold(value) for name, value in zip(names, origin, strict=True) if value is not None}
        for criteria, team_id in self._rules:
            if all(given.get(name) == value for name, value in criteria.items()):
                return team_id
        return UNROUTED
