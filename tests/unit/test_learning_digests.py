"""What crosses a team's border: the rules of privacy.md, by case and by property."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learning.digests import digest
from services.learning.readings import Measure
from shared.digests import ThemeDigest
from shared.themes import SLUGS, THEMES, slug_of
from tests.unit.learning_samples import JUNE, NOON, WAITING

SLUG = "timeliness-of-care"


def team(read: int, raised: int, valued: int = 0, better: int | None = None) -> dict[Measure, int]:
    return {
        ("read", ""): read,
        ("theme", WAITING): raised,
        ("theme_positive", WAITING): valued,
        ("theme_negative", WAITING): raised - valued if better is None else better,
    }


def of(*teams: dict[Measure, int], **fields: Any) -> ThemeDigest | None:
    counts = {f"team-{number}": counted for number, counted in enumerate(teams)}
    return digest(SLUG, JUNE, counts, kind="month", revision=1, generated_at=NOON, **fields)


def test_three_teams_are_told_together() -> None:
    made = of(team(40, 12), team(60, 20), team(52, 18))

    assert made is not None
    assert (made.read, made.raised) == (150, 50)
    assert made.valued is not None
    assert made.valued.size == "none"
    assert made.better is not None
    assert made.better.percent == 33
    assert "33%" in made.text
    assert len(made.questions) == 2


@pytest.mark.parametrize(
    ("teams", "why"),
    [
        ([team(40, 12), team(60, 20)], "two teams only"),
        ([team(40, 12), team(60, 20), team(50, 0)], "the third does not raise it"),
        ([team(20, 3), team(20, 3), team(20, 3)], "nine comments"),
        ([team(40, 30), team(20, 3), team(20, 4)], "the first team would find a sum of seven"),
        ([team(40, 38), team(20, 18), team(20, 19)], "all but five of those read raise it"),
    ],
)
def test_what_may_not_be_shown_is_not(teams: list[dict[Measure, int]], why: str) -> None:
    assert of(*teams) is None, why


@pytest.mark.parametrize(
    ("teams", "why"),
    [
        ([team(40, 12, valued=3), team(60, 20), team(52, 18)], "three valued it"),
        ([team(40, 12, valued=10), team(60, 20, valued=17), team(52, 18, valued=18)], "five say it could be better"),
        ([team(40, 12, valued=10), team(60, 20, valued=2), team(52, 18)], "the first team would find a sum of two"),
    ],
)
def test_one_tone_that_is_small_keeps_both_back(teams: list[dict[Measure, int]], why: str) -> None:
    made = of(*teams)

    assert made is not None
    assert (made.valued, made.better) == (None, None), why
    assert "%" not in made.text


def test_an_open_period_says_so() -> None:
    made = of(team(40, 12), team(60, 20), team(52, 18), provisional=True)

    assert made is not None
    assert "still come in" in made.text


def test_every_theme_has_a_slug_of_its_own_that_can_be_part_of_a_topics_name() -> None:
    assert len(SLUGS) == len(THEMES)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) and len(slug) < 100 for slug in SLUGS)
    assert slug_of("Transport to/ from services") == "transport-to-from-services"


CELLS = st.integers(0, 40).flatmap(
    lambda raised: st.tuples(st.integers(raised, 60), st.just(raised), st.integers(0, raised), st.integers(0, raised))
)


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_nothing_that_is_shown_gives_a_small_count_away(cells: list[tuple[int, int, int, int]]) -> None:
    made = of(*(team(*cell) for cell in cells))
    raising = [cell for cell in cells if cell[1]]
    if made is None:
        return

    raised = sum(cell[1] for cell in raising)
    assert len(raising) >= 3
    assert raised >= 10
    for own in raising:
        assert raised - own[1] >= 8
    for index, shown in ((2, made.valued), (3, made.better)):
        total = sum(cell[index] for cell in cells)
        if shown is not None:
            assert total == 0 or total >= 8
            assert raised - total == 0 or raised - total >= 8
            assert all(total == 0 or total - own[index] >= 8 for own in raising)
    assert (made.valued is None) == (made.better is None)
    assert not re.search(r"team-\d", made.model_dump_json())
