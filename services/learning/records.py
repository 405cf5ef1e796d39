"""What a team recorded of itself: never inferred, never another team's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from services.learning.patterns import Rebase
    from services.learning.voices import Contacts
    from shared.summaries import Commitment


@dataclass(frozen=True, slots=True)
class TeamRecords:
    """A team's own targets, rebases, contacts and commitments; empty where it recorded none.

    Attributes:
        targets: by theme, the share of comments in percent that it aims at for what could be better.
        rebases: where it started a new phase of its charts, and why.
        contacts: by first day of a period, how many had care.
        commitments: what came of what people said, the newest first.
    """

    targets: Mapping[str, float] = field(default_factory=dict)
    rebases: tuple[Rebase, ...] = ()
    contacts: Mapping[date, Contacts] = field(default_factory=dict)
    commitments: tuple[Commitment, ...] = ()


NO_RECORDS = TeamRecords()
