"""Cuts what was said into stretches that fit the model's window, and puts their readings together again.

A text that fits is one segment. A longer one is cut at ends of sentences, else between words, else anywhere. The cues
of a transcript are read as one running text, so that a name or a sentence broken across cues is seen whole; each
segment keeps the time of the first and last cue it touches. What was spoken is read a second time sentence by sentence:
nobody finds a theme in a film by a window of forty seconds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_TITLE = r"(?<!\bdr)(?<!\bmr)(?<!\bmrs)(?<!\bms)(?<!\bprof)(?<!\bst)"
_SENTENCE_END = re.compile(rf"{_TITLE}(?<![.!?…])[.!?…]++[\"')\]]*+\s+|\n\s*", re.IGNORECASE)
"""Not the stop of a title, which would part "Dr." from the name."""
_STOPS = (".", "!", "?", "…")
_LINE_END = re.compile(r"[\r\n]")
"""In a caption, where there was no more room."""
_WIDEST = 3
"""Tokens that one character can become at most: a Korean syllable falls apart into three."""

FEWEST_WORDS = 5
"""Of a sentence that is read by itself: "Yes. No." says nothing without its neighbours."""

MOST_WORDS = 22
"""Of cues that are read together; what is longer is not quoted."""

MOST_SENTENCES = 1_000
"""Of one recording, so that its event stays far below Kafka's mebibyte."""

Offsets = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Cue:
    """What was said between two moments of a recording."""

    start_seconds: float
    end_seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text and the cues that follow it, as one running text with the times of its parts."""

    text: str
    cues: tuple[Cue, ...]
    starts: tuple[int, ...]
    """Offset of each cue in `text`."""

    @classmethod
    def of(cls, text: str, cues: Sequence[Cue]) -> Spoken:
        """Run them together: cues by single spaces, after the text and an empty line."""
        if not cues:
            return cls(text, (), ())
        parts = [f"{text}\n\n"] if text else []
        at = len(parts[0]) if parts else 0
        starts = []
        for cue in cues:
            starts.append(at)
            parts.append(f"{_LINE_END.sub(' ', cue.text)} ")
            at += len(cue.text) + 1
        return cls("".join(parts), tuple(cues), tuple(starts))

    def times(self, start: int, end: int) -> tuple[float | None, float | None]:
        """Seconds from the first to the last cue that the stretch touches; None where it touches none."""
        if not self.cues or end <= self.starts[0]:
            return None, None
        first = max(0, bisect_right(self.starts, start) - 1)
        last = max(first, bisect_right(self.starts, end - 1) - 1)
        return self.cues[first].start_seconds, max(cue.end_seconds for cue in self.cues[first : last + 1])


def cut(text: str, room: int, offsets: Offsets) -> list[tuple[int, int]]:
    """Half-open stretches of at most `room` tokens that together are the text; white space alone gives none.

    Args:
        text: the plain text.
        room: tokens that fit in the window beside the prefix.
        offsets: the tokeniser's character span of each token of a text.
    """
    if not text or text.isspace():
        return []
    if len(text) * (1 if text.isascii() else _WIDEST) <= room:
        return [(0, len(text))]
    tokens = offsets(text)
    if len(tokens) <= room:
        return [(0, len(text))]
    ends = _ends(text, tokens, room)
    return [(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True) if not text[start:end].isspace()]


def _ends(text: str, tokens: Sequence[tuple[int, int]], room: int) -> list[int]:
    """Greedy: each stretch ends at its last sentence end, else its last space, else after its last token that fits."""
    sentences = [match.end() for match in _SENTENCE_END.finditer(text)]
    token_starts = [start for start, _ in tokens]
    ends: list[int] = []
    first = 0
    while len(tokens) - first > room:
        begin, limit = token_starts[first], token_starts[first + room]
        at = bisect_right(sentences, limit) - 1
        end = sentences[at] if at >= 0 and sentences[at] > begin else text.rfind(" ", begin, limit) + 1
        if end <= begin:
            # A word cut in two may fall into more tokens than the whole did: half the window leaves room for them.
            end = max(begin + 1, token_starts[first + room // 2])
        ends.append(end)
        first = max(first + 1, bisect_right(token_starts, end - 1))
    return [*ends, len(text)]


def seams(text: str, pieces: Sequence[tuple[int, int]], reach: int) -> list[tuple[int, int]]:
    """Half-open stretches of whole words around each cut amid a sentence: a name there lacks what stood beside it.

    Args:
        text: the plain text.
        pieces: of it, in order.
        reach: characters at most on either side of a cut.
    """
    found = []
    for (start, at), (begin, end) in pairwise(pieces):
        if not text[start:at].rstrip().endswith(_STOPS):
            first = text.find(" ", max(start, at - reach), at - 1) + 1
            last = text.rfind(" ", begin, min(end, begin + reach))
            if first and last > begin:
                found.append((first, last))
    return found


def sentences(text: str, pieces: Sequence[tuple[int, int]], cues: Sequence[int]) -> list[tuple[int, int]]:
    """Half-open stretches that are the pieces, cut at ends of sentences; captions without any are cut between cues.

    Args:
        text: the plain text.
        pieces: that fit in the window each.
        cues: offset of each cue in the text.

    Returns:
        At least `FEWEST_WORDS` each where sentences allow it, and up to `MOST_WORDS` where cues do; none where they
        would be more than `MOST_SENTENCES`.
    """
    found: list[tuple[int, int]] = []
    for start, end in pieces:
        ends = {end, *(match.end() for match in _SENTENCE_END.finditer(text, start, end))}
        at = last = start
        for mark in sorted(mark for mark in ends.union(cues) if start < mark <= end):
            if at < last and _words(text, at, mark) > MOST_WORDS:
                found.append((at, last))
                at = last
            if mark == end or (mark in ends and _words(text, at, mark) >= FEWEST_WORDS):
                found.append((at, mark))
                at = mark
            last = mark
    found = [(first, last) for first, last in found if not text[first:last].isspace()]
    return found if len(found) <= MOST_SENTENCES else []


def _words(text: str, start: int, end: int) -> int:
    return len(text[start:end].split())


def weighted_mean(probabilities: Sequence[Sequence[float]], lengths: Sequence[int]) -> list[float]:
    """The whole's sentiment: each segment counts by its characters, as a reader would be told more by more words."""
    total = sum(lengths)
    return [
        sum(values[index] * length for values, length in zip(probabilities, lengths, strict=True)) / total
        for index in range(len(probabilities[0]))
    ]
