"""What is said in a recording, and when: from the cues of captions to the segments of a transcript. Pure."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.media.reasons import Reason, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_CUES = 20_000
"""Of one recording: a word a cue for two hours and a half."""

MOST_SEGMENTS = 2_000
"""Of one transcript, so that its event stays far below Kafka's mebibyte however short they are."""

LONGEST_JOINED = 10.0
"""Seconds of a segment that overlapping cues are joined to; longer ones would hide when something was said."""

LATEST = 86_400.0
"""Seconds; what `TranscriptSegment` takes."""

_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<(?:[a-z/!?]|\d\d:)[^<>]*>|\{\\[^{}]*\}", re.DOTALL | re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words between two moments, in seconds from the start."""

    start: float
    end: float
    text: str


def plain(text: str) -> str:
    """The words alone: without tags, voices, styles, entities and control characters, in one line."""
    text = _CONTROL.sub("", text)
    # Twice: an entity may spell a tag. A `<` that opens nothing stays, as words do.
    for _ in range(2):
        text = html.unescape(_TAG.sub(" ", text))
    return " ".join(_TAG.sub(" ", text).split())


def transcript(cues: Iterable[Cue], room: int) -> tuple[Cue, ...]:
    """Cues as a transcript: in order, without overlaps, at most `MOST_SEGMENTS`.

    Args:
        cues: as they were found; what has no words or no time is left out.
        room: characters that the transcript may have.

    Raises:
        Refused: they are too many, or say too much.
    """
    found = [
        Cue(cue.start, cue.end, words)
        for cue in cues
        if _is_time(cue.start) and _is_time(cue.end) and cue.start <= cue.end and (words := plain(cue.text))
    ]
    if len(found) > MOST_CUES:
        raise Refused(Reason.TOO_MANY_CUES)
    segments = fewer(without_overlaps(sorted(found, key=lambda cue: (cue.start, cue.end))), MOST_SEGMENTS)
    if sum(len(segment.text) for segment in segments) > room:
        raise Refused(Reason.TRANSCRIPT_TOO_LONG)
    return tuple(segments)


def _is_time(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= LATEST


def without_overlaps(cues: Sequence[Cue]) -> list[Cue]:
    """Join cues whose times overlap, as long as that is short; later ones begin where they do, and end the one before.

    Captions that roll up overlap from the first to the last, and repeat each line in the next cue; words said again
    are told once.

    Args:
        cues: in order of their start.
    """
    joined: list[Cue] = []
    for cue in cues:
        if not joined or cue.start >= joined[-1].end:
            joined.append(cue)
            continue
        last = joined.pop()
        news = _news(last.text, cue.text)
        if not news or max(last.end, cue.end) - last.start <= LONGEST_JOINED:
            joined.append(Cue(last.start, max(last.end, cue.end), f"{last.text} {news}".strip()))
        else:
            joined += [Cue(last.start, cue.start, last.text), Cue(cue.start, cue.end, news)]
    return joined


def _news(before: str, after: str) -> str:
    """What the second says that the first did not: without the longest beginning that ends the first, in words."""
    if f" {after} " in f" {before} ":
        return ""
    said, said_next = before.split(" "), after.split(" ")
    for length in range(min(len(said), len(said_next), 100), 0, -1):
        if said[-length:] == said_next[:length]:
            return " ".join(said_next[length:])
    return after


def fewer(cues: Sequence[Cue], most: int) -> list[Cue]:
    """At most so many, by joining equally many neighbours; times keep to what was joined."""
    together = max(1, math.ceil(len(cues) / most))
    return [
        Cue(group[0].start, group[-1].end, " ".join(cue.text for cue in group))
        for group in (cues[at : at + together] for at in range(0, len(cues), together))
    ]
