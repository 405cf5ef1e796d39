"""The files that a deployment is made of, as data."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")
"""A variable as compose writes it: its name, and a default or what to say without it."""


@cache
def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved, its variables not."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return parsed


def containers() -> dict[str, dict[str, Any]]:
    """Every container by its name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def example() -> dict[str, str]:
    """What `.env.example` sets."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def optional() -> set[str]:
    """What it offers to set."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^#([A-Z0-9_]+)=", text, re.MULTILINE))


def filled(text: str, values: dict[str, str]) -> str:
    """The text with its variables filled in as compose does it."""

    def value(found: re.Match[str]) -> str:
        name, kind, other = found.groups()
        return values.get(name) or (other if kind == "-" else "")

    return VARIABLE.sub(value, text)


def environment(container: str, values: dict[str, str]) -> dict[str, str]:
    """A container's environment; what compose passes through is there only if `values` has it."""
    found = {}
    for name, text in containers()[container].get("environment", {}).items():
        if text is not None:
            found[name] = filled(str(text), values)
        elif name in values:
            found[name] = values[name]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The containers that run an image of ours."""
    return {name: container for name, container in containers().items() if "build" in container}


def services() -> list[str]:
    """Those of them that are a service of Heed."""
    return [name for name, container in ours().items() if container["build"]["target"] == "service"]
