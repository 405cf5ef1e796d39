"""Who is not heard: voice rate, and groups that are quieter than their share of care (learning.md, section 4). Pure.

Only what people told of themselves is used; nothing is inferred. Contacts are what the team counted itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.learning.patterns import Counts

DEMOGRAPHIC_MINIMUM = 20
"""Responses from which anything is said about groups."""

QUIET = 0.8
"""A group is quiet if even the upper limit of its representation ratio is below this."""

EXPECTED = 8
"""Responses that a group's share of care would make, from which it can be called quiet."""

UNKNOWN_AT_MOST = 0.4
"""Share of responses without the answer, above which there is no ratio."""

_Z = 1.959964
"""Normal quantile of a 95 % interval."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Contacts:
    """How many people had care in a period, as the team counted them.

    Attributes:
        total: None where nobody counted.
        groups: by measure ("age", "role") and value, as in the counters.
    """

    total: int | None = None
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A group's share of responses over its share of contacts, with a 95 % interval on the log scale."""

    value: float
    lower: float
    upper: float
    expected: float

    @property
    def quiet(self) -> bool:
        """Whether the group is surely heard less than its share of care, and by much."""
        return self.upper < QUIET and self.expected >= EXPECTED


def ratio(heard: int, of_heard: int, contacts: int, of_contacts: int) -> Ratio:
    """Representation of a group.

    Args:
        heard: responses of the group.
        of_heard: responses whose group is known, at least 1.
        contacts: contacts of the group, at least 1.
        of_contacts: all contacts, at least `contacts`.
    """
    # Half a response for none: the logarithm of nothing has no interval.
    share = max(heard, 0.5) / of_heard
    care = contacts / of_contacts
    error = math.sqrt(max(1 / max(heard, 0.5) - 1 / of_heard, 0.0) + 1 / contacts - 1 / of_contacts)
    value = share / care
    reach = math.exp(_Z * error)
    return Ratio(value, value / reach, value * reach, of_heard * care)


def quiet_groups(table: Counts, contacts: Contacts) -> list[tuple[str, str]]:
    """Groups, as measure and value, that are heard less than their share of care; none below 20 responses."""
    responses = table.get("responses", {}).get("", 0)
    if responses < DEMOGRAPHIC_MINIMUM:
        return []
    found = []
    for measure, groups in contacts.groups.items():
        heard = table.get(measure, {})
        known = sum(count for value, count in heard.items() if value != UNKNOWN)
        cared = {value: count for value, count in groups.items() if count > 0 and value != UNKNOWN}
        if not known or responses - known > UNKNOWN_AT_MOST * responses:
            continue
        whole = sum(cared.values())
        found += [
            (measure, value)
            for value, count in sorted(cared.items())
            if ratio(heard.get(value, 0), known, count, whole).quiet
        ]
    return found


def voices(table: Counts) -> int:
    """Responses that count towards the voice rate: comments, never social posts or films."""
    return table.get("kind", {}).get("comment", 0)
