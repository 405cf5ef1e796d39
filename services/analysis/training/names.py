"""Invented person names of many origins: Faker's lists, own lists, and names made up letter by letter.

A tenth of each list (by a hash of the name) is held out: the name threshold is chosen on those names only.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.analysis.given_names import WORD_NAMES
from services.analysis.normalised import without_diacritics
from services.analysis.training import word_lists

FAKER_LOCALES = {
    "british": ("en_GB", "en_US", "en"),
    "irish": ("en_IE", "ga_IE"),
    "welsh": (),
    "south_asian": ("en_IN", "en_PK"),
    "arabic": ("fr_DZ",),
    "turkish": ("tr_TR", "az_AZ"),
    "west_african": ("yo_NG", "ig_NG", "ha_NG", "en_NG", "tw_GH"),
    "east_south_african": ("zu_ZA", "sw", "en_KE"),
    "east_asian": ("zh_CN", "zh_TW", "ja_JP", "vi_VN"),
    "south_east_asian": ("id_ID", "en_TH"),
    "east_european": (
        "pl_PL",
        "ro_RO",
        "cs_CZ",
        "sk_SK",
        "hr_HR",
        "lt_LT",
        "lv_LV",
        "hu_HU",
        "et_EE",
        "sl_SI",
        "uz_UZ",
    ),
    "iberian_italian": ("es_ES", "es_MX", "es_AR", "es_CO", "pt_PT", "pt_BR", "it_IT"),
    "western_european": ("fr_FR", "de_DE", "nl_NL", "sv_SE", "da_DK", "no_NO", "fi_FI"),
    "filipino_caribbean": ("es_CO",),
}
"""Faker person providers by origin; names outside the Latin script are dropped."""

WEIGHTS = {"british": 4.0, "south_asian": 2.0, "irish": 1.5, "east_european": 1.5, "east_asian": 1.5, "turkish": 1.2}
"""How often an origin is drawn, against 1 for the others."""

HELD_OUT_SHARE = 10
SHORTEST_LISTED = 3
"""Letters; shorter names are too often something else."""
_LOWER_WORD = re.compile(r"\b[a-z']+\b")
_WORD = re.compile(r"[^\W\d_]+")
INVENTED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Name:
    """One drawn name, as plain words before any casing."""

    first: str
    last: str
    origin: str


@dataclass(slots=True)
class NamePool:
    """Given and family names by origin, without (or only with) the held-out tenth."""

    firsts: dict[str, list[str]] = field(default_factory=dict)
    lasts: dict[str, list[str]] = field(default_factory=dict)
    word_firsts: list[str] = field(default_factory=list)
    word_lasts: list[str] = field(default_factory=list)
    letters: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def draw(self, rng: random.Random) -> Name:
        """A name of a random origin; one in seven is also an English word, a quarter of the rest is made up."""
        if rng.random() < 0.15:
            last = rng.choice(self.word_lasts if rng.random() < 0.4 else self.lasts["british"])
            return Name(rng.choice(self.word_firsts), last, "ambiguous_word")
        origin = rng.choices(list(self.firsts), [WEIGHTS.get(origin, 1.0) for origin in self.firsts])[0]
        first, last = rng.choice(self.firsts[origin]), rng.choice(self.lasts[origin])
        if rng.random() < INVENTED_SHARE:
            first = self._invent(origin, rng) or first
        if rng.random() < INVENTED_SHARE:
            last = self._invent(origin, rng) or last
        if origin == "british" and rng.random() < 0.08:
            last = rng.choice(self.word_lasts)
        if origin in word_lists.PARTICLES and rng.random() < 0.12:
            last = rng.choice(word_lists.PARTICLES[origin]) + last
        return Name(first, last, origin)

    def _invent(self, origin: str, rng: random.Random) -> str | None:
        """A new word with the letter sequences of an origin's names (third-order chain), or None for a poor one."""
        chain = self.letters[origin]
        state, word = "^^^", ""
        while len(word) < 14:
            letter = rng.choice(chain[state])
            if letter == "$":
                break
            word, state = word + letter, state[1:] + letter
        return word.capitalize() if 3 <= len(word) < 14 else None

    def gazetteer(self, texts: Iterable[str]) -> list[str]:
        """Names for the redactor's list: those that no text holds as a word in lower case, nor the trap sentences."""
        fillers = [filler for fillers in word_lists.FILLERS.values() for filler in fillers]
        used = {word for text in texts for word in _LOWER_WORD.findall(text)}
        used.update(word for text in [*fillers, *word_lists.NEGATIVE_SENTENCES] for word in _WORD.findall(text.lower()))
        short = {name for name in self.known_words() if len(name) < SHORTEST_LISTED}
        return sorted(self.known_words() - used - short - WORD_NAMES)

    def known_words(self) -> set[str]:
        """Every listed name word in lower case without diacritics, to tell which evaluation names are unseen."""
        lists = [*self.firsts.values(), *self.lasts.values(), self.word_firsts, self.word_lasts]
        return {
            part.lower()
            for names in lists
            for name in names
            for part in without_diacritics(name).replace("-", " ").split()
        }


def held_out(name: str) -> bool:
    """Whether a name belongs to the tenth that training never sees."""
    digest = hashlib.sha256(without_diacritics(name).lower().encode()).digest()
    return digest[0] % HELD_OUT_SHARE == 0


def load_pool(*, only_held_out: bool = False) -> NamePool:
    """Builds the pool from the installed Faker and the own lists; the same on every machine with the same Faker."""
    pool = NamePool()
    for origin, locales in FAKER_LOCALES.items():
        firsts = set(word_lists.FIRST_NAMES.get(origin, []))
        lasts = {name.replace("_", " ") for name in word_lists.LAST_NAMES.get(origin, [])}
        for locale in locales:
            first, last = _faker_names(locale)
            firsts.update(first)
            lasts.update(last)
        pool.firsts[origin] = _usable(firsts, only_held_out)
        pool.lasts[origin] = _usable(lasts, only_held_out)
        pool.letters[origin] = _letter_chain(pool.firsts[origin] + pool.lasts[origin])
    pool.word_firsts = _usable(set(word_lists.WORD_FIRST_NAMES), only_held_out)
    pool.word_lasts = _usable(set(word_lists.WORD_LAST_NAMES), only_held_out)
    return pool


def _faker_names(locale: str) -> tuple[set[str], set[str]]:
    """Given and family names of one Faker provider, romanised ones included."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider

    def gather(*attributes: str) -> set[str]:
        found: set[str] = set()
        for attribute in attributes:
            values = getattr(provider, attribute, ())
            if not isinstance(values, property):
                found.update(value for value in values if isinstance(value, str))
        return found

    firsts = gather("first_names", "first_names_male", "first_names_female", "first_romanized_names")
    lasts = gather("last_names", "last_names_male", "last_names_female", "last_romanized_names")
    return {_tidy(name) for name in firsts}, {_tidy(name) for name in lasts}


def _tidy(name: str) -> str:
    return name.title() if name.isupper() else name


def _usable(names: set[str], only_held_out: bool) -> list[str]:
    """Names in Latin letters of at least two letters, on the wanted side of the hold-out, in a fixed order."""
    latin = [name for name in names if len(name) > 1 and all(ord(character) < 0x250 for character in name)]
    kept = [name for name in latin if held_out(name) == only_held_out and name not in {"Doe", "John Doe"}]
    return sorted(kept)


def _letter_chain(names: list[str]) -> dict[str, list[str]]:
    """Which letters follow which three, as often as in the list; ^ begins and $ ends a word."""
    chain: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for part in without_diacritics(name).lower().split():
            padded = f"^^^{part}$"
            for at in range(3, len(padded)):
                chain[padded[at - 3 : at]].append(padded[at])
    return dict(chain)


TITLES = ("Dr", "Dr.", "Doctor", "Mr", "Mrs", "Ms", "Miss", "Prof", "Professor", "Mr.", "Mrs.", "Dr", "Sister", "Nurse")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A name as written: the text and the spans of its name words (titles are not part of a name)."""

    text: str
    spans: tuple[tuple[int, int], ...]


def render(name: Name, rng: random.Random) -> Rendered:
    """Writes a name in one of the forms people use, in one of the cases they use, now and then misspelt."""
    form = rng.choices(
        ("first", "full", "title_last", "title_first", "initial_last", "first_initial", "last", "double", "middle"),
        (48, 16, 12, 2, 6, 3, 4, 3, 1),
    )[0]
    first, last = _spell(name.first, rng), _spell(name.last, rng)
    lead = ""
    if form.startswith("title"):
        lead = rng.choice(TITLES) + " "
    body = {
        "first": first,
        "full": f"{first} {last}",
        "title_last": last if rng.random() < 0.8 else f"{first} {last}",
        "title_first": first,
        "initial_last": f"{first[0]}{rng.choice(('', '.', '.'))} {last}",
        "first_initial": f"{first} {last[0]}",
        "last": last,
        "double": f"{first}-{first[0]}{last[1:]}"
        if rng.random() < 0.2
        else f"{first} {last}-{_spell(name.first, rng)}",
        "middle": f"{first} {rng.choice('ABCDEGHJKLMNPRSTW')} {last}",
    }[form]
    style = rng.choices(("normal", "lower", "upper"), (70, 22, 8))[0]
    if style == "lower":
        lead, body = lead.lower() if rng.random() < 0.6 else lead, body.lower()
    elif style == "upper":
        lead, body = lead.upper() if rng.random() < 0.3 else lead, body.upper()
    return Rendered(lead + body, ((len(lead), len(lead) + len(body)),))


def _spell(name: str, rng: random.Random) -> str:
    """Most often without diacritics, sometimes a nickname or a slip of the finger."""
    if rng.random() < 0.7:
        name = without_diacritics(name)
    chance = rng.random()
    if len(name) < 5 or chance > 0.12:
        return name
    if chance < 0.04:
        return name[: rng.choice((3, 4))] + rng.choice(("y", "ie", "s", "", "i"))
    return slip(name, rng)


def slip(word: str, rng: random.Random) -> str:
    """A word of three or more letters as a hurried finger writes it: one letter lost, doubled, swapped, hit beside."""
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(5)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 3:
        return word[:at] + rng.choice(BESIDE.get(word[at].lower(), "e")) + word[at + 1 :]
    return word[:at] + rng.choice("aeinorst") + word[at:]


BESIDE = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnm",
        [
            "wa",
            "qes",
            "wrd",
            "etf",
            "ryg",
            "tuh",
            "yij",
            "uok",
            "ipl",
            "ol",
            "sqz",
            "adw",
            "sfe",
            "dgr",
            "fht",
            "gjy",
            "hku",
            "jli",
            "ko",
            "xas",
            "zcs",
            "xvd",
            "cbf",
            "vng",
            "bmh",
            "nj",
        ],
        strict=True,
    )
)
"""Keys beside each letter on a British keyboard."""
