"""The team catalogue: which team hears which feedback. A YAML file, validated, with errors a person can act on."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from shared.errors import UsageError
from shared.events import AgeBand
from shared.origins import fold

UNROUTED = "unrouted"
"""The team id of feedback that no rule matches; no team of the catalogue may use it."""

UNROUTED_NAME = "Nobody yet"
UNROUTED_ORGANISATION = "All organisations"

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""A team id: part of a topic's name."""

_DAY = re.compile(r"datetime\.date\((\d+), (\d+), (\d+)\)")
"""How pydantic tells a key that is a day."""

_LABEL = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+$"

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LABEL)]


class CatalogueError(UsageError):
    """The catalogue is refused; `problems` holds one line each, the text is the first of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(problems[0] + rest)
        self.problems = problems


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Strict):
    """Feedback matches when every field named here equals its own, white space and case aside."""

    organisation: Label | None = None
    service: Label | None = None
    unit: Label | None = None
    site: Label | None = None
    channel: Label | None = None

    def criteria(self) -> dict[str, str]:
        """The fields that are named, folded for comparison."""
        return {name: fold(value) for name, value in self if value is not None}


class Target(_Strict):
    """What a team set itself: at most this share of the comments that were read say that a theme could be better.

    Attributes:
        theme: as the model names it.
        percent: 0 to 100.
    """

    theme: Label
    percent: Annotated[float, Field(ge=0, le=100)]


class Phase(_Strict):
    """A person's decision that the team's charts start anew, from the period that holds a day, and why."""

    period: date
    reason: Label


PeopleCounted = Annotated[int, Field(ge=1)]


class Care(_Strict):
    """How many people had care in a period; a bare number in the file is the total.

    Groups are what the team knows of its own patients, so that a page can say who was not heard; a person who is in no
    group is left out of that group's numbers only.

    Attributes:
        age: people by age band.
        role: people by what they were to the care.
    """

    total: PeopleCounted
    age: dict[AgeBand, PeopleCounted] = {}
    role: dict[Literal["patient", "carer", "relative", "staff", "other"], PeopleCounted] = {}

    @property
    def groups(self) -> dict[str, dict[str, int]]:
        """By measure and value, as in the counters."""
        return {
            "age": {str(band): count for band, count in self.age.items()},
            "role": {str(role): count for role, count in self.role.items()},
        }

    @model_validator(mode="before")
    @classmethod
    def _total_alone(cls, given: object) -> object:
        return {"total": given} if isinstance(given, int) else given

    @field_validator("age", mode="before")
    @classmethod
    def _bands(cls, given: object) -> object:
        """YAML reads 16_24 as the number 1624."""
        if not isinstance(given, dict):
            return given
        return {f"{key // 100}_{key % 100}" if isinstance(key, int) else key: count for key, count in given.items()}

    @model_validator(mode="after")
    def _groups_within(self) -> Self:
        for name, groups in (("age", self.age), ("role", self.role)):
            if sum(groups.values()) > self.total:
                raise ValueError(f"{name} counts more people than the total")
        return self


class OptIn(_Strict):
    """What a team takes part in beyond its own page.

    Attributes:
        theme_digests: its counts are added to those of other teams, at least two, in `theme-…-digests`; it is not
            named.
        introductions: it may be introduced to another team, once both say yes.
    """

    theme_digests: bool = True
    introductions: bool = False


class Team(_Strict):
    """A team that learns together; a team is never compared with another."""

    id: str
    name: Label
    organisation: Label
    match: Annotated[tuple[Rule, ...], Field(min_length=1)]
    context: dict[str, Label] = {}
    urgent_role: Label | None = None
    """Who sees urgent feedback the same day: a role, never a person."""
    targets: tuple[Target, ...] = ()
    """What the team itself wants to reach; nobody sets a target for another."""
    phases: tuple[Phase, ...] = ()
    contacts: dict[date, Care] = {}
    """By the first day of a period."""
    opt_in: OptIn = OptIn()


class Member(_Strict):
    """Who belongs where: the portal reads it, this service only sees that it is well written.

    Attributes:
        who: what the identity provider calls the person.
        teams: ids.
        roles: as `urgent_role` has them; `steward` sees every team.
    """

    who: Label
    teams: tuple[str, ...] = ()
    roles: tuple[Label, ...] = ()


class Catalogue(_Strict):
    """All teams, in the order of the file.

    Attributes:
        allow_list: ward, site and service names that are not people's names.
        urgent_role: who sees urgent feedback of no team, and of teams that name no role.
    """

    teams: Annotated[tuple[Team, ...], Field(min_length=1)]
    allow_list: tuple[Label, ...] = ()
    urgent_role: Label | None = None
    members: tuple[Member, ...] = ()

    @property
    def team_ids(self) -> tuple[str, ...]:
        """Ids of every team that gets pages, `unrouted` last: each needs its own topic."""
        return (*(team.id for team in self.teams), UNROUTED)


@dataclass(frozen=True, slots=True)
class TeamIdentity:
    """What a page says of its team."""

    id: str
    name: str
    organisation: str


def identity(catalogue: Catalogue, team_id: str) -> TeamIdentity:
    """A team by its id; one that has left the catalogue keeps its id as its name."""
    if team_id == UNROUTED:
        return TeamIdentity(UNROUTED, UNROUTED_NAME, UNROUTED_ORGANISATION)
    for team in catalogue.teams:
        if team.id == team_id:
            return TeamIdentity(team.id, team.name, team.organisation)
    return TeamIdentity(team_id, team_id, "Not in the catalogue")


def read(path: Path) -> Catalogue:
    """Read and validate a catalogue.

    Raises:
        CatalogueError: every problem as one line: file, place in the file, what, what to do.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CatalogueError((f"{path}: no such file; set HEED_CATALOGUE to the team catalogue",)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(
            (f"{path}: cannot be read ({type(error).__name__}); save it as readable UTF-8 text",)
        ) from None
    return parse(content, str(path))


def parse(content: str, file: str) -> Catalogue:
    """Validate a catalogue's text; `file` names it in errors.

    Raises:
        CatalogueError: see `read`.
    """
    try:
        raw = yaml.load(content, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader underneath
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = " ".join((error.problem or "not YAML").split())
        raise CatalogueError((f"{file}: line {line}: {what}; correct the YAML there",)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise CatalogueError((f"{file}: not YAML; write it like the example in deploy/catalogue",)) from None
    if not isinstance(raw, dict):
        raise CatalogueError((f"{file}: top level: must be a mapping; start it with `teams:`",))
    try:
        catalogue = Catalogue.model_validate(raw)
    except ValidationError as error:
        raise CatalogueError(tuple(f"{file}: {told}" for told in _faults(error))) from None
    problems = tuple(f"{file}: {problem}" for problem in _inconsistencies(catalogue))
    if problems:
        raise CatalogueError(problems)
    return catalogue


def warnings(catalogue: Catalogue) -> tuple[str, ...]:
    """Rules that meet the same feedback with the same right: one line each; the first in the file wins."""
    rules = [
        (f"teams[{t}].match[{r}]", team.id, rule.criteria())
        for t, team in enumerate(catalogue.teams)
        for r, rule in enumerate(team.match)
    ]
    found = []
    for index, (place, team_id, criteria) in enumerate(rules):
        for earlier_place, earlier_id, earlier in rules[:index]:
            if criteria == earlier:
                found.append(
                    f"{place}: shadowed by {earlier_place} ({earlier_id}), which names the same fields; "
                    f"{team_id} never gets this feedback; remove one of them"
                )
            elif earlier_id != team_id and len(criteria) == len(earlier) and _meet(criteria, earlier):
                found.append(
                    f"{place}: overlaps {earlier_place}; feedback that matches both goes to {earlier_id}, the first "
                    "in the file; name one more field in the rule that should win"
                )
    return tuple(found)


def _meet(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _inconsistencies(catalogue: Catalogue) -> list[str]:
    problems = []
    seen: dict[str, int] = {}
    for t, team in enumerate(catalogue.teams):
        if team.id == UNROUTED:
            problems.append(f"teams[{t}].id: 'unrouted' is kept for feedback without a team; choose another id")
        elif not SLUG.fullmatch(team.id):
            problems.append(
                f"teams[{t}].id: not usable in a topic's name; use 1 to 63 of a-z, 0-9 and -, starting with a letter "
                "or digit"
            )
        elif team.id in seen:
            problems.append(f"teams[{t}].id: '{team.id}' is already teams[{seen[team.id]}]; give each team its own id")
        seen.setdefault(team.id, t)
        themes = [target.theme for target in team.targets]
        problems += [
            f"teams[{t}].targets[{n}]: a second target for the same theme; keep one"
            for n, theme in enumerate(themes)
            if theme in themes[:n]
        ]
        problems += [
            f"teams[{t}].match[{r}]: empty; name at least one of {', '.join(Rule.model_fields)}"
            for r, rule in enumerate(team.match)
            if not rule.criteria()
        ]
    problems += [
        f"members[{m}].teams: '{team}' is no team of this file; correct the id or remove it"
        for m, member in enumerate(catalogue.members)
        for team in member.teams
        if team not in seen
    ]
    return problems


_FIELDS: dict[str, type[_Strict]] = {
    "teams": Team,
    "match": Rule,
    "targets": Target,
    "phases": Phase,
    "contacts": Care,
    "opt_in": OptIn,
    "members": Member,
}

_ADVICE = {
    "missing": "missing; add it",
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list; start its lines with `-` or use [ ]",
    "list_type": "must be a list; start its lines with `-` or use [ ]",
    "dict_type": "must be a mapping; write its lines as `name: value`",
    "model_type": "must be a mapping; write its lines as `name: value`",
    "too_short": "empty; add at least one",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "too small; correct it",
    "less_than_equal": "too large; at most 100",
    "date_type": "must be a day, as 2026-04-01",
    "date_from_datetime_parsing": "must be a day, as 2026-04-01",
    "string_too_short": "empty; write a name",
    "string_too_long": "too long; use at most 200 characters",
    "string_pattern_mismatch": "holds control or invisible characters; write it as plain text",
}


def _faults(error: ValidationError) -> list[str]:
    """Each fault once, unknown fields first: a misspelt field is often why another is missing."""
    items: list[dict[str, Any]] = [dict(item) for item in error.errors(include_input=False, include_url=False)]
    places = [item["loc"] for item in items]
    # A list whose items are all wrong counts as empty too; only the items' own faults help.
    real = [
        item
        for item in items
        if item["type"] != "too_short" or not any(p[: len(item["loc"])] == item["loc"] != p for p in places)
    ]
    return [_told(item) for item in sorted(real, key=lambda item: item["type"] != "extra_forbidden")]


def _told(item: dict[str, Any]) -> str:
    """One pydantic error as place, what, what to do."""
    location = item["loc"]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    place = _DAY.sub(lambda found: date(*map(int, found.groups())).isoformat(), place)
    if item["type"] == "extra_forbidden":
        return f"{place}: unknown field; {_advice(location)}"
    return f"{place}: {_ADVICE.get(item['type'], item['msg'] + '; correct it')}"


def _advice(location: tuple[str | int, ...]) -> str:
    names = [part for part in location if isinstance(part, str)]
    around = next((_FIELDS[name] for name in reversed(names[:-1]) if name in _FIELDS), Catalogue)
    known = list(around.model_fields)
    close = difflib.get_close_matches(names[-1], known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"remove it or use one of {', '.join(known)}"


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice, which YAML would let the later one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; see the class.

        Raises:
            yaml.MarkedYAMLError: a key occurs twice.
        """
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' occurs twice", problem_mark=key_node.start_mark)
            if isinstance(key, str | int):
                seen.add(key)
        return super().construct_mapping(node, deep)
