from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.analysis.roles import urgent_roles
from shared.errors import UsageError
from shared.events import About

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
urgent_role: Duty manager
teams:
  - {id: whole, match: [{organisation: Riverside}], urgent_role: "Safeguarding  lead"}
  - {id: ward, match: [{organisation: Riverside, service: Care}]}
"""


@pytest.mark.parametrize(
    ("about", "role"),
    [
        (About(organisation="RIVERSIDE ", service="Other"), "Safeguarding lead"),
        (About(organisation="Riverside", service="care"), "Duty manager"),
        (About(organisation="Elsewhere"), "Duty manager"),
    ],
)
def test_the_role_is_that_of_the_winning_rules_team_else_of_the_catalogue(
    tmp_path: Path, about: About, role: str
) -> None:
    file = tmp_path / "teams.yaml"
    file.write_text(CATALOGUE, encoding="utf-8")

    assert urgent_roles(file)(about, "survey") == role


def test_without_a_catalogue_there_is_no_role() -> None:
    assert urgent_roles(None)(About(organisation="Riverside"), "survey") is None


@pytest.mark.parametrize(
    "content", ["[]", "teams: [7]", "teams: [{match: [{organisation: 7}]}]", "teams: {", "urgent_role: 1"]
)
def test_a_file_of_another_shape_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "teams.yaml"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(UsageError, match="HEED_ALLOW_LIST_FILE"):
        urgent_roles(file)
