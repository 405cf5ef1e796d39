"""The words of a plain text, found once for the lexicon, the patterns, the gazetteer and the language test."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
"""The same of a text without other letters, in two thirds of the time."""


def words_of(text: str) -> frozenset[str]:
    """The distinct runs of letters with inner apostrophes, in lower case; "don't" is one word."""
    return frozenset((_ASCII_WORD if text.isascii() else _WORD).findall(text.lower()))
