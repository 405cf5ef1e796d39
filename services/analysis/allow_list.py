"""What stands where names stand and is no person's: illnesses, medicines, peoples, towns, firms, wards and sites.

`allow_list.yaml` holds for every deployment; wards and sites of one deployment come beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from services.analysis.normalised import normalise

_COMMON = Path(__file__).parent / "allow_list.yaml"
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class _Common:
    """`allow_list.yaml`, in lower case."""

    words: frozenset[str]
    phrases: Mapping[str, re.Pattern[str]]
    """By each of their words, without a last "s"."""


class AllowList:
    """Words and phrases that are spared; immutable, so any thread may use it."""

    def __init__(self, own: Iterable[str] = (), *, common: bool = True) -> None:
        """Compile the deployment's list.

        Args:
            own: ward and site names, in any case.
            common: whether `allow_list.yaml` holds as well.
        """
        entries = {normalise(entry.strip()).text for entry in own if entry.strip()}
        spoken = [re.escape(entry).replace(r"\ ", r"\s+") for entry in sorted(entries, key=len, reverse=True)]
        self._own = _any_of(spoken) if spoken else None
        self._common = _common() if common else None

    def holds(self, text: str, start: int, end: int) -> bool:
        """Whether the word between two offsets of a plain text is on the common list, in any case."""
        if self._common is None:
            return False
        word = text[start:end].lower()
        forms = (word, word.removesuffix("s"), word + text[end : end + 2].lower())
        return not self._common.words.isdisjoint(forms)

    def phrases(self, text: str, suspects: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """Where the deployment's entries stand in a plain text, and common phrases with a word at `suspects`."""
        expressions = [self._own] if self._own else []
        if self._common is not None:
            said = {part.lower().removesuffix("s") for at in suspects for part in _LETTERS.findall(text, *at)}
            expressions += [self._common.phrases[word] for word in said & self._common.phrases.keys()]
        return {match.span() for expression in expressions for match in expression.finditer(text)}


@cache
def _common() -> _Common:
    given = yaml.safe_load(_COMMON.read_text(encoding="utf-8"))
    phrases = [phrase.strip() for part in given["phrases"].values() for phrase in part.split(",")]
    expressions = [(phrase, _spoken(phrase)) for phrase in sorted(phrases, key=len, reverse=True)]
    for follows, people in given["eponyms"].items():
        expressions += [(person, rf"{_spoken(person)}(?:'s|s'?)?[ -]{re.escape(follows)}") for person in people.split()]
    by_word: dict[str, list[str]] = {}
    for phrase, expression in expressions:
        for word in {word.removesuffix("s") for word in _LETTERS.findall(phrase)}:
            by_word.setdefault(word, []).append(f"{expression}s?")
    return _Common(
        frozenset(word for part in given["words"].values() for word in part.split()),
        {word: _any_of(holding) for word, holding in by_word.items()},
    )


def _spoken(phrase: str) -> str:
    """An expression for a phrase, with blanks or hyphens between its words."""
    return "[ -]+".join(re.escape(word) for word in re.split("[ -]", phrase))


def _any_of(expressions: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(expressions)})(?!\w)", re.IGNORECASE)
