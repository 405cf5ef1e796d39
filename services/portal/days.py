"""Days in addresses."""

from __future__ import annotations

from datetime import date

from fastapi import HTTPException


def day(given: str) -> date:
    """A period from a path.

    Raises:
        HTTPException: 404, it is no day.
    """
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise HTTPException(404) from None
