"""Pages of the real comments, as people labelled them: every rule holds, and the figures agree with a plain recount."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from services.learning import catalogue, checker
from services.learning.catalogue import UNROUTED, Catalogue, identity
from services.learning.quotes import Candidate
from services.learning.readings import Measure, reading_of
from services.learning.routing import Router
from services.learning.summaries import compose
from shared.events import About
from shared.summaries import LearningSummary
from tests.unit.learning_samples import NOON, analysed

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real comments are not on this machine")

Pair = tuple[str, date]


@pytest.fixture(scope="module")
def comments() -> list[dict[str, str]]:
    with (DATA / "fft_train.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.DictReader(file) if row["date"] and row["sentiment"]]


@pytest.fixture(scope="module")
def teams() -> Catalogue:
    return catalogue.read(DATA / "catalogue-fft.yaml")


@pytest.fixture(scope="module")
def pages(comments: list[dict[str, str]], teams: Catalogue) -> dict[Pair, LearningSummary]:
    router = Router(teams)
    counts: dict[Pair, Counter[Measure]] = defaultdict(Counter)
    voices: dict[Pair, list[Candidate]] = defaultdict(list)
    for number, row in enumerate(comments):
        about = About(organisation=row["trust"], service=row["service_type_1"] or None)
        event = analysed(
            number,
            label=int(row["sentiment"]),
            themes=[theme for theme in row["themes"].split(";") if theme],
            text=row["text"],
            about=about,
            occurred_at=datetime.fromisoformat(row["date"]).replace(hour=12, tzinfo=UTC),
        )
        reading = reading_of(event, router.team_for(about, "fft-survey"))
        assert reading.team_id is not None
        assert reading.period is not None
        pair = (reading.team_id, reading.period)
        counts[pair].update(reading.measures)
        if len(voices[pair]) < 60:
            themes = tuple(theme.name for theme in event.themes)
            voices[pair].append(Candidate(str(number), row["text"], int(row["sentiment"]), themes))
    names = tuple(team.name for team in teams.teams)
    return {
        (team, period): compose(
            identity(teams, team),
            period,
            counted,
            voices[team, period],
            revision=1,
            generated_at=NOON,
            team_names=names,
            allowed=teams.allow_list,
        ).summary
        for (team, period), counted in counts.items()
    }


def test_every_page_passes_the_checker(pages: dict[Pair, LearningSummary], teams: Catalogue) -> None:
    names = tuple(team.name for team in teams.teams)

    assert {pair: checker.check(page, names, teams.allow_list) for pair, page in pages.items()} == dict.fromkeys(
        pages, ()
    )


def test_every_team_has_a_described_page(pages: dict[Pair, LearningSummary], teams: Catalogue) -> None:
    described = {team for (team, _), page in pages.items() if page.described}

    assert described - {UNROUTED} == {team.id for team in teams.teams}


def test_figures_agree_with_a_recount(
    pages: dict[Pair, LearningSummary], comments: list[dict[str, str]], teams: Catalogue
) -> None:
    named = {" ".join(rule.service.split()): team.id for team in teams.teams for rule in team.match if rule.service}
    checked = 0
    for (team, period), page in pages.items():
        own = [
            row
            for row in comments
            if named.get(" ".join(row["service_type_1"].split()), UNROUTED) == team
            and row["date"].startswith(f"{period:%Y-%m}")
        ]
        assert page.described == (len(own) >= 10)
        if page.described:
            assert page.heard.responses == 5 * round(len(own) / 5)
        for share in page.better:
            raised = sum(share.theme in row["themes"].split(";") and row["sentiment"] in "45" for row in own)
            if share.amount.percent is None:
                assert raised < 8 or raised < 0.08 * len(own) or raised > 0.92 * len(own) or len(own) - raised < 8
            else:
                assert abs(share.amount.percent - 100 * raised / len(own)) <= 0.5
            checked += 1
    assert checked > 50


def test_nearly_every_described_page_has_something_to_quote(pages: dict[Pair, LearningSummary]) -> None:
    described = [page for (team, _), page in pages.items() if page.described and team != UNROUTED]

    assert sum(len(page.quotes) == 3 for page in described) >= 0.8 * len(described)
