from __future__ import annotations

import pytest

from services.learning.catalogue import UNROUTED, parse
from services.learning.routing import Router
from shared.events import About

TEAMS = parse(
    """
teams:
  - {id: whole, name: Whole, organisation: O, match: [{organisation: Riverside}]}
  - {id: wards, name: Wards, organisation: O, match: [{organisation: Riverside, service: "PTS - Transport"}]}
  - {id: north, name: North, organisation: O, match: [{organisation: Riverside, site: North}]}
  - {id: unit, name: Unit, organisation: O, match: [{organisation: Riverside, service: Care, unit: Seven}]}
  - {id: social, name: Social, organisation: O, match: [{channel: Mastodon}, {organisation: Elsewhere}]}
""",
    "teams.yaml",
)


@pytest.mark.parametrize(
    ("about", "channel", "team"),
    [
        ({"organisation": "Riverside"}, "survey", "whole"),
        ({"organisation": "Riverside", "service": "Other"}, "survey", "whole"),
        ({"organisation": "Riverside", "service": "PTS - Transport"}, "survey", "wards"),
        ({"organisation": "riverside ", "service": "pts\u00a0 -\u00a0Transport"}, "survey", "wards"),
        ({"organisation": "Riverside", "service": "PTS - Transport", "site": "North"}, "survey", "wards"),
        ({"organisation": "Riverside", "service": "Care", "unit": "Seven", "site": "North"}, "survey", "unit"),
        ({"organisation": "Riverside", "service": "Care", "unit": "Eight", "site": "North"}, "survey", "north"),
        ({"organisation": "Elsewhere"}, "survey", "social"),
        ({"organisation": "Unknown"}, "MASTODON", "social"),
        ({"organisation": "Unknown"}, "survey", UNROUTED),
        ({"organisation": "Riversides"}, "survey", UNROUTED),
    ],
)
def test_the_most_specific_rule_wins_then_the_first(about: dict[str, str], channel: str, team: str) -> None:
    assert Router(TEAMS).team_for(About(**about), channel) == team


def test_routing_again_gives_the_same_team() -> None:
    router = Router(TEAMS)
    about = About(organisation="Riverside", site="North")

    assert [router.team_for(about, "survey") for _ in range(3)] == ["north"] * 3
