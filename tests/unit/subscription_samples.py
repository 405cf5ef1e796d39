"""Pages whose words the tests of subscriptions look for. All words are made up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from shared.summaries import Certainty, Heard, LearningSummary, Pattern, Quote

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
MAY = date(2026, 5, 1)
WORDS = "The nurse explained <every> step & nobody hurried."


def page(team: str = "riverside-emergency", period: date = MAY, revision: int = 1, **fields: Any) -> LearningSummary:
    """A page with a quote."""
    given: dict[str, Any] = {
        "team_id": team,
        "team_name": "Riverside emergency team",
        "organisation": "Riverside Hospitals",
        "period": period,
        "revision": revision,
        "generated_at": NOON,
        "described": True,
        "heard": Heard(responses=25),
        "valued_quote": Quote(text=WORDS),
        "pattern": Pattern(sentence="Too few comments to see a pattern yet. The stories still count."),
        "certainty": Certainty(),
        "text": f"What people valued\n\n“{WORDS}”",
        "markdown": f"## What people valued\n\n> {WORDS}",
    }
    return LearningSummary(**given | fields)
