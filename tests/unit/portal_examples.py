"""Pages and a catalogue for tests of the portal."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from services.learning import rendering
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
