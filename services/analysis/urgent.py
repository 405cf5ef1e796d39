"""Which feedback a person should look at today, decided on the raw text before redaction.

A short lexicon, a learnt severity score, and the submitter's age. No claim is made that nothing is missed: the reasons
say why something was flagged, their absence says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path

import yaml

_LEXICON = Path(__file__).parent / "lexicon.yaml"

_NEGATED = re.compile(
    r"\b(?:no|not(?! (?:only|just|merely|simply)\b)|never|without|zero|nor|neither"
    r"|(?:is|was|were|have|has|did|do)n'?t|free (?:of|from)|any risk of|prevent(?:ing|s|ed|ion)?(?: of)?)"
    r"(?: (?:any|a|an|the|been|being|is|was|were|be|ever|felt|feel|feeling|signs?|evidence|kind|sort|form|history|case"
    r"|of|or|and|physical|verbal|sexual|currently|at|all|have|had|\w+ly)){0,4} $"
)
_SERVICE = re.compile(
    r"\w*\s+(?:misuse|prevention|awareness|training|leaflets?|posters?|policy|policies|helpline|support|services?|teams?|groups?"
    r"|course|screening|questions?|hotline)\b"
)


class Lexicon:
    """The phrases of `lexicon.yaml`, compiled once; immutable."""

    def __init__(self) -> None:
        given = yaml.safe_load(_LEXICON.read_text(encoding="utf-8"))
        me = f"(?:{given['me']})"
        someone = f"(?:{given['someone'].replace('{me}', me)})"
        self._entries = tuple(
            (
                f"lexicon:{code}",
                _forms(entry["words"].split()),
                re.compile(_alternatives(entry["phrases"]).replace("{someone}", someone).replace("{me}", me)),
            )
            for code, entry in given["entries"].items()
        )
        self.triggers = frozenset().union(*(triggers for _, triggers, _ in self._entries))
        """A text without any of these words is not looked at further."""

    def reasons(self, text: str, words: Set[str]) -> list[str]:
        """Codes of what the text speaks of, each once, in the lexicon's order.

        Args:
            text: the plain raw text, see `normalised`.
            words: its lower-case words.
        """
        if self.triggers.isdisjoint(words):
            return []
        # An expression that knows one case only skips what cannot begin a match, and takes a third of the time.
        said = text.lower()
        # A phrase may go on in the next line; or a "no" may end the line before.
        said_twice = {said, said.replace("\n", " ")}
        return [
            code
            for code, triggers, expression in self._entries
            if not triggers.isdisjoint(words)
            and any(_stands(match) for said in said_twice for match in expression.finditer(said))
        ]


def _forms(words: list[str]) -> frozenset[str]:
    """The words with their regular endings; a form that no one writes costs nothing."""
    forms = {word + ending for word in words for ending in ("", "s", "es", "d", "ed", "en", "ing")}
    forms |= {word + word[-1] + ending for word in words for ending in ("ed", "ing")}
    return frozenset(forms | {word.removesuffix("e") + "ing" for word in words})


def _alternatives(phrases: list[str]) -> str:
    return rf"\b(?:{'|'.join(phrases)})"


def _stands(match: re.Match[str]) -> bool:
    """Not negated ("no abuse") and not the name of a service ("suicide prevention leaflet")."""
    if _NEGATED.search(match.string, max(0, match.start() - 60), match.start()):
        return False
    return _SERVICE.match(match.string, match.end(), match.end() + 40) is None


def urgent_reasons(
    lexicon: list[str], severity: float, severity_threshold: float, age_band: str | None
) -> tuple[str, ...]:
    """All reasons to ask a person: lexicon codes, `severity` (the top score), `under_16`."""
    reasons = list(lexicon)
    if severity >= severity_threshold:
        reasons.append("severity")
    if age_band == "under_16":
        reasons.append("under_16")
    return tuple(reasons)
