"""A form about what a team tries: what was written, what is wrong with it, and the event that it becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from shared.commitments import CommitmentRecorded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

STATES = {
    "heard": "Heard",
    "looking": "Looking into it",
    "testing": "Testing a change",
    "changed": "Changed",
    "cannot_change": "Cannot change",
}

LONGEST = 300
"""Characters of a text."""

LONGEST_ROLE = 120

FIRST_DAY = date(1948, 7, 5)

# A cheap net, not a promise: titles before a name, addresses and numbers. The form says in words what does not belong.
_PERSON = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Doctor|Prof|Professor|Sister|Matron)\.?\s+[A-Z][a-z]+|\S@\S+\.\S|(?:\d[ -]?){7,}"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A form as it came, to be shown again or to become an event.

    Attributes:
        problems: by field, one plain sentence each; empty: it can become an event.
    """

    theme: str
    state: str
    text: str
    because: str
    role: str
    since: str
    people_told: bool
    problems: Mapping[str, str]


def read(fields: Mapping[str, str], themes: Mapping[str, str], today: date) -> Written:
    """Read a form.

    Args:
        fields: as they came.
        themes: those that may be answered, by name.
        today: no state begins later.
    """
    text, because, role = (_clean(fields.get(name, "")) for name in ("text", "because", "role"))
    state, theme, since = fields.get("state", ""), fields.get("theme", ""), fields.get("since", "").strip()
    because = because if state == "cannot_change" else ""
    problems = {
        "theme": "" if theme in themes else "Choose what it is about",
        "state": "" if state in STATES else "Choose how far you are",
        "text": _wrong(text, "Write what you do", LONGEST),
        "because": _wrong(because, "Write why it cannot change", LONGEST) if state == "cannot_change" else "",
        "role": _wrong(role, "Write whose role it is", LONGEST_ROLE),
        "since": _wrong_day(since, today),
    }
    return Written(
        theme=theme,
        state=state,
        text=text,
        because=because,
        role=role,
        since=since,
        people_told=fields.get("people_told") == "yes",
        problems={name: problem for name, problem in problems.items() if problem},
    )


def shown(made: CommitmentRecorded) -> Written:
    """What stands, as a form."""
    return Written(
        theme=made.theme,
        state=made.state,
        text=made.text,
        because=made.because or "",
        role=made.role,
        since=made.since.isoformat(),
        people_told=made.people_told,
        problems={},
    )


def blank(today: date, theme: str = "") -> Written:
    """A form that nobody has written in yet."""
    return Written(theme, "", "", "", "", today.isoformat(), people_told=False, problems={})


def event(
    written: Written, numbered: tuple[UUID, int], *, team_id: str, period: date, now: datetime
) -> CommitmentRecorded:
    """What a form without problems becomes."""
    return CommitmentRecorded(
        commitment_id=numbered[0],
        revision=numbered[1],
        team_id=team_id,
        period=period,
        theme=written.theme,
        state=written.state,
        text=written.text,
        because=written.because or None,
        role=written.role,
        people_told=written.people_told,
        since=date.fromisoformat(written.since),
        recorded_at=now,
    )


def number(fields: Mapping[str, str]) -> tuple[UUID, int] | None:
    """Which commitment, and its how-manieth revision; None where the hidden fields are not ours."""
    try:
        commitment_id, revision = UUID(fields["commitment_id"]), int(fields["revision"])
    except (KeyError, ValueError):
        return None
    return (commitment_id, revision) if 1 <= revision <= 1_000_000 else None


def _clean(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _wrong(text: str, missing: str, longest: int) -> str:
    if not text:
        return missing
    if len(text) > longest:
        return f"Use {longest} characters or fewer"
    if _PERSON.search(text):
        return "This looks like a person; write a role instead, never a name, an address or a number"
    return ""


def _wrong_day(since: str, today: date) -> str:
    try:
        given = date.fromisoformat(since)
    except ValueError:
        return "Write the day as year-month-day, such as 2026-04-01"
    if given > today:
        return "Choose today or an earlier day"
    return "" if given >= FIRST_DAY else "Choose a later day"
