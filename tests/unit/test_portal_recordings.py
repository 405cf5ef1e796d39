"""What a link to a recording says, and where it leads."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.portal.recording_routes import spots_of
from services.portal.recordings import Spot
from shared.sources import PageSources, QuoteSource
from tests.unit.portal_examples import MAY, TEAM

FILM = UUID("6e1b7f0e-6a36-4a1f-9a51-0d4f6f0a6a02")


@pytest.mark.parametrize(
    ("content_type", "start", "label", "fragment"),
    [
        ("video/mp4", 12.34, "Watch from 0:12", "#t=12.3"),
        ("video/webm", 0.0, "Watch from 0:00", ""),
        ("audio/mpeg", 61.0, "Listen from 1:01", "#t=61"),
        ("audio/ogg", 3_665.96, "Listen from 1:01:05", "#t=3665.9"),
        ("video/mp4", None, "Watch", ""),
        ("image/jpeg", None, "See the picture", ""),
        ("image/jpeg", 4.0, "See the picture", "#t=4"),
        ("", None, "Open the recording", ""),
    ],
)
def test_a_link_says_what_one_does_and_from_when(
    content_type: str, start: float | None, label: str, fragment: str
) -> None:
    spot = Spot(FILM, content_type, start)
    assert (spot.label, spot.fragment) == (label, fragment)


def source(media_id: UUID | None, start: float | None = None) -> QuoteSource:
    content_type = None if media_id is None else "video/mp4"
    return QuoteSource(
        feedback_id=UUID(int=1),
        version=1,
        sentiment=1,
        media_id=media_id,
        content_type=content_type,
        start_seconds=start,
    )


def test_only_a_quote_that_was_said_leads_anywhere() -> None:
    sources = PageSources(
        team_id=TEAM,
        period=MAY,
        revision=1,
        quotes=(source(None), source(FILM, 2.5)),
        generated_at=datetime(2026, 6, 1, tzinfo=UTC),
    )
    assert spots_of(sources) == {2: Spot(FILM, "video/mp4", 2.5)}
    assert spots_of(None) == {}
