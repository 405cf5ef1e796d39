"""Readings, counters and pages for the learning service's tests. All words are made up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from services.learning.catalogue import Catalogue, TeamIdentity, parse
from services.learning.quotes import Candidate
from services.learning.readings import Reading
from services.learning.summaries import compose
from shared.events import (
    NAMESPACE,
    About,
    AnalysedSegment,
    FeedbackAnalysed,
    Kind,
    Sentiment,
    Source,
    Theme,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.learning.readings import Measure
    from services.learning.summaries import Composed
    from shared.summaries import LearningSummary

JUNE = date(2026, 6, 1)
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
MANNER = "Staff manner & personal attributes"
WAITING = "Timeliness of care"
LISTENING = "Staff listening, understanding & involving patients"
TEAM = TeamIdentity("riverside-emergency", "Riverside emergency team", "Riverside Hospitals")
OTHER = TeamIdentity("harbour-maternity", "Harbour maternity team", "Riverside Hospitals")
NAMES = (TEAM.name, OTHER.name)

CATALOGUE = """
teams:
  - id: riverside-emergency
    name: Riverside emergency team
    organisation: Riverside Hospitals
    match: [{organisation: Riverside Hospitals, service: Emergency department}]
  - id: harbour-maternity
    name: Harbour maternity team
    organisation: Riverside Hospitals
    match: [{organisation: Riverside Hospitals, service: Maternity}]
allow_list: [Harbour]
"""


def teams() -> Catalogue:
    """Two teams."""
    return parse(CATALOGUE, "teams.yaml")


def identifier(number: int) -> UUID:
    """The id of the feedback with this number."""
    return uuid5(NAMESPACE, f"sample:{number}")


def sentiment(label: int) -> Sentiment:
    """A sure reading."""
    return Sentiment(label=label, probabilities=tuple(1.0 if step == label else 0.0 for step in range(1, 6)))


def analysed(
    number: int = 1,
    *,
    label: int = 1,
    themes: Iterable[str] = (MANNER,),
    text: str = "The nurses were kind to us.",
    service: str | None = "Emergency department",
    **fields: Any,
) -> FeedbackAnalysed:
    """An event as the analysis service sends it."""
    named = tuple(Theme(name=theme, probability=0.9) for theme in themes)
    given: dict[str, Any] = {
        "feedback_id": identifier(number),
        "version": 1,
        "kind": Kind.COMMENT,
        "source": Source(integration="test", channel="survey"),
        "about": About(organisation="Riverside Hospitals", service=service),
        "occurred_at": NOON,
        "received_at": NOON,
        "analysed_at": NOON,
        "language": "en",
        "segments": (AnalysedSegment(text=text, sentiment=sentiment(label), themes=named),),
        "sentiment": sentiment(label),
        "themes": named,
        "severity": 0.1,
        "urgent": False,
        "quote_ok": True,
        "redactions": {},
        "model_version": "sample-1",
    }
    return FeedbackAnalysed(**{**given, **fields})


def reading(number: int, version: int = 1, team: str = "a", measures: Iterable[Measure] = ()) -> Reading:
    """A reading with measures of one's choice."""
    return Reading(identifier(number), version, False, team, JUNE, tuple(sorted({("responses", ""), *measures})))


def counts(n: int = 40, **measures: dict[str, int]) -> dict[Measure, int]:
    """Counters of a month with `n` comments in English through a survey, and what else is named."""
    table: dict[str, dict[str, int]] = {
        "responses": {"": n},
        "read": {"": n},
        "channel": {"survey": n},
        "age": {"unknown": n},
        "text": {"with": n},
        "language": {"english": n},
        "model": {"sample-1": n},
        **measures,
    }
    return {(measure, value): count for measure, values in table.items() for value, count in values.items()}


VOICES = (
    Candidate("1", "The nurses were kind and made time for us.", 1, (MANNER,)),
    Candidate("2", "We waited a long time in the corridor.", 4, (WAITING,)),
    Candidate("3", "They listened and explained each step to my mother.", 2, (LISTENING,)),
    Candidate("4", "Nobody told us how long it would take.", 4, (WAITING,)),
)


def composed(
    counted: dict[Measure, int] | None = None,
    *,
    voices: Iterable[Candidate] = VOICES,
    team: TeamIdentity = TEAM,
    names: Iterable[str] = NAMES,
) -> Composed:
    """A page and its sources; of a month with praise and wishes unless told otherwise."""
    if counted is None:
        counted = counts(theme_positive={MANNER: 20, LISTENING: 9}, theme_negative={WAITING: 12})
    return compose(team, JUNE, counted, voices, revision=1, generated_at=NOON, team_names=tuple(names))


def page(
    counted: dict[Measure, int] | None = None,
    *,
    voices: Iterable[Candidate] = VOICES,
    team: TeamIdentity = TEAM,
    names: Iterable[str] = NAMES,
) -> LearningSummary:
    """The page alone."""
    return composed(counted, voices=voices, team=team, names=names).summary
