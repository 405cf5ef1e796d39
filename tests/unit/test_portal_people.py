"""Who may see what, by what they were let in with and by the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sign_in import everything
from services.learning.catalogue import read as read_catalogue
from services.portal.directory import Directory, Member, Team, read
from services.portal.people import Grant, person
from shared.errors import UsageError
from tests.unit.portal_examples import CATALOGUE, DESK, OTHER, TEAM

IDS = st.sets(st.sampled_from([TEAM, OTHER, "third"])).map(frozenset)
ROLES = st.sets(st.sampled_from([DESK, "steward"])).map(frozenset)


@given(IDS, ROLES, IDS, ROLES)
def test_a_person_sees_the_teams_of_either_source_and_a_steward_all(
    told: frozenset[str], roles: frozenset[str], kept: frozenset[str], more: frozenset[str]
) -> None:
    teams = tuple(Team(id=each, name=each, organisation="O") for each in (TEAM, OTHER, "third"))
    directory = Directory(teams=teams, members=(Member(who="Sam@x.org", teams=kept, roles=more),))
    found = person(Grant("sam@X.org", told, roles), directory, "token")
    for each in (TEAM, OTHER, "third"):
        assert found.may_see(each) == (each in told | kept or "steward" in roles | more)
    assert found.sees_urgent == bool(roles | more)


def test_who_tries_the_trial_out_may_do_all_that_anybody_may() -> None:
    path = Path(__file__).parents[2] / "deploy" / "catalogue" / "sample.yaml"
    directory = read(path)
    found = person(everything(read_catalogue(path)), directory, "token")
    assert found.teams == {team.id for team in directory.teams}
    assert found.is_steward
    assert found.roles >= directory.urgent_roles


def test_the_catalogue_of_the_learning_service_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    directory = read(path)
    assert [team.id for team in directory.teams] == [TEAM, OTHER]
    assert directory.member("SAM@example.org").teams == {OTHER}
    assert directory.member("kim@example.org").teams == frozenset()
    assert directory.urgent_roles == {DESK, "Patient safety desk"}
    assert read(Path(__file__).parents[2] / "deploy" / "catalogue" / "sample.yaml").teams


@pytest.mark.parametrize("content", ["teams: [", "[]", "teams: [{id: a}]", "members: [{}]\nteams: []"])
def test_a_catalogue_that_cannot_be_read_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_a_catalogue_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="HEED_CATALOGUE"):
        read(tmp_path / "none.yaml")
