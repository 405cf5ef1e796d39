"""From a period's counters to its page: pure, and as dear as the number of themes, not of comments.

Small numbers follow privacy.md; the order and the rules of the sections follow learning.md, section 2.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from services.learning import quotes, rendering, wording
from services.learning.catalogue import UNROUTED
from services.learning.questions import choose
from services.learning.themes import words_for
from shared.summaries import (
    MINIMUM_CELL,
    MINIMUM_RESPONSES,
    PATTERN_POINTS,
    Amount,
    Certainty,
    ChannelHeard,
    Heard,
    LearningSummary,
    Pattern,
    Quote,
    ThemeShare,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from services.learning.catalogue import TeamIdentity
    from services.learning.periods import PeriodKind
    from services.learning.quotes import Candidate
    from services.learning.readings import Measure

THEMES_SHOWN = 3
CHANNELS_SHOWN = 4

FEW = 3
"""Voices from which a theme may be told as "a few"; a theme that one or two raise is not told at all."""

DEMOGRAPHIC_MINIMUM = 20
"""Responses from which anything is said about age (privacy.md)."""

POSITIVE, NEGATIVE, ANY = (1, 2), (4, 5), (1, 2, 3, 4, 5)

Counters = dict[str, dict[str, int]]
"""Count by measure and value."""


def counters(counts: Mapping[Measure, int]) -> Counters:
    """The counters of one team and period, by measure; zeros left out."""
    table: Counters = defaultdict(dict)
    for (measure, value), count in counts.items():
        if count > 0:
            table[measure][value] = count
    return dict(table)


def rounded(count: int) -> int | None:
    """A count of responses as it may be told: to the nearest 5, or not at all under 10."""
    return 5 * ((count + 2) // 5) if count >= MINIMUM_RESPONSES else None


def amount(cell: int, whole: int) -> Amount:
    """A share as it may be told: neither it nor its remainder gives a small number away.

    Args:
        cell: how many, 0 to `whole`.
        whole: of how many.
    """
    rest = whole - cell
    if cell == 0:
        return Amount(size="none")
    if rest == 0:
        return Amount(size="all")
    percent = (200 * cell + whole) // (2 * whole)
    if cell < MINIMUM_CELL:
        return Amount(size="few")
    if percent < MINIMUM_CELL:
        return Amount(size="some")
    if rest < MINIMUM_CELL or percent > 100 - MINIMUM_CELL:
        return Amount(size="most")
    return Amount(size="share", percent=percent)


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
) -> LearningSummary:
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
    """
    table = counters(counts)
    described = table.get("read", {}).get("", 0) >= MINIMUM_RESPONSES
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
        "heard": _heard(table),
        "pattern": _pattern(described),
        "certainty": _certainty(table),
        "text": "",
        "markdown": "",
    }
    if described:
        # What no team receives may come from several organisations: their words do not travel between them.
        voices = [] if team.id == UNROUTED else quotes.usable(candidates, team_names, allowed)
        content |= _described(table, voices)
    return _fitted(LearningSummary(**content))


def _fitted(summary: LearningSummary) -> LearningSummary:
    """The page with its texts, and with as many quotes as 300 words have room for."""
    while True:
        text = rendering.plain(summary)
        if len(text.split()) <= rendering.MAX_WORDS or not summary.quotes:
            return summary.model_copy(update={"text": text, "markdown": rendering.markdown(summary)})
        shorter = {"told": summary.told[:-1]} if summary.told else {"valued_quote": None}
        summary = summary.model_copy(update=shorter)


def content_of(summary: LearningSummary) -> dict[str, Any]:
    """What a page says, without when it was said: two revisions that agree in it are the same page."""
    return summary.model_dump(mode="json", exclude={"revision", "generated_at"})


def _described(table: Counters, voices: Sequence[Candidate]) -> dict[str, Any]:
    valued = _themes(table, "theme_positive", valued=True)
    better = _themes(table, "theme_negative", valued=False)
    chosen: list[Candidate] = []
    praise = None
    for theme in (*(share.theme for share in valued), None):
        praise = quotes.pick(voices, chosen, theme=theme, sentiments=POSITIVE)
        if praise is not None:
            chosen.append(praise)
            break
    told = _told(voices, chosen, valued, better)
    return {
        "valued": valued,
        "valued_quote": _quote(praise, valued) if praise else None,
        "better": better,
        "told": tuple(_quote(voice, (*better, *valued)) for voice in told),
        "questions": choose([share.group for share in (*better[:2], *valued[:1], *better[2:], *valued[1:])]),
    }


def _told(
    voices: Sequence[Candidate], taken: list[Candidate], valued: Sequence[ThemeShare], better: Sequence[ThemeShare]
) -> list[Candidate]:
    """At most two: about what could be better, then about what was valued, so that both tones are heard."""
    told: list[Candidate] = []
    wishes: list[tuple[str | None, tuple[int, ...]]] = [
        *((share.theme, NEGATIVE) for share in better),
        *((share.theme, POSITIVE) for share in valued[1:]),
        (None, ANY),
    ]
    for theme, tones in wishes:
        voice = quotes.pick(voices, [*taken, *told], theme=theme, sentiments=tones)
        if voice is not None:
            told.append(voice)
        if len(told) == 2:
            break
    return told


def _quote(voice: Candidate, shares: Iterable[ThemeShare]) -> Quote:
    theme = next((share.theme for share in shares if share.theme in voice.themes), None)
    return Quote(text=voice.text, theme=theme)


def _themes(table: Counters, measure: str, *, valued: bool) -> tuple[ThemeShare, ...]:
    """At most three, by how many raise them in this tone, then by name; specific themes before unspecific ones."""
    read = table["read"][""]
    told = [(theme, count, words_for(theme)) for theme, count in table.get(measure, {}).items() if FEW <= count <= read]
    told.sort(key=lambda item: (not item[2].specific, -item[1], item[0]))
    return tuple(
        ThemeShare(
            theme=theme, label=known.valued if valued else known.better, group=known.group, amount=amount(count, read)
        )
        for theme, count, known in told[:THEMES_SHOWN]
    )


def _heard(table: Counters) -> Heard:
    responses = table.get("responses", {}).get("", 0)
    if responses < MINIMUM_RESPONSES:
        return Heard(responses=None)
    return Heard(
        responses=rounded(responses),
        channels=_channels(table.get("channel", {}), responses),
        age_unknown=amount(table.get("age", {}).get("unknown", 0), responses)
        if responses >= DEMOGRAPHIC_MINIMUM
        else None,
        without_words=amount(table.get("text", {}).get("without", 0), responses),
        other_language=amount(table.get("language", {}).get("other", 0), responses),
    )


def _channels(counts: Mapping[str, int], responses: int) -> tuple[ChannelHeard, ...]:
    """Channels by how much came through them; shares only where none of them gives another's small number away."""
    by_label: dict[str, int] = defaultdict(int)
    for name, count in counts.items():
        by_label[wording.channel(name)] += count
    for label in sorted(by_label, key=lambda label: (-by_label[label], label))[CHANNELS_SHOWN:]:
        by_label[wording.OTHER_CHANNEL] += by_label.pop(label)
    ordered = sorted(by_label.items(), key=lambda item: (item[0] == wording.OTHER_CHANNEL, -item[1], item[0]))
    amounts = {label: amount(count, responses) for label, count in ordered}
    safe = all(size.size in {"share", "all"} for size in amounts.values())
    if not safe:
        # The order would still tell which channel is the small one.
        ordered.sort(key=lambda item: (item[0] == wording.OTHER_CHANNEL, item[0]))
    return tuple(ChannelHeard(label=label, amount=amounts[label] if safe else None) for label, _ in ordered)


def _pattern(described: bool) -> Pattern:
    if not described:
        return Pattern(sentence=wording.TOO_FEW)
    return Pattern(sentence=wording.NO_CHARTS.format(points=PATTERN_POINTS), points_needed=PATTERN_POINTS)


def _certainty(table: Counters) -> Certainty:
    models = table.get("model", {})
    main = min(models, key=lambda model: (-models[model], model), default=None)
    return Certainty(model_version=main, several_models=len(models) > 1)
