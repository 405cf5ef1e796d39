from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.learning.catalogue import UNROUTED, Care, Catalogue, CatalogueError, identity, parse, read, warnings
from tests.unit.learning_samples import CATALOGUE, teams

ONE = "teams: [{id: a, name: A, organisation: O, match: [{organisation: O}]}]"
SAMPLE = Path(__file__).parents[2] / "deploy" / "catalogue" / "sample.yaml"


def problem(content: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        parse(content, "teams.yaml")
    return str(caught.value)


def team(**fields: str) -> str:
    given = {"id": "a", "name": "A", "organisation": "O", "match": "[{organisation: O}]", **fields}
    return "teams: [{" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}]"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "teams: [{id: a, name: A, organisation: O, match: [{servcie: S}]}]",
            "teams.yaml: teams[0].match[0].servcie: unknown field; did you mean 'service'?",
        ),
        (team(colour="blue"), "teams.yaml: teams[0].colour: unknown field; remove it or use one of id, name,"),
        (ONE + "\nteam: []", "teams.yaml: team: unknown field; did you mean 'teams'?"),
        (ONE + "\nmembers: [{who: x, team: [a]}]", "teams.yaml: members[0].team: unknown field; did you mean 'teams'?"),
        (ONE + "\nmembers: [{who: x, teams: [b]}]", "teams.yaml: members[0].teams: 'b' is no team of this file; "),
        ("teams: [{id: a, organisation: O, match: [{organisation: O}]}]", "teams.yaml: teams[0].name: missing; add it"),
        (team(match="[]"), "teams.yaml: teams[0].match: empty; add at least one"),
        (team(match="[{}]"), "teams.yaml: teams[0].match[0]: empty; name at least one of organisation, service,"),
        (team(match="O"), "teams.yaml: teams[0].match: must be a list; start its lines with `-` or use [ ]"),
        (team(match="[O]"), "teams.yaml: teams[0].match[0]: must be a mapping; write its lines as `name: value`"),
        (team(match="[{service: 111}]"), "teams.yaml: teams[0].match[0].service: must be text; put it in quotes"),
        (team(match='[{service: "  "}]'), "teams.yaml: teams[0].match[0].service: empty; write a name"),
        (team(name='"A\\u202eB"'), "teams.yaml: teams[0].name: holds control or invisible characters; write it as"),
        (team(id="Ward-A"), "teams.yaml: teams[0].id: not usable in a topic's name; use 1 to 63 of a-z, 0-9 and -"),
        (team(id="-a"), "teams.yaml: teams[0].id: not usable in a topic's name"),
        (team(id="a" * 64), "teams.yaml: teams[0].id: not usable in a topic's name"),
        (team(id="unrouted"), "teams.yaml: teams[0].id: 'unrouted' is kept for feedback without a team; choose"),
        ("teams: []", "teams.yaml: teams: empty; add at least one"),
        ("- a", "teams.yaml: top level: must be a mapping; start it with `teams:`"),
        ("", "teams.yaml: top level: must be a mapping; start it with `teams:`"),
        ("teams: [", "teams.yaml: line 1: "),
        ("teams: []\nteams: []", "teams.yaml: line 2: the key 'teams' occurs twice; correct the YAML there"),
        ("teams: !!python/object:os.system {}", "teams.yaml: line 1: could not determine a constructor"),
    ],
)
def test_each_fault_is_told_with_its_place_and_a_remedy(content: str, told: str) -> None:
    assert problem(content).startswith(told)


def test_two_teams_with_one_id_are_refused() -> None:
    told = problem(CATALOGUE.replace("harbour-maternity", "riverside-emergency"))

    assert told == "teams.yaml: teams[1].id: 'riverside-emergency' is already teams[0]; give each team its own id"


def test_a_fault_is_one_line_and_says_how_many_more_there_are() -> None:
    with pytest.raises(CatalogueError) as caught:
        parse("teams: [{id: a, organization: O}]", "teams.yaml")

    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(f"(and {len(caught.value.problems) - 1} more)")
    assert len(caught.value.problems) == 4


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such file; set HEED_CATALOGUE"):
        read(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "teams.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(CatalogueError, match="save it as readable UTF-8 text"):
        read(path)


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text(CATALOGUE, encoding="utf-8-sig")

    assert read(path) == teams()


def test_every_team_and_unrouted_has_a_topic() -> None:
    assert teams().team_ids == ("riverside-emergency", "harbour-maternity", UNROUTED)


def test_unrouted_feedback_belongs_to_nobody_yet() -> None:
    assert identity(teams(), UNROUTED).name == "Nobody yet"


def test_a_team_that_left_the_catalogue_keeps_its_id() -> None:
    assert identity(teams(), "gone").name == "gone"


def overlapping(first: str, second: str) -> Catalogue:
    return parse(
        f"teams: [{{id: a, name: A, organisation: O, match: [{first}]}}, "
        f"{{id: b, name: B, organisation: O, match: [{second}]}}]",
        "teams.yaml",
    )


def test_a_rule_that_another_shadows_is_warned_of() -> None:
    found = warnings(overlapping("{organisation: O, service: S}", '{organisation: " o", service: s}'))

    assert len(found) == 1
    assert found[0].startswith("teams[1].match[0]: shadowed by teams[0].match[0] (a)")


def test_rules_that_can_meet_with_the_same_right_are_warned_of() -> None:
    found = warnings(overlapping("{organisation: O, service: S}", "{organisation: O, site: T}"))

    assert len(found) == 1
    assert "goes to a, the first in the file" in found[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{organisation: O, service: S}", "{organisation: O, service: T}"),
        ("{organisation: O}", "{organisation: O, service: T}"),
    ],
)
def test_rules_that_never_meet_or_differ_in_detail_are_fine(first: str, second: str) -> None:
    assert warnings(overlapping(first, second)) == ()


def test_the_sample_catalogue_is_valid_and_without_warnings() -> None:
    sample = read(SAMPLE)

    assert sample.team_ids == ("riverside-emergency", "harbour-maternity", "moorland-community-mh", UNROUTED)
    assert warnings(sample) == ()


FULL = """
teams:
  - id: a
    name: A
    organisation: O
    match: [{organisation: O}]
    targets: [{theme: Timeliness of care, percent: 15}]
    phases: [{period: 2026-04-01, reason: A new ward opened}]
    contacts: {2026-04-01: 1200}
    opt_in: {introductions: true}
urgent_role: Duty manager
"""


def test_contacts_may_be_told_by_group() -> None:
    groups = "{total: 1200, age: {16_24: 90, 85_over: 200}, role: {carer: 300}}"

    team = parse(FULL.replace("1200", groups), "teams.yaml").teams[0]

    care = team.contacts[date(2026, 4, 1)]
    assert (care.total, care.age, care.role) == (1200, {"16_24": 90, "85_over": 200}, {"carer": 300})


@pytest.mark.parametrize(
    ("care", "problem"),
    [
        ("{total: 10, age: {16_24: 6, 25_34: 5}}", r"contacts\.2026-04-01: .*age counts more people than the total"),
        ("{age: {16_24: 6}}", r"contacts\.2026-04-01\.total: missing; add it"),
        ("{total: 10, age: {young: 6}}", "Input should be 'under_16'"),
        ("{total: 10, ages: {16_24: 6}}", "unknown field; did you mean 'age'"),
        ("0", "too small"),
    ],
)
def test_contacts_that_cannot_be_are_refused(care: str, problem: str) -> None:
    with pytest.raises(CatalogueError, match=problem):
        parse(FULL.replace("1200", care), "teams.yaml")


def test_what_a_team_recorded_of_itself_is_read() -> None:
    catalogue = parse(FULL, "teams.yaml")

    team = catalogue.teams[0]
    assert (team.targets[0].theme, team.targets[0].percent) == ("Timeliness of care", 15)
    assert (team.phases[0].period, team.phases[0].reason) == (date(2026, 4, 1), "A new ward opened")
    assert team.contacts == {date(2026, 4, 1): Care(total=1200)}
    assert (team.opt_in.theme_digests, team.opt_in.introductions) == (True, True)
    assert catalogue.urgent_role == "Duty manager"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("percent: 15", "percent: 150"),
        ("percent: 15", "percent: much"),
        ("{theme: Timeliness of care, percent: 15}", "{theme: T, percent: 1}, {theme: T, percent: 2}"),
        ("period: 2026-04-01", "period: spring"),
        ("1200", "0"),
        ("1200", "many"),
        ("introductions: true", "introductions: perhaps"),
        ("introductions: true", "introduction: true"),
    ],
)
def test_a_fault_in_what_a_team_recorded_is_told_in_one_line(wrong: str, told: str) -> None:
    with pytest.raises(CatalogueError, match=r"^teams\.yaml: teams\[0\]\.[^\n]+$"):
        parse(FULL.replace(wrong, told), "teams.yaml")
