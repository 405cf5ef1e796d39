"""Which team hears a piece of feedback: the most specific matching rule, then the order of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.learning.catalogue import UNROUTED
from shared.origins import Rules

if TYPE_CHECKING:
    from services.learning.catalogue import Catalogue
    from shared.events import About


class Router:
    """Routes by one catalogue; routing has no state that an answer depends on."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._rules = Rules(((rule.criteria(), team.id) for team in catalogue.teams for rule in team.match), UNROUTED)

    def team_for(self, about: About, channel: str) -> str:
        """The team's id, or `unrouted` where no rule matches."""
        return self._rules.find(about, channel)
