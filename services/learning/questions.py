"""Open questions about the system, by group of themes: people, tasks, tools, surroundings, organisation.

They ask what and how, never who or why; they hold no number, no cause, no advice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GENERAL = (
    "What do these comments tell us that we did not know before?",
    "What helps our work go well on a good day, and how do we keep it?",
    "Who did we not hear from, and how could we hear them?",
)

QUESTIONS: dict[str, tuple[str, ...]] = {
    "relationships": (
        "What in the working day gives staff time to be kind?",
        "How does our work make it easy or hard to put people at ease?",
        "What do people see and hear in their first minutes with us?",
    ),
    "waiting": (
        "What happens, step by step, while people wait?",
        "How do people learn how long a wait will be?",
        "What could make a wait easier to bear?",
    ),
    "listening": (
        "How do people tell us what matters to them?",
        "What makes room in a visit for people to speak?",
        "How do families and carers take part in plans?",
    ),
    "access": (
        "What does reaching us look like from a patient's side?",
        "How many steps lie between needing us and seeing us?",
        "What makes our service hard to reach for some people?",
    ),
    "information": (
        "How do people find out what happens next?",
        "What do people hear from us more than once, and does it agree?",
        "How do we check that what we said was clear?",
    ),
    "capacity": (
        "How does the work spread over the day and the week?",
        "What tools or training would make this work easier?",
        "What takes staff away from patients?",
    ),
    "journey": (
        "How does what we know about a person travel with them?",
        "What does the move from us to the next service look like?",
        "What do people need in their hands when they leave us?",
    ),
    "surroundings": (
        "What do our rooms and spaces make easy, and what do they make hard?",
        "How do people spend the time between care?",
        "What would patients change first if they walked round with us?",
    ),
    "treatment": (
        "How do people learn what their treatment is for?",
        "What happens between asking for relief and getting it?",
        "How do medicines reach people, step by step?",
    ),
    "general": GENERAL,
}


def choose(groups: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """Distinct questions: one for each group in turn, then a second round, then general ones."""
    wanted = list(dict.fromkeys(group if group in QUESTIONS else "general" for group in groups))
    rounds = (QUESTIONS[group][turn] for turn in range(3) for group in wanted)
    return tuple(dict.fromkeys((*rounds, *GENERAL)))[:count]
