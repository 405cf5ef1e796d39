"""The words of a plain text, found once for the lexicon, the patterns, the gazetteer and the language test."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def words_in_order(text: str) -> list[str]:
    """Runs of letters with inner apostrophes, in lower case; "don't" is one word."""
    return _WORD.findall(text.lower())


def words_of(text: str) -> frozenset[str]:
    """The distinct words."""
    return frozenset(words_in_order(text))
