"""What a reader of files hands on: for every row either a submission or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
"""What the gateway takes at `POST /v1/feedback`."""

Note = Callable[[str], None]
"""Takes one plain line about the file as a whole; never a patient's words."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A row that became a submission.

    Attributes:
        line: physical line of the file, from 1, on which the row starts.
        body: JSON for the gateway.
    """

    line: int
    body: Body


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that did not.

    Attributes:
        line: physical line of the file, from 1, on which the row starts.
        reason: a code in snake_case, safe to print and to count by; never a patient's words.
    """

    line: int
    reason: str


Row = Submission | Refused
Rows = Iterator[Row]


def silent(note: str) -> None:
    """A `Note` for callers that want none."""
