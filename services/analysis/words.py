"""The words of a plain text, found once for the lexicon, the patterns, the gazetteer and the language test."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def words_of(text: str) -> frozenset[str]:
    """The distinct runs of letters with inner apostrophes, in lower case; "don't" is one word."""
    return frozenset(_WORD.findall(text.lower()))
