"""A receipt in words: every state that the gateway may tell, and no word that a patient has no use for."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any, get_args
from uuid import UUID

import pytest

from services.gateway.openapi import MediaState
from services.media.reasons import Reason
from services.portal.assets import Assets
from services.portal.commitment_routes import Told
from services.portal.directory import UNROUTED, Directory, Team
from services.portal.receipt_view import (
    REASONS,
    RECORDINGS,
    Part,
    period_name,
    receipt_view,
    recording,
    team_name,
)
from services.portal.receipts import Journey, Recording
from services.portal.views import Views

RECEIVED = datetime(2026, 6, 7, 23, 30, tzinfo=UTC)
READ = datetime(2026, 6, 9, 12, tzinfo=UTC)
RECEIPT = "q3yV0mWZk2b1T9cXr7LhA4eN"
DIRECTORY = Directory(teams=(Team(id="maternity", name="Harbour maternity team", organisation="Riverside"),))
DOING = Told(
    commitment_id=UUID(int=1),
    period="2026-05-01",
    about="how long people waited",
    state="Cannot change",
    text="The line is shared.",
    because="it belongs to another trust",
    how="the shift lead, since 20 May 2026",
)


def shown(*parts: Part, **told: Any) -> str:
    """The page's words, as one line."""
    journey = Journey(**{"state": "received", "received_at": RECEIVED, **told})
    page = Views(Assets().paths).html("receipts/receipt.html", None, receipt=RECEIPT, view=receipt_view(journey, parts))
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def done(words: str) -> list[bool]:
    """Which of the steps are done, in order."""
    return [tag == "Done" for tag in re.findall(r"\b(Done|Not yet)\b", words)]


def test_what_was_received_waits_to_be_read() -> None:
    words = shown()
    assert "It came on 8 June 2026." in words, "the day where the patient is"
    assert done(words) == [True, False, False, False]
    assert "A computer program will read it." in words
    assert "Take it back" in words


def test_what_was_read_waits_for_a_summary() -> None:
    words = shown(state="read", read_at=READ)
    assert done(words) == [True, True, False, False]
    assert "A computer program read it on 9 June 2026." in words


def test_a_change_waits_to_be_read_while_the_old_words_stay_in_their_summary() -> None:
    words = shown(Part("Harbour maternity team", "May 2026", ()), state="received", read_at=READ)
    assert done(words) == [True, False, True, False]
    assert "Your words were changed." in words


def test_a_summary_names_team_and_period_before_the_team_does_anything() -> None:
    words = shown(Part("Harbour maternity team", "May 2026", ()), state="summarised", read_at=READ)
    assert done(words) == [True, True, True, False]
    assert "Harbour maternity team, for May 2026" in words
    assert "has not written here yet what it does" in words


def test_what_a_team_does_is_told_with_role_and_day() -> None:
    parts = (Part("a team", "May 2026", (DOING,)), Part("Harbour maternity team", "June 2026", ()))
    words = shown(*parts, state="summarised", read_at=READ)
    assert done(words) == [True, True, True, True]
    assert "A team, May 2026" in words
    assert "Cannot change , about how long people waited: The line is shared." in words
    assert "Because it belongs to another trust. (the shift lead, since 20 May 2026)" in words
    assert "Harbour maternity team, June 2026" not in words, "nothing stands there"


def test_what_was_withdrawn_is_forgotten_and_nothing_else_is_told() -> None:
    part = Part("Harbour maternity team", "May 2026", (DOING,))
    words = shown(part, state="withdrawn", read_at=READ, withdrawn_at=READ)
    assert "We have forgotten it" in words
    assert "It was taken back on 9 June 2026." in words
    for gone in ("Harbour", "The line is shared", "Take it back", "Done", "Not yet"):
        assert gone not in words


@pytest.mark.parametrize("state", get_args(MediaState))
def test_every_state_of_a_recording_is_told(state: str) -> None:
    told = recording(Recording(state=state))
    assert told == (RECORDINGS[state],)
    assert RECORDINGS[state] in shown(media={"state": state})


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_told_in_words(reason: Reason) -> None:
    told = " ".join(recording(Recording(state="rejected", reason=reason.value)))
    assert told == f"{RECORDINGS['rejected']} {REASONS[reason.value]}"
    assert reason.value not in told


def test_what_a_newer_gateway_tells_of_a_recording_is_left_out() -> None:
    assert recording(Recording(state="dreamt")) == ()
    assert recording(Recording(state="rejected", reason="new")) == (RECORDINGS["rejected"],)


def test_a_team_that_has_left_is_a_team() -> None:
    assert team_name(DIRECTORY, "maternity") == "Harbour maternity team"
    assert team_name(DIRECTORY, "gone-long-ago") == "a team"
    assert UNROUTED not in team_name(DIRECTORY, UNROUTED)


def test_a_period_without_a_page_is_told_by_its_first_day() -> None:
    assert period_name(date(2026, 4, 1), "quarter") == "April to June 2026"
    assert period_name(date(2026, 4, 1), None) == "the time from 1 April 2026"


def test_sentences_are_short() -> None:
    part = Part("Harbour maternity team", "May 2026", ())
    for words in (shown(), shown(part, state="summarised", read_at=READ), shown(state="withdrawn", withdrawn_at=READ)):
        longest = max(re.split(r"[.:?]\s", words.partition("Skip to main content")[2]), key=lambda s: len(s.split()))
        assert len(longest.split()) <= 30, longest
