"""The page as plain text and as Markdown, both from the payload and from nothing else.

Not more than 300 words, short sentences, words that a twelve-year-old knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.learning import wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.summaries import LearningSummary, Quote, ThemeShare

MAX_WORDS = 300


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page.

    Attributes:
        kind: title, subtitle, heading, sentence, bullet or quote.
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
    """The page, line by line, in the order of learning.md."""
    yield Line("title", f"{summary.team_name} ({summary.organisation})")
    yield Line("subtitle", f"What patients told us: {wording.month(summary.period)}")
    yield Line("heading", wording.HEADINGS["heard"])
    yield from _sentences(_heard(summary))
    if summary.described:
        yield Line("heading", wording.HEADINGS["valued"])
        yield from _themes(summary.valued, wording.NO_PRAISE)
        yield from _quotes([summary.valued_quote] if summary.valued_quote else [])
    yield Line("heading", wording.HEADINGS["pattern"])
    yield Line("sentence", summary.pattern.sentence)
    if summary.described:
        yield Line("heading", wording.HEADINGS["told"])
        yield from _quotes(summary.told)
        if not summary.quotes:
            yield Line("sentence", wording.NO_QUOTES)
        yield Line("sentence", wording.HEADINGS["better"])
        yield from _themes(summary.better, wording.NOTHING_BETTER)
        yield Line("heading", wording.HEADINGS["questions"])
        yield from (Line("bullet", question) for question in summary.questions)
    yield Line("heading", wording.HEADINGS["certainty"])
    yield from _sentences(_certainty(summary))


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
    yield wording.CONTACTS_UNKNOWN
    if heard.responses is None:
        yield wording.FEWER_THAN_MINIMUM.format(minimum=heard.minimum_responses)
    else:
        yield wording.ABOUT_N.format(responses=heard.responses)
        yield f"They came through {_listed(_channels(summary))}."
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
    certainty = summary.certainty
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
