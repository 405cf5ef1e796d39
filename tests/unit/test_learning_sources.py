from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.learning.catalogue import TeamIdentity
from services.learning.quote_sources import as_read, source_of, stretches
from services.learning.quotes import Candidate
from services.learning.readings import measures_of
from shared.events import CorrectedTheme
from shared.sources import QuoteSource
from tests.unit.learning_samples import (
    LISTENING,
    MANNER,
    TEAM,
    VOICES,
    WAITING,
    analysed,
    composed,
    counts,
    identifier,
)

WORDY = TeamIdentity("wordy", "The team with " + "a rather long name of its own and " * 4, "An organisation of words")
TEXTS = ["The nurses were kind and made time for us.", "We waited a long time in the corridor.", "It was too long."]
LONG = "care came with much patience and warmth through all of that long and quiet night for us on each side"
CHANNELS = dict.fromkeys(("survey", "paper", "phone", "website", "care-opinion", "email", "app", "kiosk"), 10)


def source(number: int) -> QuoteSource:
    return QuoteSource(feedback_id=identifier(number), version=1, sentiment=1)


def said(number: int) -> str:
    return [*TEXTS, " ".join(f"{word}{chr(97 + number % 26)}" for word in LONG.split())][number % 4]


NUMBERED = st.lists(
    st.builds(
        lambda number, tone, theme: Candidate(str(number), said(number), tone, (theme,), partial(source, number)),
        st.integers(0, 40),
        st.integers(1, 5),
        st.sampled_from([MANNER, WAITING, LISTENING]),
    ),
    max_size=12,
    unique_by=lambda voice: voice.source,
)
TABLES = st.sampled_from(
    [
        counts(12, theme_positive={MANNER: 4}),
        counts(9, theme_positive={MANNER: 4}),
        counts(
            80,
            channel=CHANNELS,
            age={"unknown": 40},
            model={"sample-1": 40, "sample-2": 40},
            theme_positive={MANNER: 20, LISTENING: 20},
            theme_negative={WAITING: 20, MANNER: 20},
        ),
    ]
)


@given(NUMBERED, TABLES, st.sampled_from([TEAM, WORDY]))
@settings(max_examples=200, deadline=None)
def test_each_quote_has_its_own_source_in_its_place_whatever_there_was_room_for(
    voices: list[Candidate], counted: Any, team: TeamIdentity
) -> None:
    made = composed(counted, voices=voices, team=team)

    texts = {identifier(int(voice.source)): " ".join(voice.text.split()) for voice in voices}
    assert [texts[each.feedback_id] for each in made.sources] == [quote.text for quote in made.summary.quotes]


def test_the_page_without_room_for_all_its_quotes_has_fewer_sources() -> None:
    """Else the property above would say nothing of `_fitted`."""
    table = counts(
        80,
        channel=CHANNELS,
        age={"unknown": 40},
        text={"without": 20},
        language={"other": 20},
        model={"sample-1": 40, "sample-2": 40},
        theme_positive={MANNER: 20, LISTENING: 20},
        theme_negative={WAITING: 20, MANNER: 20},
    )
    voices = [
        Candidate(str(4 * n + 3), said(4 * n + 3), tone, (theme,), partial(source, 4 * n + 3))
        for n, (tone, theme) in enumerate([(1, MANNER), (4, WAITING), (1, LISTENING)])
    ]
    themes = {"theme_positive": {MANNER: 20, LISTENING: 20}, "theme_negative": {WAITING: 20}}
    roomy = composed(counts(80, **themes), voices=voices)
    tight = composed(table, voices=voices, team=WORDY)
    assert len(roomy.sources) == 3
    assert tight.sources == roomy.sources[: len(tight.summary.quotes)]
    assert len(tight.sources) < 3


def test_a_page_of_candidates_without_sources_has_none() -> None:
    assert composed(voices=VOICES).sources == ()
    assert composed(voices=[replace(VOICES[0], origin=partial(source, 1)), *VOICES[1:]]).sources == ()


def row(**fields: Any) -> Any:
    given: dict[str, Any] = {
        "feedback_id": identifier(1),
        "version": 2,
        "segments": [{"text": "They were kind.", "sentiment": 2, "themes": [MANNER]}],
        "measures": [["sentiment", "2"], ["theme", MANNER], ["theme_positive", MANNER]],
        "media": [],
    }
    return type("Row", (), {**given, **fields})


def test_a_source_says_how_the_whole_was_read() -> None:
    event = analysed(1, label=4, themes=(WAITING, MANNER))
    measures = [list(pair) for pair in sorted(measures_of(event))]
    ((_, origin),) = stretches(row(measures=measures))
    found = origin()
    assert (found.feedback_id, found.version, found.sentiment, found.whole) == (identifier(1), 2, 4, True)
    assert found.themes == (
        CorrectedTheme(name=MANNER, tone="negative"),
        CorrectedTheme(name=WAITING, tone="negative"),
    )
    assert found.media_id is None


def test_a_theme_that_is_raised_in_two_tones_stands_twice() -> None:
    measures = [("theme_positive", MANNER), ("theme", MANNER), ("theme_negative", MANNER), ("sentiment", "3")]
    assert as_read(measures) == as_read(reversed(measures))
    assert {theme.tone for theme in as_read(measures)[1]} == {"positive", "negative"}


FILM = {"media_id": str(identifier(7)), "content_type": "video/mp4"}
PHOTO = {"media_id": str(identifier(8)), "content_type": "image/jpeg"}


def test_what_was_spoken_says_where_and_what_was_written_beside_it_does_not() -> None:
    spoken = {"text": "They were kind.", "sentiment": 1, "themes": [], "start_seconds": 12.5}
    written = {"text": "It was at night.", "sentiment": 3, "themes": []}
    found = [origin() for _, origin in stretches(row(segments=[written, spoken], media=[PHOTO, FILM]))]
    assert [(each.media_id, each.content_type, each.start_seconds) for each in found] == [
        (None, None, None),
        (identifier(7), "video/mp4", 12.5),
    ]
    assert not any(each.whole for each in found)


@pytest.mark.parametrize("start", [-1.0, 1e9, math.nan, math.inf])
def test_a_second_that_cannot_be_costs_the_link_and_not_the_page(start: float) -> None:
    segment = {"text": "They were kind.", "sentiment": 1, "themes": [], "start_seconds": start}
    ((_, origin),) = stretches(row(segments=[segment], media=[FILM]))
    found = origin()
    assert (found.media_id, found.start_seconds) == (None, None)


def test_more_themes_than_a_source_takes_or_nameless_ones_cost_no_page() -> None:
    measures = [("theme_neutral", f"theme {number}") for number in range(300)] + [("theme_neutral", " ")]
    made = source_of(row(measures=measures), {"sentiment": 3}, whole=True)
    assert (len(made.themes), made.sentiment) == (100, 3)
