"""The page as plain text and as Markdown, both from the payload and from nothing else.

Not more than 300 words, short sentences, words that a twelve-year-old knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.learning import wording
from shared import period_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.summaries import LearningSummary, Quote, ThemeShare

MAX_WORDS = 300

SIGNALS_TOLD = 2
"""Sentences about signals on one page; the charts of all of them are in the payload."""

MARKS = {
    "common_cause": "∿",
    "improvement_high": "↑",
    "concern_high": "↑",
    "neutral_high": "↑",
    "improvement_low": "↓",
    "concern_low": "↓",
    "neutral_low": "↓",
}
"""Icons in plain text: a direction, and never a verdict."""

BOX = "_" * 24


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page.

    Attributes:
        kind: title, subtitle, heading, sentence, bullet, quote, or box (room for the team to write).
    """

    kind: str
    text: str


def plain(summary: LearningSummary) -> str:
    """For a terminal, an e-mail, a printer."""
    out: list[str] = []
    for line in lines(summary):
        if line.kind == "title":
            out.append(line.text)
        elif line.kind == "subtitle":
            out += [line.text, "=" * min(len(line.text), 72)]
        elif line.kind == "heading":
            out += ["", line.text.upper()]
        elif line.kind == "bullet":
            out.append(f"- {line.text}")
        elif line.kind == "quote":
            out.append(f"  “{line.text}”")
        elif line.kind == "box":
            out.append(f"{line.text} {BOX}")
        else:
            out.append(line.text)
    return "\n".join(out) + "\n"


def markdown(summary: LearningSummary) -> str:
    """For a web page or a chat; a quote cannot smuggle in markup."""
    forms = {
        "title": "# {}",
        "subtitle": "**{}**",
        "heading": "## {}",
        "sentence": "{}",
        "bullet": "- {}",
        "quote": "> “{}”",
        "box": "{} " + escaped(BOX),
    }
    out: list[str] = []
    before = ""
    for line in lines(summary):
        if out and not (line.kind == before == "bullet"):
            out.append("")
        out.append(forms[line.kind].format(escaped(line.text)))
        before = line.kind
    return "\n".join(out) + "\n"


def lines(summary: LearningSummary) -> Iterator[Line]:
    """The page, line by line, in the order of learning.md; a team to talk to (its section 6) comes later."""
    yield Line("title", f"{summary.team_name} ({summary.organisation})")
    yield Line("subtitle", f"What patients told us: {period_names.span(summary.period, summary.period_kind)}")
    for name, section in (
        ("heard", _sentences(_heard(summary))),
        ("valued", _valued(summary)),
        ("pattern", _pattern(summary)),
        ("told", _told(summary)),
        ("questions", (Line("bullet", question) for question in summary.questions)),
        ("plans", _plans(summary)),
        ("commitments", _commitments(summary)),
        ("certainty", _sentences(_certainty(summary))),
    ):
        told = list(section)
        if told:
            yield Line("heading", wording.HEADINGS[name])
            yield from told


def _valued(summary: LearningSummary) -> Iterator[Line]:
    if summary.valued_earlier:
        yield Line("sentence", wording.EARLIER_PRAISE.format(period=summary.period_kind))
    yield from _themes(summary.valued, wording.NO_PRAISE.format(period=summary.period_kind))
    yield from _quotes([summary.valued_quote] if summary.valued_quote else [])


def _told(summary: LearningSummary) -> Iterator[Line]:
    if not summary.described:
        return
    # Before the themes: one of the two may be praise, which is no example of what could be better.
    yield from _quotes(summary.told)
    if not summary.quotes:
        yield Line("sentence", wording.NO_QUOTES.format(period=summary.period_kind))
    yield Line("sentence", wording.HEADINGS["better"])
    yield from _themes(summary.better, wording.NOTHING_BETTER.format(period=summary.period_kind))


def _pattern(summary: LearningSummary) -> Iterator[Line]:
    """One fixed sentence, or one for each signal; then what could have moved the charts by itself."""
    kind = summary.period_kind
    signals = [chart for chart in summary.pattern.charts if chart.rule is not None and chart.icon != "none"]
    if not signals:
        mark = MARKS["common_cause"] + " " if summary.pattern.icon == "common_cause" else ""
        yield Line("sentence", mark + summary.pattern.sentence)
    for chart in signals[:SIGNALS_TOLD]:
        yield Line("sentence", f"{MARKS[chart.icon]} {chart.sentence}")
    yield from _sentences(told for chart in summary.pattern.charts if (told := wording.assurance(chart)))
    latest = {step.kind: step for step in summary.pattern.steps}
    yield from _sentences(wording.step(step, kind) for step in latest.values())


def _plans(summary: LearningSummary) -> Iterator[Line]:
    if summary.described:
        yield Line("box", wording.IN_OUR_GIFT)
        yield Line("box", wording.NEEDS_OTHERS)


def _commitments(summary: LearningSummary) -> Iterator[Line]:
    if summary.commitments:
        yield from (Line("bullet", wording.commitment(made)) for made in summary.commitments)
    elif summary.described:
        yield Line("sentence", wording.NO_COMMITMENTS)


def _sentences(texts: Iterable[str]) -> Iterator[Line]:
    yield from (Line("sentence", text) for text in texts)


def _themes(shares: Iterable[ThemeShare], otherwise: str) -> Iterator[Line]:
    bullets = [Line("bullet", f"{share.label}: {wording.amount(share.amount)}") for share in shares]
    yield from bullets or [Line("sentence", otherwise)]


def _quotes(quotes: Iterable[Quote]) -> Iterator[Line]:
    yield from (Line("quote", quote.text) for quote in quotes)


def _heard(summary: LearningSummary) -> Iterator[str]:
    heard = summary.heard
    unknown = [
        f"{wording.of_responses(size)} {clause}"
        for size, clause in (
            (heard.age_unknown, "came without an age"),
            (heard.without_words, "came without words"),
            (heard.other_language, "came in another language"),
        )
        if size is not None and size.size != "none"
    ]
    if unknown:
        yield _capital(_listed(unknown)) + "."
    yield wording.CONTACTS_UNKNOWN if heard.voice_rate is None else wording.of_those_who_had_care(heard.voice_rate)
    if heard.quiet:
        yield wording.QUIET.format(groups=_listed(list(heard.quiet)))
    if heard.responses is None:
        yield wording.FEWER_THAN_MINIMUM.format(minimum=heard.minimum_responses)
    else:
        yield wording.ABOUT_N.format(responses=heard.responses)
        yield f"They came through {_listed(_channels(summary))}."
    if heard.channels_moved and not summary.pattern.steps:
        yield wording.OTHER_WAYS
    if summary.provisional:
        yield wording.STILL_OPEN.format(period=summary.period_kind)
    if not summary.described:
        yield wording.TOO_FEW_TO_DESCRIBE.format(minimum=heard.minimum_responses)


def _channels(summary: LearningSummary) -> list[str]:
    channels = summary.heard.channels
    if len(channels) == 1:
        return [f"{channels[0].label} alone"]
    return [
        channel.label if channel.amount is None else f"{channel.label} ({wording.amount(channel.amount)})"
        for channel in channels
    ]


def _certainty(summary: LearningSummary) -> Iterator[str]:
    yield wording.READ_BY_MACHINE
    if summary.described:
        yield wording.LIMITS
    certainty, kind = summary.certainty, summary.period_kind
    if certainty.points is not None and certainty.icon_wrong_once_in is not None:
        yield wording.CHARTS_REST.format(
            charts=wording.charts(certainty.charts_read),
            points=certainty.points,
            period=kind,
            responses=certainty.responses,
        )
        yield wording.ICON_WRONG.format(once=wording.WRONG_ONCE.format(once_in=certainty.icon_wrong_once_in))
    elif summary.pattern.points_needed is not None:
        yield wording.CHARTS_WAIT.format(points=summary.pattern.points_needed, period=kind)
    if certainty.model_version is not None:
        sentence = wording.SEVERAL_MODELS if certainty.several_models else wording.MODEL
        yield sentence.format(model=certainty.model_version)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", lambda match: _ESCAPES.get(match.group(), "\\" + match.group()), text)


_ESCAPES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
