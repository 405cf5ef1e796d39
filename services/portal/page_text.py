"""A page's words, section by section, taken apart from the Markdown that the page carries.

The learning service chose and checked these words; the portal lays them out and adds none. See decision 16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from itertools import groupby
from typing import Literal

Kind = Literal["sentence", "bullet", "quote", "box"]

PATTERN = "What the pattern says"
COMMITMENTS = "You said, together we did"
FLOWING = frozenset({"Who we heard, and who we didn't", "How sure are we?"})
"""Sections whose sentences read on as one paragraph."""

MARKS = "∿↑↓"
"""Icons in plain text, before a sentence about a chart."""

_BOX = re.compile(r"\s*_{8,}$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page; a box is room for the team to write."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together: all bullets of a list, all sentences of a paragraph, or one line."""

    kind: Kind
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    lines: tuple[Line, ...]

    @property
    def slug(self) -> str:
        """The heading as an id within the page."""
        return re.sub(r"[^a-z]+", "-", self.heading.lower()).strip("-")

    @property
    def blocks(self) -> list[Block]:
        """What stands under the heading, for the eye."""
        flows = self.heading in FLOWING
        found = []
        for kind, lines in groupby(self.lines, key=lambda line: line.kind):
            texts = [line.text for line in lines]
            if kind == "bullet":
                found.append(Block(kind, tuple(texts)))
            elif kind == "sentence" and flows:
                found.append(Block(kind, (" ".join(texts),)))
            else:
                found += [Block(kind, (text,)) for text in texts]
        return found


def sections(markdown: str) -> tuple[Section, ...]:
    """The sections of a page's Markdown, in its order; title and subtitle stand before the first and are left out."""
    found: list[tuple[str, list[Line]]] = []
    for raw in markdown.splitlines():
        if raw.startswith("## "):
            found.append((_plain(raw[3:]), []))
        elif raw.strip() and found:
            found[-1][1].append(_line(raw))
    return tuple(Section(heading, tuple(lines)) for heading, lines in found)


def without_mark(text: str) -> str:
    """A sentence about a chart without its icon in plain text."""
    return text.lstrip(MARKS).lstrip()


def _line(raw: str) -> Line:
    if raw.startswith("- "):
        return Line("bullet", _plain(raw[2:]))
    if raw.startswith("> "):
        return Line("quote", _plain(raw[2:]).strip("“”"))
    text = _plain(raw)
    return Line("box", _BOX.sub("", text)) if _BOX.search(text) else Line("sentence", text)


def _plain(escaped: str) -> str:
    return unescape(re.sub(r"\\(.)", r"\1", escaped))
