"""What the portal reads of the team catalogue: teams by name, named roles, and who belongs where.

The learning service checks the whole file; here only what the portal needs is read, and all the rest passed over.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import UsageError
from shared.repeating import repeating

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between looks at the file."""

UNROUTED = "unrouted"
"""The team id of feedback that belongs to no team; stewards see its pages."""

STEWARD = "steward"
"""The role of who looks after the installation: sees every team."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Team(_Part):
    """A team, by the name that people know it by."""

    id: str
    name: str
    organisation: str
    urgent_role: str | None = None


class Member(_Part):
    """Who belongs where, for installations whose identity provider cannot tell.

    Attributes:
        who: what the identity provider's person claim says, such as an e-mail address; case aside.
        teams: ids.
        roles: as `urgent_role` names them; `steward` is one.
    """

    who: str
    teams: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


class Directory(_Part):
    """The catalogue, as far as the portal reads it."""

    teams: tuple[Team, ...]
    members: tuple[Member, ...] = ()
    urgent_role: str | None = None

    def team(self, team_id: str) -> Team:
        """A team by its id; one that is not in the catalogue has its id for a name."""
        if team_id == UNROUTED:
            return Team(id=UNROUTED, name="Feedback of no team", organisation="All organisations")
        known = (team for team in self.teams if team.id == team_id)
        return next(known, Team(id=team_id, name=team_id, organisation="Not in the catalogue"))

    def member(self, who: str) -> Member:
        """Everything that the catalogue says of a person; nothing, if it does not name them."""
        found = [member for member in self.members if member.who.casefold() == who.casefold()]
        return Member(
            who=who,
            teams=frozenset().union(*(member.teams for member in found)),
            roles=frozenset().union(*(member.roles for member in found)),
        )

    @property
    def urgent_roles(self) -> frozenset[str]:
        """Every role that urgent feedback can be for."""
        return frozenset(role for role in (self.urgent_role, *(team.urgent_role for team in self.teams)) if role)


def read(path: Path) -> Directory:
    """Read the catalogue.

    Raises:
        UsageError: it cannot be read; one line says where and what to do.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        return Directory.model_validate(raw)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({type(error).__name__}); set HEED_CATALOGUE to the file") from None
    except yaml.YAMLError:
        raise UsageError(f"{path}: not YAML; `heed doctor` says where") from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"]) or "top level"
        raise UsageError(f"{path}: {place}: not as the portal reads it; `heed doctor` says what to do") from None


class DirectoryFile:
    """The catalogue's file: `current` is the newest content that could be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _content(path)
        self.current = read(path)

    async def look(self) -> None:
        """Adopt the file's content if it is new; one that is refused leaves the old one at work."""
        content = await asyncio.to_thread(_content, self._path)
        if content == self._seen:
            return
        self._seen = content
        try:
            self.current = await asyncio.to_thread(read, self._path)
        except UsageError as error:
            log.error("the changed catalogue is not used, the one before it is: %s", error)

    def watched(self, every: float = EVERY) -> AbstractAsyncContextManager[None]:
        """Look in the background while inside."""
        return repeating(self.look, every, "portal-catalogue")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
