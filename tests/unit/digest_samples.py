"""Digests as the learning service writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from services.learning.digests import digest
from shared.themes import SLUGS

if TYPE_CHECKING:
    from services.learning.readings import Measure
    from shared.digests import ThemeDigest

WAITING = "timeliness-of-care"
PARKING = "parking"
MAY = date(2026, 5, 1)
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)


def theme_digest(slug: str = WAITING, period: date = MAY, revision: int = 1, **fields: Any) -> ThemeDigest:
    """Three teams' digest: of 150 comments 50 raise the theme, and all of them say that it could be better.

    Args:
        slug: of the theme.
        period: first day.
        revision: from 1.
        fields: `valued` of those that raise it; `kind`, `provisional` and `generated_at` as in `digest`.
    """
    valued = fields.pop("valued", 0)
    theme = SLUGS[slug]
    counts: dict[str, dict[Measure, int]] = {
        team: {
            ("read", ""): 50,
            ("theme", theme): raised,
            ("theme_positive", theme): valued,
            ("theme_negative", theme): raised - valued,
        }
        for team, raised in (("a", 12), ("b", 20), ("c", 18))
    }
    made = digest(slug, period, counts, revision=revision, **{"kind": "month", "generated_at": NOON, **fields})
    assert made is not None
    return made
