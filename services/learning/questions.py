"""The question bank: open questions about the system, by group of themes and by what the pattern says.

Each looks at one part of the system (SEIPS 2.0, Holden et al., Ergonomics 56 (2013) 1669-1686: people, tasks, tools,
surroundings, organisation). They ask what and how, never who or why; they hold no number, no cause, no advice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Part = Literal["people", "tasks", "tools", "surroundings", "organisation"]
PatternKind = Literal["improvement", "concern", "common_cause"]


class Question(NamedTuple):
    """An open question, and the part of the system that it looks at."""

    part: Part
    text: str


GENERAL = (
    Question("people", "What do these comments tell us that we did not know before?"),
    Question("organisation", "What helps our work go well on a good day, and how do we keep it?"),
    Question("people", "Who did we not hear from, and how could we hear them?"),
    Question("tasks", "What part of our day do these comments not see?"),
    Question("tools", "What would we want to know that nobody writes about?"),
)

PATTERN: dict[PatternKind, tuple[Question, ...]] = {
    "improvement": (
        Question("organisation", "What was different in our work around that time?"),
        Question("tasks", "What did we start, stop or do in another order then?"),
        Question("people", "How would a new colleague learn what has helped?"),
        Question("tools", "What would have to stay in place for this to last?"),
    ),
    "concern": (
        Question("organisation", "What was different in our work around that time?"),
        Question("tasks", "What step has become harder to do well since then?"),
        Question("tools", "What tools, forms or rooms were new or missing then?"),
        Question("people", "How did patients and staff get through that time together?"),
    ),
    "common_cause": (
        Question("organisation", "What in our usual way of working produces ups and downs like these?"),
        Question("tasks", "What small change to the work could we try and watch?"),
        Question("surroundings", "What stays the same from one month to the next, good or hard?"),
        Question("people", "How would patients describe a usual day with us?"),
    ),
}

QUESTIONS: dict[str, tuple[Question, ...]] = {
    "relationships": (
        Question("organisation", "What in the working day gives staff time to be kind?"),
        Question("people", "How does our work make it easy or hard to put people at ease?"),
        Question("surroundings", "What do people see and hear in their first minutes with us?"),
        Question("tasks", "What moments in a visit let people feel known?"),
    ),
    "waiting": (
        Question("tasks", "What happens, step by step, while people wait?"),
        Question("tools", "How do people learn how long a wait will be?"),
        Question("surroundings", "What could make a wait easier to bear?"),
        Question("organisation", "How does work reach us through the day, and where does it queue?"),
    ),
    "listening": (
        Question("people", "How do people tell us what matters to them?"),
        Question("tasks", "What makes room in a visit for people to speak?"),
        Question("organisation", "How do families and carers take part in plans?"),
        Question("tools", "How does what people tell us find its way into the notes?"),
    ),
    "access": (
        Question("people", "What does reaching us look like from a patient's side?"),
        Question("tasks", "How many steps lie between needing us and seeing us?"),
        Question("tools", "What makes our service hard to reach for some people?"),
        Question("organisation", "What happens to those who try to reach us and give up?"),
    ),
    "information": (
        Question("tasks", "How do people find out what happens next?"),
        Question("organisation", "What do people hear from us more than once, and does it agree?"),
        Question("people", "How do we check that what we said was clear?"),
        Question("tools", "What do people take home in writing, and in which languages?"),
    ),
    "capacity": (
        Question("organisation", "How does the work spread over the day and the week?"),
        Question("tools", "What tools or training would make this work easier?"),
        Question("tasks", "What takes staff away from patients?"),
        Question("people", "How do we notice that a colleague needs a hand?"),
    ),
    "journey": (
        Question("tools", "How does what we know about a person travel with them?"),
        Question("organisation", "What does the move from us to the next service look like?"),
        Question("people", "What do people need in their hands when they leave us?"),
        Question("tasks", "What do people have to tell again at each step?"),
    ),
    "surroundings": (
        Question("surroundings", "What do our rooms and spaces make easy, and what do they make hard?"),
        Question("tasks", "How do people spend the time between care?"),
        Question("people", "What would patients change first if they walked round with us?"),
        Question("tools", "What around us is often broken, missing or in the way?"),
    ),
    "treatment": (
        Question("people", "How do people learn what their treatment is for?"),
        Question("tasks", "What happens between asking for relief and getting it?"),
        Question("tools", "How do medicines reach people, step by step?"),
        Question("organisation", "How do plans for treatment hold from one shift to the next?"),
    ),
    "general": GENERAL,
}


def bank() -> tuple[Question, ...]:
    """Every question, once."""
    lists = (*QUESTIONS.values(), *PATTERN.values())
    return tuple(dict.fromkeys(question for questions in lists for question in questions))


def choose(
    groups: Iterable[str], *, pattern: PatternKind | None = None, turn: int = 0, count: int = 3
) -> tuple[str, ...]:
    """Distinct questions: one for what the pattern says, then one for each group in turn, then general ones.

    Where there is a choice, a question looks at a part of the system that none before it looks at.

    Args:
        groups: of the themes on the page, the most pressing first.
        pattern: what the charts say; None where they say nothing.
        turn: moves the start of each list, so that the same themes bring other questions another month.
        count: how many.
    """
    wanted = list(dict.fromkeys(group if group in QUESTIONS else "general" for group in groups))
    lists: list[Sequence[Question]] = [PATTERN[pattern]] if pattern else []
    lists += [QUESTIONS[group] for group in wanted] * count
    lists += [GENERAL] * count
    chosen: list[Question] = []
    for questions in lists:
        if len(chosen) < count and (question := _next(questions, chosen, turn)):
            chosen.append(question)
    return tuple(question.text for question in chosen)


def _next(questions: Sequence[Question], chosen: Sequence[Question], turn: int) -> Question | None:
    start = turn % len(questions)
    rest = [question for question in (*questions[start:], *questions[:start]) if question not in chosen]
    parts = {question.part for question in chosen}
    return next((question for question in rest if question.part not in parts), rest[0] if rest else None)
