"""From a team's period counters to its page: pure, and as dear as periods times themes, not as comments.

Small numbers follow privacy.md; the order and the rules of the sections follow learning.md, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.learning import choice, patterns, questions, quotes, rendering, wording
from services.learning.amounts import amount, percent, rounded
from services.learning.catalogue import UNROUTED
from services.learning.charts import MINIMUM_POINTS
from services.learning.heard import heard
from services.learning.patterns import MEASURES, ThemePattern, Timeline, table_of
from services.learning.records import NO_RECORDS
from shared.summaries import (
    MINIMUM_RESPONSES,
    Certainty,
    ChartPoint,
    LearningSummary,
    Pattern,
    Quote,
    ThemeChart,
    ThemeShare,
)
from shared.themes import words_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from services.learning.catalogue import TeamIdentity
    from services.learning.choice import Chosen
    from services.learning.patterns import Counts
    from services.learning.periods import PeriodKind
    from services.learning.quotes import Candidate
    from services.learning.readings import Measure
    from services.learning.records import TeamRecords
    from shared.sources import QuoteSource

POSITIVE, NEGATIVE, ANY = (1, 2), (4, 5), (1, 2, 3, 4, 5)

ICON_WRONG_ONCE_IN = 90
"""Charts of nothing but chance that show an icon: 1.1 % of p-prime charts in simulation (learning.md, section 1)."""

EARLIER_PERIODS: dict[PeriodKind, int] = {"week": 13, "month": 3, "quarter": 1}
"""Periods in the quarter before one."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A page, and what is known of its quotes but does not stand on it.

    Attributes:
        sources: one for each of `summary.quotes`, in that order; none at all where a candidate came without.
    """

    summary: LearningSummary
    sources: tuple[QuoteSource, ...] = ()


def compose(
    team: TeamIdentity,
    period: date,
    counts: Mapping[Measure, int],
    candidates: Iterable[Candidate],
    *,
    revision: int,
    generated_at: datetime,
    team_names: Sequence[str] = (),
    allowed: Sequence[str] = (),
    kind: PeriodKind = "month",
    provisional: bool = False,
    history: Mapping[date, Mapping[Measure, int]] | None = None,
    records: TeamRecords = NO_RECORDS,
) -> Composed:
    """Write one page.

    Args:
        team: whose it is.
        period: its first day.
        counts: the period's counters.
        candidates: consented words that may be quoted, in any order.
        revision: from 1.
        generated_at: when.
        team_names: of all teams; no quote may name one.
        allowed: names of places that are not people's names.
        kind: how long the period is.
        provisional: whether it is still open.
        history: counters of the team's earlier periods by their first day; one without feedback may be left out.
        records: what the team recorded of itself.
    """
    table = table_of(counts)
    described = table.get("read", {}).get("", 0) >= MINIMUM_RESPONSES
    line = patterns.timeline(table, period, history or {}, kind)
    steps = patterns.steps(line, records.rebases)
    moved = any(step.kind == "channels" and step.period == period for step in steps)
    # What no team receives may come from several organisations: their words do not travel between them.
    mixed = team.id == UNROUTED
    readable = described and not mixed
    charts = patterns.patterns(line, rebases=records.rebases, targets=records.targets) if readable else []
    chosen = choice.choose(table, charts) if described else ()
    praised = any(each.tone == "valued" and each.told for each in chosen)
    earlier = {} if praised else _earlier_praise(line, kind)
    if earlier and sum(each.told for each in chosen) == choice.THEMES_SHOWN:
        chosen = chosen[:-1]
    content: dict[str, Any] = {
        "team_id": team.id,
        "team_name": team.name,
        "organisation": team.organisation,
        "period": period,
        "period_kind": kind,
        "revision": revision,
        "generated_at": generated_at,
        "provisional": provisional,
        "described": described,
        "heard": heard(table, records.contacts.get(period), channels_moved=moved),
        "pattern": _pattern(line, chosen, steps if charts else (), kind),
        "commitments": records.commitments[:2],
        "certainty": _certainty(table, line, len(charts)),
        "text": "",
        "markdown": "",
    }
    praise: Candidate | None = None
    told: Sequence[Candidate] = ()
    if described:
        shares = _shares(table, chosen)
        praise, told = _voices([] if mixed else quotes.usable(candidates, team_names, allowed), shares)
        content |= _described(shares, praise, told, chosen, period)
    summary = _fitted(LearningSummary(**{**content, **earlier}))
    return Composed(summary, _sources(summary, praise, told))


def _sources(summary: LearningSummary, praise: Candidate | None, told: Sequence[Candidate]) -> tuple[QuoteSource, ...]:
    """Of those quotes alone that there was room for."""
    quoted = [praise] if praise is not None and summary.valued_quote is not None else []
    found = [voice.origin for voice in (*quoted, *told[: len(summary.told)])]
    known = tuple(origin() for origin in found if origin is not None)
    return known if len(known) == len(found) else ()


def _fitted(summary: LearningSummary) -> LearningSummary:
    """The page with its texts, and with as many quotes and commitments as 300 words have room for."""
    while True:
        text = rendering.plain(summary)
        if len(text.split()) <= rendering.MAX_WORDS or not (summary.quotes or summary.commitments):
            return summary.model_copy(update={"text": text, "markdown": rendering.markdown(summary)})
        summary = summary.model_copy(update=_shorter(summary))


def _shorter(summary: LearningSummary) -> dict[str, object]:
    """What to leave out first: a second commitment, quotes from the last to the first, the last commitment."""
    if len(summary.commitments) > 1 or not summary.quotes:
        return {"commitments": summary.commitments[:-1]}
    return {"told": summary.told[:-1]} if summary.told else {"valued_quote": None}


def content_of(summary: LearningSummary) -> dict[str, Any]:
    """What a page says, without when it was said: two revisions that agree in it are the same page."""
    return summary.model_dump(mode="json", exclude={"revision", "generated_at"})


Shares = tuple[tuple[ThemeShare, ...], tuple[ThemeShare, ...]]
"""What people valued, and what could be better."""


def _shares(table: Counts, chosen: Sequence[Chosen]) -> Shares:
    return (
        tuple(_share(line, table) for line in chosen if line.tone == "valued" and line.told),
        tuple(_share(line, table) for line in chosen if line.tone == "better" and line.told),
    )


def _voices(voices: Sequence[Candidate], shares: Shares) -> tuple[Candidate | None, list[Candidate]]:
    """Who is quoted: beside what people valued, and under what they told us."""
    valued, better = shares
    wishes = (*(share.theme for share in valued), None)
    found = (quotes.pick(voices, (), theme=theme, sentiments=POSITIVE) for theme in wishes)
    praise = next((voice for voice in found if voice is not None), None)
    return praise, _told(voices, [praise] if praise else [], valued, better)


def _described(
    shares: Shares, praise: Candidate | None, told: Sequence[Candidate], chosen: Sequence[Chosen], period: date
) -> dict[str, Any]:
    valued, better = shares
    return {
        "valued": valued,
        "valued_quote": _quote(praise, valued) if praise else None,
        "better": better,
        "told": tuple(_quote(voice, (*better, *valued)) for voice in told),
        "questions": questions.choose(
            [words_for(line.theme).group for line in sorted(chosen, key=lambda line: line.tone)],
            pattern=_kind_of_pattern(chosen),
            turn=12 * period.year + period.month,
        ),
    }


def _kind_of_pattern(chosen: Sequence[Chosen]) -> questions.PatternKind | None:
    """What the questions may take up: something that may have changed, then something that helped, then chance."""
    icons = {line.pattern.chart.variation_icon or "" for line in chosen if line.pattern is not None and line.signals}
    if any(icon.startswith("concern") for icon in icons):
        return "concern"
    if icons:
        return "improvement"
    return "common_cause" if any(line.pattern is not None for line in chosen) else None


def _told(
    voices: Sequence[Candidate], taken: list[Candidate], valued: Sequence[ThemeShare], better: Sequence[ThemeShare]
) -> list[Candidate]:
    """At most two: one on what could be better, one more of it or of praise, whatever the page tells more about."""
    themes = [share.theme for share in better]
    wishes: tuple[list[tuple[str | None, tuple[int, ...]]], ...] = (
        [*((theme, NEGATIVE) for theme in themes), (None, NEGATIVE)],
        [
            *((theme, NEGATIVE) for theme in themes[1:]),
            *((share.theme, POSITIVE) for share in valued[1:]),
            (None, POSITIVE),
            (None, ANY),
        ],
    )
    told: list[Candidate] = []
    for wish in wishes:
        found = (quotes.pick(voices, [*taken, *told], theme=theme, sentiments=tones) for theme, tones in wish)
        voice = next((voice for voice in found if voice is not None), None)
        if voice is not None:
            told.append(voice)
    return told


def _quote(voice: Candidate, shares: Iterable[ThemeShare]) -> Quote:
    theme = next((share.theme for share in shares if share.theme in voice.themes), None)
    return Quote(text=voice.text, theme=theme)


def _share(line: Chosen, table: Counts) -> ThemeShare:
    known = words_for(line.theme)
    return ThemeShare(
        theme=line.theme,
        label=known.valued if line.tone == "valued" else known.better,
        group=known.group,
        amount=amount(line.count, table["read"][""]),
    )


def _earlier_praise(line: Timeline, kind: PeriodKind) -> dict[str, Any]:
    """The one theme most valued in the quarter before, if that can be described; there is always praise to tell."""
    tables = line.tables[-1 - EARLIER_PERIODS[kind] : -1]
    read = sum(table.get("read", {}).get("", 0) for table in tables)
    total: dict[str, int] = {}
    for table in tables:
        for theme, count in table.get(MEASURES["valued"], {}).items():
            total[theme] = total.get(theme, 0) + count
    summed: Counts = {MEASURES["valued"]: total, "read": {"": read}}
    best = next(iter(choice.choose(summed, ())), None)
    if read < MINIMUM_RESPONSES or best is None:
        return {}
    # A quote of this period would pass for one of that quarter.
    return {"valued": (_share(best, summed),), "valued_earlier": True, "valued_quote": None}


def _pattern(line: Timeline, chosen: Sequence[Chosen], steps: Sequence[Any], kind: PeriodKind) -> Pattern:
    """The charts of what the page tells, those with a signal first, and what they say."""
    drawn = [_chart(found, line, kind) for each in chosen if (found := each.pattern) is not None]
    drawn.sort(key=lambda chart: (chart.rule is None, chart.icon == "none"))
    if not drawn:
        return Pattern(sentence=wording.TOO_FEW, points_needed=MINIMUM_POINTS)
    first = drawn[0]
    moved = any(chart.icon == "none" for chart in drawn)
    sentence = wording.COMMON_CAUSE.format(period=kind)
    icon = "common_cause"
    if first.rule is not None:
        sentence, icon = first.sentence, first.icon
    elif moved:
        sentence, icon = wording.CHANNELS_MOVED, "none"
    return Pattern(icon=icon, sentence=sentence, charts=tuple(drawn), steps=tuple(steps), channels_moved=moved)


def _chart(found: ThemePattern, line: Timeline, kind: PeriodKind) -> ThemeChart:
    chart = found.chart
    known = words_for(found.theme)
    read = found.signals
    signal = chart.latest if read else None
    limits = chart.points[-1].limits
    points = []
    for start, point in zip(line.starts, chart.points, strict=True):
        lines = point.limits
        points.append(
            ChartPoint(
                period=start,
                percent=None if point.value is None else percent(point.value),
                responses=None if point.value is None or point.n is None else rounded(int(point.n)),
                lower=None if lines is None or lines.lower is None else percent(lines.lower),
                upper=None if lines is None or lines.upper is None else percent(lines.upper),
                rule=point.signal.rule if point.signal else None,
                direction=point.signal.direction if point.signal else None,
            )
        )
    drawn = ThemeChart(
        theme=found.theme,
        label=known.valued if found.tone == "valued" else known.better,
        tone=found.tone,
        icon="none" if found.channels_moved else chart.variation_icon or "none",
        rule=signal.rule if signal else None,
        since=found.since if read else None,
        sentence="",
        mean=percent(limits.mean if limits else 0.0),
        assurance=chart.assurance_icon,
        target=None if found.target is None else percent(found.target / 100),
        points=tuple(points),
    )
    told = wording.CHANNELS_MOVED if found.channels_moved else wording.signal_sentence(drawn, kind)
    return drawn.model_copy(update={"sentence": told})


def _certainty(table: Counts, line: Timeline, charts: int) -> Certainty:
    model = patterns.main_model(table)
    known = Certainty(model_version=model, several_models=len(table.get("model", {})) > 1)
    if not charts:
        return known
    read = [n for n in line.read if n is not None and n >= MINIMUM_RESPONSES]
    return known.model_copy(
        update={
            "points": len(read),
            "responses": rounded(sum(read)),
            "charts_read": charts,
            "icon_wrong_once_in": ICON_WRONG_ONCE_IN,
        }
    )
