"""The real export of six teams, from the file to the page: every rule holds, and the payload agrees with a recount.

The importer, the router, the counters, the page and the checker are the product's; sentiment and themes are what people
labelled (`fft_train.csv`), so that a figure can be counted again by hand. The recount below shares no code with them.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.formats import FORMATS
from deploy.formats.rows import Submission
from services.learning import catalogue, checker
from services.learning.catalogue import UNROUTED, Catalogue, identity
from services.learning.periods import period_of
from services.learning.quotes import Candidate
from services.learning.readings import Measure, measures_of
from services.learning.routing import Router
from services.learning.summaries import compose
from shared.events import About, Source
from tests.unit.learning_samples import NOON, analysed

if TYPE_CHECKING:
    from services.learning.periods import PeriodKind
    from shared.events import FeedbackAnalysed
    from shared.summaries import LearningSummary

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real comments are not on this machine")

Labels = dict[str, dict[str, str]]
Pages = dict[tuple[str, date], "LearningSummary"]


@pytest.fixture(scope="module")
def labels() -> Labels:
    with (DATA / "fft_train.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["comment_id"].strip(): row for row in csv.DictReader(file) if row["sentiment"]}


@pytest.fixture(scope="module")
def teams() -> Catalogue:
    return catalogue.read(DATA / "catalogue-fft.yaml")


@pytest.fixture(scope="module")
def events(labels: Labels) -> list[FeedbackAnalysed]:
    rows = FORMATS["fft"](DATA / "fft_export.csv", quotes_consented=True)
    bodies = [row.body for row in rows if isinstance(row, Submission)]
    return [event(number, body, labels) for number, body in enumerate(bodies) if body["source_id"] in labels]


def event(number: int, body: dict[str, Any], labels: Labels) -> FeedbackAnalysed:
    row = labels[body["source_id"]]
    return analysed(
        number,
        label=int(row["sentiment"]),
        themes=[theme for theme in row["themes"].split(";") if theme],
        text=body["text"],
        about=About(**body["about"]),
        source=Source(integration="test", channel=body["channel"]),
        occurred_at=datetime.fromisoformat(body["occurred_at"]).replace(hour=12, tzinfo=UTC),
    )


def written(events: list[FeedbackAnalysed], teams: Catalogue, kind: PeriodKind) -> Pages:
    """Every page of every team, each with the team's own history."""
    router = Router(teams)
    counts: dict[str, dict[date, Counter[Measure]]] = defaultdict(lambda: defaultdict(Counter))
    voices: dict[tuple[str, date], list[Candidate]] = defaultdict(list)
    for number, each in enumerate(events):
        team, period = router.team_for(each.about, each.source.channel), period_of(each.occurred_at, kind)
        counts[team][period].update(measures_of(each))
        segment = each.segments[0]
        if len(voices[team, period]) < 60:
            themes = tuple(theme.name for theme in segment.themes)
            voices[team, period].append(Candidate(str(number), segment.text, segment.sentiment.label, themes))
    return {
        (team, period): compose(
            identity(teams, team),
            period,
            counted,
            voices[team, period],
            revision=1,
            generated_at=NOON,
            team_names=tuple(each.name for each in teams.teams),
            allowed=teams.allow_list,
            kind=kind,
            history={start: own for start, own in periods.items() if start < period},
        ).summary
        for team, periods in counts.items()
        for period, counted in periods.items()
    }


@pytest.fixture(scope="module")
def months(events: list[FeedbackAnalysed], teams: Catalogue) -> Pages:
    return written(events, teams, "month")


@pytest.fixture(scope="module")
def weeks(events: list[FeedbackAnalysed], teams: Catalogue) -> Pages:
    return written(events, teams, "week")


@pytest.mark.parametrize("kind", ["months", "weeks"])
def test_every_page_of_six_teams_obeys_every_rule(kind: str, teams: Catalogue, request: pytest.FixtureRequest) -> None:
    pages: Pages = request.getfixturevalue(kind)
    names = tuple(each.name for each in teams.teams)

    assert {team for team, _ in pages} >= {each.id for each in teams.teams}
    assert {pair: checker.check(page, names, teams.allow_list) for pair, page in pages.items()} == dict.fromkeys(
        pages, ()
    )


def test_the_payload_agrees_with_a_recount_of_the_file(months: Pages, labels: Labels) -> None:
    services = {
        "PTS - Patient Transport": "neas-patient-transport",
        "See and Convey": "neas-emergency-ambulance",
        "111": "neas-111",
        "Local partnerships- MH": "nhft-mental-health",
        "Community health services": "nhft-community",
        "Forensic": "nhft-forensic",
    }
    with (DATA / "fft_export.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["Comment ID"].strip(): row for row in csv.DictReader(file)}
    own: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in labels.keys() & rows.keys():
        service = " ".join(rows[name]["Service type 1"].split())
        if labels[name]["date"]:
            own[services.get(service, UNROUTED), labels[name]["date"][:7]].append(name)
    compared = 0
    for (team, period), page in months.items():
        names = own[team, f"{period:%Y-%m}"]
        assert page.described == (len(names) >= 10)
        if not page.described:
            continue
        assert page.heard.responses == 5 * round(len(names) / 5)
        for shares, tones in ((page.better, "45"), (() if page.valued_earlier else page.valued, "12")):
            for share in shares:
                raised = sum(
                    share.theme in labels[name]["themes"].split(";") and labels[name]["sentiment"] in tones
                    for name in names
                )
                if share.amount.size == "share":
                    assert share.amount.percent is not None
                    assert abs(share.amount.percent - 100 * raised / len(names)) <= 0.5
                compared += share.amount.size == "share"
    assert compared > 60


def test_a_charts_points_are_what_the_pages_of_their_weeks_say(weeks: Pages) -> None:
    drawn = [(team, chart) for (team, _), page in weeks.items() for chart in page.pattern.charts]
    assert len({team for team, _ in drawn}) >= 3
    for team, chart in drawn:
        assert all(point.period.weekday() == 0 for point in chart.points)
        for point in chart.points:
            page = weeks.get((team, point.period))
            own = page.heard.responses if page and page.described else None
            assert point.responses == own
            shares = () if page is None else page.better if chart.tone == "better" else page.valued
            told = [s.amount.percent for s in shares if s.theme == chart.theme and s.amount.size == "share"]
            if told and page is not None and not page.valued_earlier:
                assert point.percent == told[0]


def test_weekly_charts_of_real_comments_seldom_show_more_than_chance(weeks: Pages) -> None:
    icons = Counter(chart.icon for page in weeks.values() for chart in page.pattern.charts)

    assert sum(icons.values()) > 50
    assert icons["common_cause"] > 0.5 * sum(icons.values())
