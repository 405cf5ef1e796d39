"""What may never leave: the rules of learning.md's "Forbidden", applied to every page before it is published.

Our own prose is checked word by word. Names that come from the catalogue or the model (the team, its organisation, the
model's version), dates of the payload, what the team recorded itself, and quotes are masked first: a team may be called
"Top Floor Ward". Quotes are checked for what gives a person or another team away; see `quotes.py` for why a strong word
in one is no violation. A team's own records go through the rules too, except that a team may say why, and what it did.
Charts must say what their icon allows and nothing else. Praise and criticism go through the same rules. A violation
names a rule and a place, never the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from services.learning import language, quotes, rendering, wording
from services.learning.choice import THEMES_SHOWN
from services.learning.voices import DEMOGRAPHIC_MINIMUM
from shared import period_names
from shared.summaries import MINIMUM_RESPONSES, Amount, LearningSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shared.summaries import Commitment, ThemeChart

_MASK = "…"
_MARKS = "#-> *" + "".join(sorted(set(rendering.MARKS.values())))
"""What may stand before the first word of a line."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")

_PROSE = (
    ("ranking", language.RANKING),
    ("comparison", language.COMPARISON),
    ("traffic_light", language.TRAFFIC_LIGHT),
    ("change_in_figures", language.CHANGE),
    ("judgement", language.JUDGEMENT),
    ("judgement", language.INSULTS),
    ("invented_cause", language.CAUSE),
    ("invented_action", language.ACTION),
    ("exhortation", language.EXHORTATION),
    ("singling_role", language.SINGLING_ROLE),
    ("name", language.TITLED),
    ("contact_or_placeholder", language.CONTACT),
    ("small_count", language.SMALL_COUNT),
)

_LINE = (*_PROSE, ("verdict_on_chance", language.VERDICT_ON_CHANCE))

_RECORDED = tuple((rule, pattern) for rule, pattern in _PROSE if rule not in {"invented_cause", "invented_action"})


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """A rule that a page breaks, and where; safe to log and to store."""

    rule: str
    place: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.place}"


def check(
    summary: LearningSummary, team_names: Iterable[str] = (), allowed: Sequence[str] = ()
) -> tuple[Violation, ...]:
    """Everything that keeps a page from being published; nothing if it may go.

    Args:
        summary: the page, rendered.
        team_names: of all teams; no quote may name one, and the page's own words only its own.
        allowed: names of places that are not people's names.
    """
    names = tuple(team_names)
    found = {
        *_payload(summary),
        *_quotes(summary, names, allowed),
        *_records(summary, names, allowed),
        *_patterns(summary),
        *_prose(summary, names, allowed),
    }
    return tuple(sorted(found))


def _prose(summary: LearningSummary, teams: tuple[str, ...], allowed: Sequence[str]) -> Iterator[Violation]:
    if len(summary.text.split()) > rendering.MAX_WORDS:
        yield Violation("too_long", "text")
    numbers, foreign = _numbers(summary), _foreign(summary)
    for name, text in (("text", summary.text), ("markdown", summary.markdown)):
        for index, line in enumerate(_masked(text, foreign).splitlines(), start=1):
            place = f"{name} line {index}"
            yield from (Violation(rule, place) for rule in _broken(line))
            if not line.isupper() and language.capitalised_inside(line.lstrip(_MARKS), allowed):
                yield Violation("name", place)
            if _names_another(line, teams, summary.team_name):
                yield Violation("other_team", place)
            for number in map(float, _NUMBER.findall(line)):
                if number not in numbers:
                    yield Violation("number_not_in_payload", place)
                if number < 8:
                    yield Violation("small_count", place)


@lru_cache(maxsize=1_024)
def _broken(line: str) -> tuple[str, ...]:
    """The rules that a line of our own prose breaks; most lines stand on every page, and none holds a quote."""
    return tuple(rule for rule, pattern in _LINE if pattern.search(line))


def _names_another(line: str, teams: tuple[str, ...], own: str) -> bool:
    """Whether it names a team other than the page's; looked for one by one only where it names any."""
    if not quotes.names(teams, re.NOFLAG).search(line):
        return False
    others = (name for name in teams if name.casefold() != own.casefold())
    return any(re.search(rf"(?<!\w){re.escape(other)}(?!\w)", line) for other in others)


def _foreign(summary: LearningSummary) -> list[str]:
    """What the page holds that is not our own prose, longest first so that one name inside another goes with it."""
    foreign = {summary.team_name, summary.organisation, summary.certainty.model_version or ""}
    foreign |= {quote.text for quote in summary.quotes}
    foreign |= {wording.commitment(made) for made in summary.commitments} | set(_dates(summary))
    if summary.certainty.icon_wrong_once_in is not None:
        foreign.add(wording.WRONG_ONCE.format(once_in=summary.certainty.icon_wrong_once_in))
    foreign |= {rendering.escaped(part) for part in foreign} | {part.upper() for part in foreign}
    return sorted(filter(None, foreign), key=len, reverse=True)


def _masked(text: str, foreign: Iterable[str]) -> str:
    """The text without what stands in it as words of its own."""
    for part in foreign:
        if part in text:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", _MASK, text)
    return text


def _dates(summary: LearningSummary) -> Iterator[str]:
    """Every period that the payload holds, as the text names it."""
    kind = summary.period_kind
    yield period_names.span(summary.period, kind)
    for chart in summary.pattern.charts:
        if chart.since is not None:
            yield wording.since(chart.since, kind)
    for step in summary.pattern.steps:
        yield wording.since(step.period, kind)


def _numbers(summary: LearningSummary) -> set[float]:
    """Every number that the payload holds as a number, and the year of the period."""
    found: set[float] = {float(summary.period.year)}
    pending: list[object] = [
        summary.model_dump(mode="python", include={"heard", "valued", "better", "pattern", "certainty"})
    ]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(float(value))
    return found


def _quotes(summary: LearningSummary, team_names: Sequence[str], allowed: Sequence[str]) -> Iterator[Violation]:
    for index, quote in enumerate(summary.quotes):
        for fault in quotes.identity_faults(quote.text, team_names, allowed):
            yield Violation(fault, f"quote {index}")
        if not summary.described:
            yield Violation("quote_from_few", f"quote {index}")
    if len({quote.text.casefold() for quote in summary.quotes}) < len(summary.quotes):
        yield Violation("quote_repeated", "quotes")


def _records(summary: LearningSummary, team_names: Sequence[str], allowed: Sequence[str]) -> Iterator[Violation]:
    """What the team wrote itself: it may say why, and what it did, but name, judge and rank no more than we do."""
    written = [
        *(
            (f"commitment {i}", text)
            for i, made in enumerate(summary.commitments)
            for text in (made.because, made.role)
        ),
        *((f"step {i}", step.reason) for i, step in enumerate(summary.pattern.steps)),
    ]
    for place, text in written:
        yield from (Violation(fault, place) for fault in _faults(text or "", team_names, allowed))


def _faults(text: str, team_names: Sequence[str], allowed: Sequence[str]) -> Iterator[str]:
    """Rules that words of a team's own break."""
    if text:
        yield from (rule for rule, pattern in _RECORDED if pattern.search(text))
        yield from quotes.identity_faults(text, team_names, allowed)


def may_be_told(made: Commitment, team_names: Sequence[str], allowed: Sequence[str]) -> bool:
    """Whether a commitment breaks no rule, so that a page with it can leave."""
    return not any(True for text in (made.because, made.role) for _ in _faults(text or "", team_names, allowed))


def _patterns(summary: LearningSummary) -> Iterator[Violation]:
    """Charts say what their icon allows; without a signal there is neither praise nor worry."""
    pattern, kind = summary.pattern, summary.period_kind
    for index, chart in enumerate(pattern.charts):
        place = f"pattern.charts[{index}]"
        special = chart.icon not in {"none", "common_cause"}
        if special != (chart.rule is not None and chart.since is not None):
            yield Violation("icon_without_signal", place)
        expected = wording.CHANNELS_MOVED if chart.icon == "none" else wording.signal_sentence(chart, kind)
        if chart.sentence != expected:
            yield Violation("sentence_not_fixed", place)
        if special and chart.icon.split("_")[0] != _meaning(chart):
            yield Violation("icon_turned_round", place)
        for point in chart.points:
            if point.responses is not None and (point.responses < MINIMUM_RESPONSES or point.responses % 5):
                yield Violation("small_count", place)
            if (point.percent is None) != (point.responses is None):
                yield Violation("small_count", place)
    if (pattern.icon, pattern.sentence) not in _sayings(summary):
        yield Violation("sentence_not_fixed", "pattern.sentence")
    if pattern.charts and not summary.described:
        yield Violation("described_from_few", "pattern")


def _meaning(chart: ThemeChart) -> str:
    better = "high" if chart.tone == "valued" else "low"
    return "improvement" if chart.icon.endswith(better) else "concern"


def _sayings(summary: LearningSummary) -> set[tuple[str, str]]:
    """What the page may say of its charts as a whole, as icon and sentence."""
    charts = summary.pattern.charts
    if not charts:
        return {("none", wording.TOO_FEW)}
    special: set[tuple[str, str]] = {(chart.icon, chart.sentence) for chart in charts if chart.rule is not None}
    if special:
        return special
    if any(chart.icon == "none" for chart in charts):
        return {("none", wording.CHANNELS_MOVED)}
    return {("common_cause", wording.COMMON_CAUSE.format(period=summary.period_kind))}


def _payload(summary: LearningSummary) -> Iterator[Violation]:
    heard = summary.heard
    if heard.responses is not None and (heard.responses < MINIMUM_RESPONSES or heard.responses % 5):
        yield Violation("small_count", "heard.responses")
    if (summary.described or heard.channels) and heard.responses is None:
        yield Violation("described_from_few", "heard")
    if not summary.described and (
        summary.better or summary.questions or (summary.valued and not summary.valued_earlier)
    ):
        yield Violation("described_from_few", "themes")
    if heard.quiet and (heard.responses is None or heard.responses < DEMOGRAPHIC_MINIMUM):
        yield Violation("group_from_few", "heard.quiet")
    if len(summary.valued) + len(summary.better) > THEMES_SHOWN:
        yield Violation("too_many_themes", "themes")
    for place, size in _amounts(summary):
        if not _safe(size):
            yield Violation("small_count", place)
    if _reveals([channel.amount for channel in heard.channels]):
        yield Violation("revealing_cell", "heard.channels")
    if summary.text != rendering.plain(summary) or summary.markdown != rendering.markdown(summary):
        yield Violation("not_from_payload", "text")


def _amounts(summary: LearningSummary) -> Iterator[tuple[str, Amount]]:
    heard = summary.heard
    for name, size in (
        ("heard.age_unknown", heard.age_unknown),
        ("heard.without_words", heard.without_words),
        ("heard.other_language", heard.other_language),
        ("heard.voice_rate", heard.voice_rate),
        *((f"heard.channels[{i}]", channel.amount) for i, channel in enumerate(heard.channels)),
        *((f"valued[{i}]", share.amount) for i, share in enumerate(summary.valued)),
        *((f"better[{i}]", share.amount) for i, share in enumerate(summary.better)),
    ):
        if size is not None:
            yield name, size


def _safe(size: Amount) -> bool:
    if size.size != "share":
        return size.percent is None
    return size.percent is not None and 8 <= size.percent <= 92


def _reveals(sizes: Sequence[Amount | None]) -> bool:
    """Whether shares of some channels would give away the one that is hidden."""
    told = [size for size in sizes if size is not None]
    return bool(told) and (len(told) < len(sizes) or any(size.size in {"few", "some", "most"} for size in told))
