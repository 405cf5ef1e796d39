"""A team's charts on its page: signals, gaps, steps, targets, and the wording that each allows."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.learning import checker
from services.learning.catalogue import UNROUTED, TeamIdentity
from services.learning.html_page import document
from services.learning.patterns import Rebase
from services.learning.periods import following
from services.learning.records import TeamRecords
from services.learning.summaries import compose
from services.learning.wording import COMMON_CAUSE, TOO_FEW
from shared.summaries import Commitment, LearningSummary
from tests.unit.learning_samples import LISTENING, MANNER, NAMES, NOON, OTHER, TEAM, VOICES, WAITING, counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.learning.periods import PeriodKind
    from services.learning.readings import Measure

START = date(2025, 1, 1)


def table(waiting: int, praise: int = 29, n: int = 100, **measures: dict[str, int]) -> dict[Measure, int]:
    return counts(n, theme_negative={WAITING: waiting}, theme_positive={MANNER: praise}, **measures)


def story(
    tables: Sequence[Mapping[Measure, int] | None],
    *,
    kind: PeriodKind = "month",
    team: TeamIdentity = TEAM,
    records: TeamRecords | None = None,
    provisional: bool = False,
) -> LearningSummary:
    """The page of the last of some periods in a row; None is a period that nothing came in."""
    starts = [START if kind != "week" else date(2025, 1, 6)]
    while len(starts) < len(tables):
        starts.append(following(starts[-1], kind))
    history = {start: counted for start, counted in zip(starts[:-1], tables[:-1], strict=True) if counted is not None}
    own = tables[-1]
    assert own is not None
    return compose(
        team,
        starts[-1],
        own,
        VOICES,
        revision=1,
        generated_at=NOON,
        team_names=NAMES,
        kind=kind,
        history=history,
        records=records or TeamRecords(),
        provisional=provisional,
    ).summary


STEADY = [table(waiting, praise=50 - waiting) for waiting in (20, 24, 18, 22, 20, 25, 19, 21, 23, 18, 22, 20)]


def checked(summary: LearningSummary) -> LearningSummary:
    assert checker.check(summary, NAMES) == ()
    return summary


def test_twelve_months_are_too_few_to_see_a_pattern() -> None:
    summary = checked(story(STEADY))

    assert (summary.pattern.icon, summary.pattern.sentence, summary.pattern.charts) == ("none", TOO_FEW, ())
    assert summary.pattern.points_needed == 13


def test_thirteen_months_of_ups_and_downs_are_nothing_unusual() -> None:
    summary = checked(story([*STEADY, table(24)]))

    assert summary.pattern.icon == "common_cause"
    assert summary.pattern.sentence == COMMON_CAUSE.format(period="month")
    assert {chart.theme for chart in summary.pattern.charts} == {WAITING, MANNER}
    assert "∿ Nothing unusual this month" in summary.text
    assert "An icon is wrong about 1 time in 90." in summary.text
    assert "We looked at two charts, over 13 months and about 1300 comments." in summary.text


def test_more_people_than_usual_is_said_in_the_fixed_sentence() -> None:
    summary = checked(story([*STEADY, table(45)]))

    assert summary.pattern.icon == "concern_high"
    assert summary.pattern.sentence == (
        "Since January 2026 more people than usual raise how long people waited (this month lies outside what chance "
        "explains). Something in the system may have changed; worth looking at together."
    )
    assert "↑ Since January 2026" in summary.text


def test_fewer_people_than_usual_is_said_in_the_fixed_sentence() -> None:
    summary = checked(story([*STEADY, *[table(12)] * 7]))

    assert summary.pattern.icon == "improvement_low"
    assert summary.pattern.sentence == (
        "Since January 2026 fewer people than usual raise how long people waited (seven months or more on one side of "
        "the usual level). Something has helped. What was it, and how do we keep it?"
    )


def test_praise_has_its_own_direction() -> None:
    more = checked(story([*STEADY, table(21, praise=60)]))
    fewer = checked(story([*STEADY, table(21, praise=8)]))

    assert more.pattern.icon == "improvement_high"
    assert "more people than usual value kind and friendly staff" in more.pattern.sentence
    assert fewer.pattern.icon == "concern_low"
    assert "fewer people than usual value kind and friendly staff" in fewer.pattern.sentence


def test_a_signal_brings_its_theme_onto_the_page_before_what_is_raised_more_often() -> None:
    often = {"Contacting services": 60, "Food & drink provision & facilities": 50}
    tables = [counts(100, theme_negative={**often, WAITING: 20 + turn % 3}) for turn in range(12)]
    tables.append(counts(100, theme_negative={**often, WAITING: 48}))

    summary = checked(story(tables))

    assert summary.better[0].theme == WAITING
    assert summary.pattern.charts[0].theme == WAITING


def test_a_theme_that_nobody_raises_any_more_is_told_by_its_chart_alone() -> None:
    summary = checked(story([*STEADY, table(0)]))

    assert summary.pattern.icon == "improvement_low"
    assert WAITING not in {share.theme for share in summary.better}


def test_points_carry_whole_percents_and_rounded_numbers() -> None:
    summary = story([*STEADY, table(24, n=103)])
    chart = next(chart for chart in summary.pattern.charts if chart.theme == WAITING)

    assert [point.percent for point in chart.points] == [20, 24, 18, 22, 20, 25, 19, 21, 23, 18, 22, 20, 23]
    assert {point.responses for point in chart.points} == {100, 105}
    assert chart.points[0].period == START


def test_a_missing_month_and_a_month_of_nine_are_gaps() -> None:
    summary = story([*STEADY, None, table(9, n=9, praise=0), table(21)])
    chart = next(chart for chart in summary.pattern.charts if chart.theme == WAITING)

    assert [point.percent for point in chart.points[-3:]] == [None, None, 21]
    assert [point.responses for point in chart.points[-3:-1]] == [None, None]
    assert summary.certainty.points == 13


def test_a_page_of_few_has_no_chart_however_long_its_history() -> None:
    summary = checked(story([*STEADY, *STEADY, table(9, n=9, praise=0)]))

    assert (summary.pattern.icon, summary.pattern.charts) == ("none", ())
    assert summary.pattern.sentence == TOO_FEW


def test_a_rare_theme_has_no_chart() -> None:
    summary = story([table(4 + turn % 2) for turn in range(14)])

    assert WAITING not in {chart.theme for chart in summary.pattern.charts}


def test_what_no_team_receives_has_no_charts() -> None:
    nobody = TeamIdentity(UNROUTED, "Nobody yet", "All organisations")

    assert story([*STEADY, table(45)], team=nobody).pattern.charts == ()


def test_quarters_and_weeks_are_said_as_such() -> None:
    quarter = checked(story([*STEADY, table(45)], kind="quarter"))
    week = checked(story([*STEADY, table(45)], kind="week"))

    assert "What patients told us: January to March 2028" in quarter.text
    assert "Since January 2028 more people" in quarter.text
    assert "this quarter lies outside" in quarter.text
    assert "What patients told us: the week of 31 March 2025" in week.text
    assert "Since the week of 31 March 2025 more people" in week.text


def test_an_open_period_says_so() -> None:
    assert "This month is still open: more may come in." in checked(story(STEADY, provisional=True)).text
    assert "still open" not in story(STEADY).text


def test_a_new_model_version_is_noted_and_changes_nothing() -> None:
    newer = [table(20 + turn % 4, model={"sample-2": 100}) for turn in range(3)]
    summary = checked(story([*STEADY, *newer]))

    assert [(step.kind, step.period) for step in summary.pattern.steps] == [("model", date(2026, 1, 1))]
    assert "A new version of the model reads the comments since January 2026" in summary.text
    assert len({point.upper for point in summary.pattern.charts[0].points}) == 1


def test_a_signal_that_came_with_other_channels_is_not_read() -> None:
    summary = checked(story([*STEADY, table(45, channel={"x": 60, "survey": 40})]))

    assert (summary.pattern.icon, summary.pattern.channels_moved) == ("none", True)
    assert "more people than usual" not in summary.text
    assert "so did the ways people reached us" in summary.text
    assert [step.kind for step in summary.pattern.steps] == ["channels"]
    assert summary.heard.channels_moved


def test_a_signal_long_after_other_channels_is_read() -> None:
    moved = [table(20 + turn % 5, channel={"x": 60, "survey": 40}) for turn in range(13)]

    assert story([*STEADY, *moved, table(45, channel={"x": 60, "survey": 40})]).pattern.icon == "concern_high"


def test_a_rebase_starts_a_new_phase_and_says_why() -> None:
    records = TeamRecords(rebases=(Rebase(date(2026, 1, 1), "A second triage room"),))
    lower = [table(10 + turn % 3) for turn in range(13)]
    before, after = story([*STEADY, *lower]), checked(story([*STEADY, *lower], records=records))

    assert before.pattern.icon == "improvement_low"
    assert after.pattern.icon == "common_cause"
    assert "The charts start anew at January 2026, as the team decided." in after.text
    assert after.pattern.steps[0].reason == "A second triage room"


def test_a_phase_of_fewer_than_thirteen_points_has_no_icon_on_a_page() -> None:
    records = TeamRecords(rebases=(Rebase(date(2026, 1, 1), "A second triage room"),))

    assert story([*STEADY, *[table(12)] * 7], records=records).pattern.sentence == TOO_FEW


@pytest.mark.parametrize(
    ("percent", "icon", "words"),
    [
        (60, "consistent_pass", "always met"),
        (2, "consistent_fail", "never met"),
        (21, "inconsistent", "chance decides"),
    ],
)
def test_only_the_teams_own_target_brings_assurance(percent: float, icon: str, words: str) -> None:
    summary = checked(story([*STEADY, table(22)], records=TeamRecords(targets={WAITING: percent})))
    chart = next(chart for chart in summary.pattern.charts if chart.theme == WAITING)

    assert (chart.assurance, chart.target) == (icon, percent)
    assert words in summary.text
    assert all(chart.assurance is None for chart in story([*STEADY, table(22)]).pattern.charts)


def test_praise_of_the_quarter_before_is_told_where_this_month_has_none() -> None:
    summary = checked(story([*STEADY, counts(100, theme_negative={WAITING: 20})]))

    assert summary.valued_earlier
    assert [(share.theme, share.amount.percent) for share in summary.valued] == [(MANNER, 30)]
    assert "here is last quarter's." in summary.text


def test_earlier_praise_takes_one_of_the_three_lines() -> None:
    wishes = dict.fromkeys([WAITING, LISTENING, "Parking", "Food & drink provision & facilities"], 20)
    summary = checked(story([*STEADY, counts(100, theme_negative=wishes)]))

    assert (len(summary.valued), len(summary.better)) == (1, 2)
    assert summary.valued_quote is None


def test_a_page_of_few_tells_the_praise_of_the_quarter_before() -> None:
    summary = checked(story([*STEADY, table(0, n=5, praise=3)]))

    assert not summary.described
    assert summary.valued_earlier


def test_commitments_are_told_with_role_and_date() -> None:
    made = Commitment(
        theme=WAITING,
        label="how long people waited",
        state="cannot_change",
        because="the building has one lift",
        role="estates lead",
        since=date(2026, 3, 9),
        people_told=True,
    )
    summary = checked(story(STEADY, records=TeamRecords(commitments=(made,))))

    assert (
        "- how long people waited: cannot change, because the building has one lift (estates lead, 9 March 2026); "
        "people told" in summary.text
    )


small = st.integers(12, 28)
series = st.lists(small, min_size=13, max_size=20)


@settings(max_examples=20, deadline=None)
@given(series, st.lists(st.integers(0, 60), max_size=6))
def test_every_page_obeys_every_rule_and_says_the_same_of_either_team(base: list[int], tail: list[int]) -> None:
    tables = [table(waiting) for waiting in (*base, *tail)]
    one, other = story(tables), story(tables, team=OTHER)

    assert checker.check(one, NAMES) == checker.check(other, NAMES) == ()
    assert one.text.replace(TEAM.name, "…") == other.text.replace(OTHER.name, "…")
    assert len(one.text.split()) <= 300


VERDICT = re.compile(r"has helped|may have changed|improv|worse|than usual", re.IGNORECASE)


@settings(max_examples=20, deadline=None)
@given(series, st.lists(st.integers(0, 60), max_size=6))
def test_nothing_but_a_signal_brings_words_of_change(base: list[int], tail: list[int]) -> None:
    summary = story([table(waiting) for waiting in (*base, *tail)])
    icons = {chart.icon for chart in summary.pattern.charts}

    prose = summary.text.split("QUESTIONS")[0]
    for quote in summary.quotes:
        prose = prose.replace(quote.text, "")
    assert bool(VERDICT.search(prose)) == bool(icons - {"none", "common_cause"})


def numbers_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(numbers_in(item) for item in value.values())) if value else set()
    if isinstance(value, list | tuple):
        return set().union(*(numbers_in(item) for item in value)) if value else set()
    return set(re.findall(r"\d+", str(value))) if not isinstance(value, bool) else set()


@settings(max_examples=15, deadline=None)
@given(series, st.sampled_from(["month", "quarter", "week"]))
def test_every_number_in_every_form_of_the_page_is_in_the_payload(base: list[int], kind: PeriodKind) -> None:
    summary = story([table(waiting) for waiting in (*base, 44)], kind=kind)
    payload = summary.model_dump(mode="json", exclude={"text", "markdown", "generated_at", "revision"})
    known = {str(int(number)) for number in numbers_in(payload)}
    markup = document([summary])
    words = unescape(re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]+>", " ", markup, flags=re.DOTALL))
    labels = unescape(" ".join(re.findall(r'aria-label="([^"]*)"', markup)))

    for form in (summary.text, summary.markdown, words, labels):
        told = form.replace("1 time in 90", "90")
        assert set(re.findall(r"\d+", told)) <= known


def test_html_escapes_every_word() -> None:
    team = TeamIdentity("t", 'A <script>alert("x")</script> & team', "O'Brien & <b>Sons</b>")
    summary = story(STEADY, team=team)
    markup = document([summary])

    assert "<script" not in markup
    assert "&lt;script&gt;" in markup
    assert "<b>Sons" not in markup


def test_html_loads_nothing_and_has_one_sheet_for_each_page() -> None:
    markup = document([story([*STEADY, table(45)]), story(STEADY)])

    assert markup.count("<article>") == 2
    assert not re.search(r"https?:|src=|href=|@import|url\(", markup)
    assert '<html lang="en-GB">' in markup
    assert markup.count('role="img"') == markup.count("aria-label=") == 2


def test_a_gap_is_left_open_in_a_drawn_chart() -> None:
    whole = document([story([*STEADY, table(20), table(21)])])
    broken = document([story([*STEADY, None, table(20), table(21)])])

    assert broken.count("<polyline") > whole.count("<polyline")


def test_what_is_listened_to_most_is_praised_first() -> None:
    summary = story([counts(100, theme_positive={LISTENING: 40, MANNER: 20}, theme_negative={WAITING: 20})])

    assert [share.theme for share in summary.valued] == [LISTENING, MANNER]
