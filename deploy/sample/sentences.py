"""Authored sentences by team and theme, and how people write them: typos, lower case, names and numbers."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

Tone = str
PRAISE: Tone = "praise"
CONCERN: Tone = "concern"

NAMED_SHARE = 0.08
"""Share of texts that hold a name, a number or an address to redact."""


@cache
def authored() -> dict[str, Any]:
    """The file of sentences, as it stands."""
    return tomllib.loads(files("deploy.sample").joinpath("sentences.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Voice:
    """What one person writes about one team; every draw comes from `random`."""

    random: Random
    team: str
    """A table of the file of sentences."""

    def sentences(self, *tones: Tone, themes: tuple[str, ...] = ()) -> list[str]:
        """A sentence for each tone, none twice.

        Args:
            tones: praise or concern, in the order in which they are said.
            themes: themes for the first sentences; the others come from any theme but waiting, which only those that
                were asked for it raise, so that its share of comments is what the plan of the sample says.
        """
        said: list[str] = []
        for index, tone in enumerate(tones):
            theme = themes[index] if index < len(themes) else None
            choices = [sentence for sentence in self._choices(tone, theme) if sentence not in said]
            said.append(self.random.choice(choices))
        return said

    def _choices(self, tone: Tone, theme: str | None) -> list[str]:
        tables = (authored()[self.team], authored()["any"])
        if theme:
            return [sentence for table in tables for sentence in table.get(theme, {}).get(tone, [])]
        # A team's own matters come up more often than what could be said of any team.
        own, general = ([s for name in table if name != "waiting" for s in table[name][tone]] for table in tables)
        return own if self.random.random() < 0.6 else general

    def typed(self, text: str) -> str:
        """The text as somebody might type it: some typos, some without capitals, some shouted."""
        draw = self.random.random()
        if draw < 0.10:
            return self._mistyped(text)
        if draw < 0.17:
            return text.lower().rstrip(".")
        if draw < 0.19:
            return text.upper()
        return text + "!!" if draw < 0.21 else text

    def _mistyped(self, text: str) -> str:
        words = text.split(" ")
        places = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
        if not places:
            return text
        place = self.random.choice(places)
        word = words[place]
        at = self.random.randrange(1, len(word) - 2)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[place] = self.random.choice([swapped, word[:at] + word[at + 1 :]])
        return " ".join(words)

    def identifying(self, tone: Tone) -> str:
        """A sentence with an invented name, telephone number, NHS number or address in it."""
        text: str = self.random.choice(authored()["identifying"][tone])
        while "{first}" in text:
            text = text.replace("{first}", self._name("first"), 1)
        surname = self._name("surname")
        email = f"{self._name('first')}.{surname}@example.org".lower()
        return text.format(surname=surname, email=email, phone=self._phone(), nhs=self._nhs_number())

    def _name(self, part: str) -> str:
        return str(self.random.choice(authored()["names"][part]))

    def _phone(self) -> str:
        """From the ranges that Ofcom keeps for drama."""
        return self.random.choice(["07700 900", "01632 960"]) + f"{self.random.randrange(1000):03d}"

    def _nhs_number(self) -> str:
        """From the range 999 000 0000 up, which is kept for tests, with its check digit (mod 11)."""
        while True:
            digits = f"999{self.random.randrange(1_000_000):06d}"
            check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
            if check != 10:
                digits += str(check % 11)
                return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
