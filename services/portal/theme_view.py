"""A digest as its template shows it: the words that the learning service chose, laid out. Pure; see decision 16."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from services.portal.page_text import Block
from shared import period_names

if TYPE_CHECKING:
    from shared.digests import ThemeDigest


@dataclass(frozen=True, slots=True)
class DigestView:
    """A digest, ready for its template.

    Attributes:
        told: sentences one by one, and bullets that belong together.
    """

    period_name: str
    provisional: bool
    minimum_teams: int
    told: tuple[Block, ...]
    questions: tuple[str, ...]


def digest_view(digest: ThemeDigest) -> DigestView:
    """Lay a digest out; every number comes from the payload."""
    return DigestView(
        period_name=period_names.span(digest.period, digest.period_kind),
        provisional=digest.provisional,
        minimum_teams=digest.minimum_teams,
        told=tuple(_told(digest.text)),
        questions=digest.questions,
    )


def _told(text: str) -> list[Block]:
    """What stands between the title and the questions of a digest's text, which empty lines part."""
    _, _, rest = text.partition("\n\n")
    found: list[Block] = []
    for is_bullet, lines in groupby(rest.partition("\n\n")[0].splitlines(), key=lambda line: line.startswith("- ")):
        if is_bullet:
            found.append(Block("bullet", tuple(_sentence(line[2:]) for line in lines)))
        else:
            found += [Block("sentence", (line,)) for line in lines]
    return found


def _sentence(bullet: str) -> str:
    return bullet[:1].upper() + bullet[1:]
