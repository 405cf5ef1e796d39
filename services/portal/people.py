"""Who is signed in, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.portal.directory import STEWARD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.portal.directory import Directory


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person was let in with.

    Attributes:
        subject: who it is, for the audit; what the identity provider calls them.
        teams: ids that the identity provider, or whoever made the link, vouches for.
        roles: likewise, as `urgent_role` in the catalogue has them; `steward` is one.
    """

    subject: str
    teams: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at work in the portal.

    Attributes:
        teams: ids of their own teams; a steward sees every other one, too.
        roles: the named roles they hold, for urgent feedback.
        form_token: what every form of theirs must carry.
    """

    subject: str
    teams: frozenset[str]
    roles: frozenset[str]
    form_token: str = field(repr=False, default="")

    @property
    def is_steward(self) -> bool:
        """Whether they look after the installation."""
        return STEWARD in self.roles

    @property
    def sees_urgent(self) -> bool:
        """Whether there is an urgent list for them: of their named roles, or a steward's of what has no role."""
        return bool(self.roles)

    def may_see(self, team_id: str) -> bool:
        """Whether this team's pages are theirs to read."""
        return self.is_steward or team_id in self.teams

    def visible(self, known: Iterable[str]) -> list[str]:
        """Those of the known teams that they may see, in the order given."""
        return [team for team in known if self.may_see(team)]


def person(grant: Grant, directory: Directory, form_token: str) -> Person:
    """Somebody by what they were let in with and what the catalogue says of them now.

    The catalogue is asked at each request: who is taken out of it sees nothing from then on.
    """
    member = directory.member(grant.subject)
    return Person(
        subject=grant.subject,
        teams=grant.teams | member.teams,
        roles=grant.roles | member.roles,
        form_token=form_token,
    )
