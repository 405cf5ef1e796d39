"""Numbers as they may be told (privacy.md, "Small numbers"): never a count of 1 to 7, nor a remainder of so few."""

from __future__ import annotations

from shared.summaries import MINIMUM_CELL, MINIMUM_RESPONSES, Amount


def rounded(count: int) -> int | None:
    """A count of responses as it may be told: to the nearest 5, or not at all under 10."""
    return 5 * ((count + 2) // 5) if count >= MINIMUM_RESPONSES else None


def amount(cell: int, whole: int) -> Amount:
    """A share as it may be told: neither it nor its remainder gives a small number away.

    Args:
        cell: how many, 0 to `whole`.
        whole: of how many.
    """
    rest = whole - cell
    if cell == 0:
        return Amount(size="none")
    if rest == 0:
        return Amount(size="all")
    percent = (200 * cell + whole) // (2 * whole)
    if cell < MINIMUM_CELL:
        return Amount(size="few")
    if percent < MINIMUM_CELL:
        return Amount(size="some")
    if rest < MINIMUM_CELL or percent > 100 - MINIMUM_CELL:
        return Amount(size="most")
    return Amount(size="share", percent=percent)


def percent(share: float) -> int:
    """A share of 0 to 1 in whole percent, halves upwards."""
    return int(100 * share + 0.5)
