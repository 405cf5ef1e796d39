"""A text as the patterns and the model see it, with the way back to the original's offsets.

Zero-width characters, full-width digits, keycaps, mathematical letters, small capitals, look-alike letters of other
alphabets and runs of blanks must not hide a name or a number. Every span found in the plain text maps to a span of the
original.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_DROPPED = re.compile(
    "[\u0300-\u036f\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20d0-\u20ff\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
"""Marks that draw on the letter before them, and characters that draw nothing."""

_PLAIN = str.maketrans(
    {
        "\u00a0": " ",
        "\u2018": "'",
        "\u2019": "'",
        "\u02bc": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2212": "-",
        "\x91": "'",
        "\x92": "'",
        "\x93": '"',
        "\x94": '"',
        "\x96": "-",
        "\x97": "-",
        **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
    }
)
"""One for one: what word processors and phones put in plain English, also where Windows' characters were taken for
Latin-1, and small capitals."""

_PLAIN_LETTERS = re.compile(
    "[\\t\\n\\r -~\u00a0-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4-\u00b8\u00bb-\u017f"
    "\u2013\u2014\u2018-\u201d\u2026\u20ac]*"
)
"""Texts wholly of these need no offset map but for their blanks."""

_LOOK_ALIKES = dict(
    zip(
        "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁһԛԝӀΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρɑɡɩո",  # noqa: RUF001 - the look-alikes themselves
        "ABESIJKMHOPCTYXaesijopcyxdhqwlABEZHIKMNOPTYXovpagin",
        strict=True,
    )
)
_OTHER_ALPHABET = re.compile("[\u0370-\u052f\u0250-\u02af\u0531-\u058f]")
_LATIN = re.compile("[A-Za-z]")
_GLUED = re.compile(r"(?<=\w)[^\w\s\0-\u20ff]|[^\w\s\0-\u20ff](?=\w)")
"""Emoji and the like that touch a word: the model's tokeniser takes both for one word, which it does not know."""
_WORD = re.compile(r"\w+")
_BLANKS = re.compile(r"[ \t]*+(?:\r\n?|\n)[ \t]*+|[ \t]{2,}|\t")
"""What one character stands for in the plain text: a line break for a line's end, else a blank."""
_LINE_END = frozenset("\r\n")
_WRAPPED = re.compile(r"^([^\n]{49,79}[^\n.!?:;])\n(?=[^\n])", re.MULTILINE)
"""A line that ends amid a sentence as e-mail programs end them, where the next word would be beyond column 65 to 80."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A plain text and, where it differs in length, the original offset of each of its characters."""

    text: str
    original: str
    origins: tuple[int, ...] | None
    """Original offset of each character of `text`; None where offsets are the same."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's half-open span that the non-empty span of `text` came from."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1

    def position(self, at: int) -> int:
        """The original offset at which the plain text's offset `at` lies; its end maps to the original's end."""
        if self.origins is None:
            return at
        return self.origins[at] if at < len(self.origins) else len(self.original)

    def offset(self, original: int) -> int:
        """The plain text's offset of the first character that came from there or from behind it."""
        return original if self.origins is None else bisect_left(self.origins, original)


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """What one character becomes: nothing, itself, or its compatibility form."""
    character = character.translate(_PLAIN)
    if _DROPPED.match(character):
        return ""
    if (digit := unicodedata.digit(character, None)) is not None:
        return str(digit)
    if character.isspace():
        return character if character in "\t\n\r" else " "
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    if category == "Cc":
        return ""
    return _DROPPED.sub("", unicodedata.normalize("NFKC", character))


def normalise(text: str) -> Normalised:
    """Make the plain text. Cost is linear; plain English costs a few scans and mostly keeps its offsets."""
    if _PLAIN_LETTERS.fullmatch(text):
        return _flowing(text if text.isascii() else text.translate(_PLAIN), text, None)
    pieces: list[str] = []
    origins: list[int] = []
    for offset, character in enumerate(text):
        plain = character if "\x1f" < character < "\x7f" else _plain(character)
        pieces.append(plain)
        origins.extend([offset] * len(plain))
    return _flowing(_GLUED.sub(_apart, _without_look_alikes("".join(pieces))), text, origins)


def _flowing(plain: str, original: str, origins: Sequence[int] | None) -> Normalised:
    """One blank for many and for a wrapped line's end, none beside others: the forms need not allow for more."""
    if any(blanks in plain for blanks in ("  ", "\t", "\r", " \n", "\n ")):
        plain, origins = _with_single_blanks(plain, range(len(plain)) if origins is None else origins)
    if "\n" in plain:
        plain = _WRAPPED.sub(r"\1 ", plain)
    return Normalised(plain, original, None if origins is None else tuple(origins))


def _with_single_blanks(plain: str, origins: Sequence[int]) -> tuple[str, list[int]]:
    pieces: list[str] = []
    kept: list[int] = []
    at = 0
    for blanks in _BLANKS.finditer(plain):
        pieces += plain[at : blanks.start()], " " if _LINE_END.isdisjoint(blanks.group()) else "\n"
        kept += origins[at : blanks.start() + 1]
        at = blanks.end()
    return "".join(pieces) + plain[at:], kept + list(origins[at:])


def _apart(match: re.Match[str]) -> str:
    """A blank for a sign; the tokeniser parts punctuation from words itself."""
    return match.group() if unicodedata.category(match.group()).startswith("P") else " "


def _without_look_alikes(text: str) -> str:
    """Read look-alikes as Latin letters, in a mostly Latin text everywhere, else only in words of two alphabets."""
    others = len(_OTHER_ALPHABET.findall(text))
    if not others:
        return text
    everywhere = len(_LATIN.findall(text)) > others

    def read(match: re.Match[str]) -> str:
        word = match.group()
        if everywhere or (_LATIN.search(word) and _OTHER_ALPHABET.search(word)):
            return "".join(_LOOK_ALIKES.get(character, character) for character in word)
        return word

    return _WORD.sub(read, text)


_UNDIVIDED = str.maketrans(
    {"\u0131": "i", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ə": "a", "Ə": "A", "ß": "ss"}
)
"""Letters that Unicode does not divide into a plain one and a mark."""


def without_diacritics(name: str) -> str:
    """A name as most people type it, and as the gazetteer has it."""
    if name.isascii():
        return name
    split = unicodedata.normalize("NFD", name.translate(_UNDIVIDED))
    return "".join(character for character in split if not unicodedata.combining(character))


_UNSTORABLE = re.compile("[\\x00-\\x08\\x0e-\\x1b\\x7f]")
_UNSTORABLE_BLANK = re.compile("[\\x0b\\x0c\\x1c-\\x1f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text without control characters and lone surrogates, which PostgreSQL and UTF-8 refuse."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _UNSTORABLE_BLANK.sub(" ", _UNSTORABLE.sub("", text)))
