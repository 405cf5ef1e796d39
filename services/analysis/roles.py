"""Who is to be told of urgent feedback: the role that the team catalogue names for where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from shared.errors import UsageError
from shared.events import About
from shared.origins import FIELDS, Rules, fold

RoleOf = Callable[[About, str], str | None]
"""From what feedback is about, and its channel, to a role."""


def nobody(about: About, channel: str) -> None:
    """Where there is no catalogue."""


def urgent_roles(path: Path | None) -> RoleOf:
    """Read the roles of a catalogue file: its teams' `urgent_role`, else the file's own.

    The learning service validates the catalogue in full; here only what is needed is read.

    Raises:
        UsageError: the file cannot be read, or what is needed of it has another shape.
    """
    if path is None:
        return nobody
    try:
        catalogue = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        return Rules(list(_rules(catalogue)), _role(catalogue)).find
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"HEED_ALLOW_LIST_FILE: cannot read {path} as YAML ({type(error).__name__})") from None
    except (TypeError, AttributeError, KeyError):
        raise UsageError(
            f"HEED_ALLOW_LIST_FILE: {path} is no team catalogue; write it like deploy/catalogue/sample.yaml"
        ) from None


def _rules(catalogue: dict[str, Any]) -> Iterator[tuple[dict[str, str], str | None]]:
    for team in catalogue.get("teams") or ():
        role = _role(team) or _role(catalogue)
        for rule in team.get("match") or ():
            yield {name: fold(rule[name]) for name in FIELDS if name in rule}, role


def _role(entry: dict[str, Any]) -> str | None:
    role = entry.get("urgent_role")
    return " ".join(role.split()) or None if role is not None else None
