"""What the rules mean that a page can be held for, in one plain sentence each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PERSON = "Something may tell a reader who is meant."
_COUNT = "A number is told that is too small to be told."
_WORDING = "It says something that a page never says: a verdict, a comparison, or what to do."
_OURS = "The page and the numbers behind it do not agree: a fault of Heed's, please report it."

MEANINGS = {
    "name": "There may be a person's name on it.",
    "contact_or_placeholder": "There may be an address or a number of a person on it, or the mark of one taken out.",
    "age": _PERSON,
    "singling_role": "It speaks of a role that one person may hold.",
    "date_and_place": "A day stands beside a place, which may tell who is meant.",
    "team_named": "A quote names a team.",
    "unprintable": "A quote has characters that cannot be printed.",
    "other_team": "It names another team, or a team is called like words that every page has.",
    "small_count": _COUNT,
    "quote_from_few": "It quotes although too few people wrote.",
    "described_from_few": "It describes what too few people wrote.",
    "group_from_few": "It speaks of a group of which too few wrote.",
    "revealing_cell": "One number would give away another that is too small to be told.",
    "ranking": _WORDING,
    "comparison": _WORDING,
    "traffic_light": _WORDING,
    "change_in_figures": _WORDING,
    "judgement": _WORDING,
    "exhortation": _WORDING,
    "invented_cause": "It gives a reason that nobody knows.",
    "invented_action": "It tells of something done that nobody wrote down.",
    "verdict_on_chance": "It speaks of a change where there is only chance.",
    "icon_without_signal": _OURS,
    "icon_turned_round": _OURS,
    "sentence_not_fixed": _OURS,
    "number_not_in_payload": _OURS,
    "not_from_payload": _OURS,
    "quote_repeated": _OURS,
    "too_many_themes": _OURS,
    "too_long": "It is longer than a page may be.",
    "record_too_large": "It is larger than its topic takes.",
    "not_written": "It could not be written: a fault of Heed's or odd data; the log of the learning service has more.",
    "other_period": "It covers another length of time than pages do now, and was taken back. Nothing is to be done.",
}
"""By the rule's code, as `heed summaries --held` shows it."""

UNKNOWN = "A rule that this version of the portal does not know."


def told(reasons: Iterable[str]) -> list[tuple[str, str]]:
    """Each meaning once, in the order given, with the codes and places that it comes from.

    Args:
        reasons: such as `name at text line 12` or `not_written:ValueError at page`.
    """
    found: dict[str, list[str]] = {}
    for reason in reasons:
        rule = reason.partition(" at ")[0].partition(":")[0]
        found.setdefault(MEANINGS.get(rule, UNKNOWN), []).append(reason)
    return [(meaning, ", ".join(given)) for meaning, given in found.items()]
