"""Periods by name, in English whatever the server speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def month(period: date) -> str:
    """As "May 2024"."""
    return f"{MONTHS[period.month - 1]} {period.year}"


def day(moment: date) -> str:
    """As "8 June 2026"."""
    return f"{moment.day} {month(moment)}"


def span(period: date, kind: str) -> str:
    """A period by its first day: "May 2024", "the week of 8 June 2026", "April to June 2026"."""
    if kind == "week":
        return f"the week of {day(period)}"
    if kind == "quarter":
        return f"{MONTHS[period.month - 1]} to {MONTHS[(period.month + 1) % 12]} {period.year}"
    return month(period)
