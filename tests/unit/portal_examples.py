"""Pages and a catalogue for tests of the portal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from services.learning import rendering
from shared.events import CorrectedTheme, feedback_id
from shared.held import SummaryHeld
from shared.sources import PageSources, QuoteSource
from shared.summaries import LearningSummary

GOLDEN = Path(__file__).parents[1] / "contract" / "golden" / "heed.learning.summary.v1.json"

TEAM, OTHER = "riverside-emergency", "harbour-maternity"
MAY = date(2026, 5, 1)

DESK = "Safeguarding lead, Riverside Hospitals"

CATALOGUE = """
urgent_role: Patient safety desk
teams:
  - id: riverside-emergency
    name: Riverside emergency department team
    organisation: Riverside Hospitals
    match: [{organisation: Riverside Hospitals, service: Emergency department}]
    urgent_role: Safeguarding lead, Riverside Hospitals
  - id: harbour-maternity
    name: Harbour maternity team
    organisation: Riverside Hospitals
    match: [{organisation: Riverside Hospitals, service: Maternity}]
members:
  - {who: Sam@Example.org, teams: [harbour-maternity], roles: []}
"""


def page(team: str = TEAM, period: date = MAY, revision: int = 1, **fields: Any) -> LearningSummary:
    """The golden page, rendered, as another team's, of another period or with other content."""
    golden = LearningSummary.model_validate_json(GOLDEN.read_text(encoding="utf-8"))
    given = {"team_id": team, "period": period, "revision": revision, **fields}
    made = LearningSummary.model_validate({**golden.model_dump(), **given})
    return made.model_copy(update={"markdown": rendering.markdown(made), "text": rendering.plain(made)})


def sources_of(summary: LearningSummary, *quotes: QuoteSource) -> PageSources:
    """Sources of this page: those given, for the first quotes, and made-up ones for the others."""
    made = [
        QuoteSource(
            feedback_id=feedback_id("test", f"{summary.key()} {number}"),
            version=1,
            sentiment=2,
            themes=(CorrectedTheme(name=quote.theme, tone="positive"),) if quote.theme else (),
        )
        for number, quote in enumerate(summary.quotes)
    ]
    return PageSources(
        team_id=summary.team_id,
        period=summary.period,
        revision=summary.revision,
        quotes=(*quotes, *made[len(quotes) :]),
        generated_at=summary.generated_at,
    )


def held(team: str = TEAM, revision: int = 1, reasons: tuple[str, ...] = ("name at text line 2",)) -> SummaryHeld:
    """A page of May that is held."""
    return SummaryHeld(
        team_id=team,
        team_name=f"The team {team}",
        period=MAY,
        revision=revision,
        reasons=reasons,
        held_at=datetime(2026, 6, 2, 6, tzinfo=UTC),
    )
