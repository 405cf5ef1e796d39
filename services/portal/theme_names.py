"""The themes by plain words: how a list of them is put in order. Never by how much was said. Pure."""

from __future__ import annotations

from shared.themes import SLUGS, THEMES

GROUPS = {
    "access": "Reaching us and getting there",
    "capacity": "Staff, skills and how work is organised",
    "information": "Knowing what is going on",
    "journey": "From one place of care to the next",
    "listening": "Being heard and having a say",
    "relationships": "How people are treated",
    "surroundings": "The place and what there is to do",
    "treatment": "Medicines and pain",
    "waiting": "Waiting",
}
"""The parts of the system that questions are about, as a reader would name them."""


def title(slug: str) -> str:
    """A theme by plain words, for a heading; one that is not known here by its slug."""
    theme = SLUGS.get(slug)
    words = slug.replace("-", " ") if theme is None else THEMES[theme].better
    return words[:1].upper() + words[1:]


def grouped() -> list[tuple[str, list[str]]]:
    """Every theme's slug under its group's name; both by the alphabet."""
    found: dict[str, list[str]] = {name: [] for name in sorted(GROUPS.values())}
    for slug in sorted(SLUGS, key=title):
        found[GROUPS[THEMES[SLUGS[slug]].group]].append(slug)
    return list(found.items())
