"""What stands where names stand and is no person's: illnesses, medicines, peoples, towns, firms, wards and sites.

`allow_list.yaml` holds for every deployment; wards and sites of one deployment come beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
    phrases: re.Pattern[str]
    triggers: frozenset[str]
    """A phrase holds one of these, without a last "s"."""


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

    def phrases(self, text: str, suspects: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Where the deployment's entries stand in a plain text, and common phrases with a word at `suspects`."""
        if self._own is not None:
            yield from (match.span() for match in self._own.finditer(text))
        if self._common is not None:
            said = {part.lower().removesuffix("s") for at in suspects for part in _LETTERS.findall(text, *at)}
            if not self._common.triggers.isdisjoint(said):
                yield from (match.span() for match in self._common.phrases.finditer(text))


@cache
def _common() -> _Common:
    given = yaml.safe_load(_COMMON.read_text(encoding="utf-8"))
    phrases = [phrase.strip() for part in given["phrases"].values() for phrase in part.split(",")]
    expressions = [_spoken(phrase) for phrase in sorted(phrases, key=len, reverse=True)]
    for follows, people in given["eponyms"].items():
        named = "|".join(_spoken(name) for name in people.split())
        expressions.append(rf"(?:{named})(?:'s|s'?)?[ -]{re.escape(follows)}")
        phrases.append(people)
    return _Common(
        frozenset(word for part in given["words"].values() for word in part.split()),
        _any_of([rf"(?:{'|'.join(expressions)})s?"]),
        frozenset(word.removesuffix("s") for phrase in phrases for word in _LETTERS.findall(phrase)),
    )


def _spoken(phrase: str) -> str:
    """An expression for a phrase, with blanks or hyphens between its words."""
    return "[ -]+".join(re.escape(word) for word in re.split("[ -]", phrase))


def _any_of(expressions: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(expressions)})(?!\w)", re.IGNORECASE)
