"""Plain aligned columns: readable on a terminal of any width, and for grep and awk as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def aligned(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Headings and rows, two spaces between columns, without blanks at the ends of lines."""
    lines = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
