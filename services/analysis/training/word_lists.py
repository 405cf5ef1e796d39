"""The lists of names and sentences in `names.yaml` and `contexts.yaml`, written for this project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
    return loaded


_NAMES, _CONTEXTS = _load("names.yaml"), _load("contexts.yaml")

FIRST_NAMES: dict[str, list[str]] = {origin: names.split() for origin, names in _NAMES["first"].items()}
LAST_NAMES: dict[str, list[str]] = {origin: names.split() for origin, names in _NAMES["last"].items()}
WORD_FIRST_NAMES: list[str] = _NAMES["word_first"].split()
WORD_LAST_NAMES: list[str] = _NAMES["word_last"].split()
PARTICLES: dict[str, list[str]] = _NAMES["particles"]

NAME_SENTENCES: list[str] = _CONTEXTS["names"]
NEGATIVE_SENTENCES: list[str] = _CONTEXTS["negatives"]
FILLERS: dict[str, list[str]] = _CONTEXTS["fillers"]
ROLES: list[str] = _CONTEXTS["roles"].split()
