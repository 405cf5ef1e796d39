"""How a submission becomes an event: pseudonyms, dropped addresses, content that can be compared."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.feedback import LARGEST_EVENT, Prepared, prepare
from services.gateway.integrations import Integration
from services.gateway.problems import Problem
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.store import Journey, in_rounds
from services.gateway.submission import read_submission
from shared.events import FeedbackSubmitted, feedback_id

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = Pseudonyms(b"k" * 32)
SURVEY = Integration("survey", (), NOW)

COMMENT: dict[str, Any] = {
    "kind": "comment",
    "source_id": "1",
    "channel": "survey",
    "text": "The nurses were kind.",
    "occurred_at": "2026-03-01",
    "about": {"organisation": "Brookvale Hospital"},
}
POST = {**COMMENT, "kind": "social_post", "author_id": "@jo.smith", "url": "https://social.example/jo.smith/1"}
VIDEO = {
    **COMMENT,
    "kind": "video",
    "transcript": [{"start_seconds": 0, "end_seconds": 1.5, "text": "Thank you"}],
    "media": {"content_type": "video/mp4", "duration_seconds": 2, "url": "https://films.example/1"},
}


def prepared(
    body: dict[str, Any], integration: Integration = SURVEY, key: Pseudonyms = KEY, now: datetime = NOW
) -> Prepared:
    return prepare(read_submission(json.dumps(body).encode(), NOW), integration, key, now)


def event(body: dict[str, Any], integration: Integration = SURVEY) -> FeedbackSubmitted:
    return FeedbackSubmitted.model_validate_json(prepared(body, integration).event)


def test_the_id_is_the_one_that_everyone_can_compute() -> None:
    assert prepared(COMMENT).feedback_id == feedback_id("survey", "1")


def test_the_event_says_what_was_submitted() -> None:
    full = {
        **COMMENT,
        "question": "What was good?",
        "question_type": "what_good",
        "rating": 1,
        "language": "en-GB",
        "about": {"organisation": "A", "service": "B", "unit": "C", "site": "D"},
        "submitter": {"role": "carer", "age_band": "35_44"},
        "consent": {"quote": True, "contact": False},
    }
    told = event(full).model_dump(mode="json")
    for name in ("text", "question", "question_type", "rating", "language", "about", "consent"):
        assert told[name] == full[name]
    assert told["submitter"] == {"pseudonym": None, "role": "carer", "age_band": "35_44"}
    assert told["source"] == {"integration": "survey", "channel": "survey"}
    assert told["received_at"] == "2026-06-01T12:00:00Z"


def test_an_author_becomes_a_pseudonym_and_the_address_is_dropped() -> None:
    raw = prepared(POST).event
    assert "jo.smith" not in raw
    assert "social.example" not in raw
    assert event(POST).submitter.pseudonym == KEY.submitter("survey", "@jo.smith")


def test_a_submitters_own_id_goes_before_the_author() -> None:
    assert event({**POST, "submitter": {"id": "panel-7"}}).submitter.pseudonym == KEY.submitter("survey", "panel-7")


def test_a_recordings_address_is_dropped() -> None:
    assert "films.example" not in prepared(VIDEO).event
    (media,) = event(VIDEO).media
    assert (media.content_type, media.duration_seconds) == ("video/mp4", 2)


def test_a_recording_has_the_same_media_id_each_time() -> None:
    assert event(VIDEO).media == event({**VIDEO, "rating": 2}).media


def test_a_transcript_is_kept_in_order() -> None:
    assert [segment.text for segment in event(VIDEO).transcript] == ["Thank you"]


def test_pseudonyms_differ_between_integrations() -> None:
    assert KEY.submitter("a", "jo") != KEY.submitter("b", "jo")
    assert KEY.submitter("ab", "c") != KEY.submitter("a", "bc")


def test_pseudonyms_and_hashes_depend_on_the_key() -> None:
    other = Pseudonyms(b"o" * 32)
    assert KEY.submitter("a", "jo") != other.submitter("a", "jo")
    assert prepared(COMMENT).content_hash != prepared(COMMENT, key=other).content_hash


def test_the_same_content_has_the_same_hash_whenever_it_comes() -> None:
    assert prepared(COMMENT).content_hash == prepared(COMMENT, now=NOW + timedelta(days=3)).content_hash


def test_the_same_moment_told_in_another_way_is_the_same_content() -> None:
    assert (
        prepared(COMMENT).content_hash == prepared({**COMMENT, "occurred_at": "2026-03-01T13:00:00+01:00"}).content_hash
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "The nurses were kind!"},
        {"rating": 1},
        {"channel": "letter"},
        {"occurred_at": "2026-03-02"},
        {"about": {"organisation": "Brookvale Hospital", "unit": "Willow Ward"}},
        {"consent": {"quote": True}},
        {"submitter": {"id": "jo"}},
    ],
)
def test_changed_content_has_another_hash(changes: dict[str, Any]) -> None:
    assert prepared(COMMENT).content_hash != prepared({**COMMENT, **changes}).content_hash


@given(st.text(min_size=1, max_size=50), st.integers(1, 5) | st.none())
def test_any_content_equals_itself_only(text: str, rating: int | None) -> None:
    body = {**COMMENT, "text": f"x{text.replace(chr(0), '').encode(errors='ignore').decode()}", "rating": rating}
    assert prepared(body).content_hash == prepared(dict(reversed(body.items()))).content_hash
    assert prepared(body).content_hash != prepared({**body, "text": f"{body['text']}y"}).content_hash


def test_an_event_that_outgrows_a_record_is_refused() -> None:
    segment = {"start_seconds": 1e-300, "end_seconds": 86399.123456789, "text": "🙏" * 9}
    with pytest.raises(Problem) as caught:
        prepared({**VIDEO, "text": "", "transcript": [segment] * 10_000})
    assert caught.value.status == 413
    assert str(LARGEST_EVENT) in caught.value.detail


@pytest.mark.parametrize("organisation", ["Brookvale Hospital", "BROOKVALE\u00a0 hospital ", "brookvale hospital"])
def test_an_organisation_is_known_whatever_its_case_and_spaces(organisation: str) -> None:
    limited = Integration("survey", ("Oakfield", "Brookvale  Hospital"), NOW)
    assert event({**COMMENT, "about": {"organisation": organisation}}, limited).about.organisation


def test_an_unknown_organisation_is_named() -> None:
    with pytest.raises(Problem) as caught:
        prepared(COMMENT, Integration("survey", ("Oakfield",), NOW))
    assert (caught.value.status, caught.value.errors[0][0]) == (422, "about.organisation")
    assert "Brookvale" not in json.dumps(caught.value.document())


@given(st.lists(st.integers(0, 3), max_size=12))
def test_no_round_holds_an_id_twice_and_mentions_keep_their_order(numbers: list[int]) -> None:
    items = [Prepared(UUID(int=number), b"", "") for number in numbers]
    rounds = in_rounds(items)
    assert sorted(place for places in rounds for place in places) == list(range(len(numbers)))
    for places in rounds:
        assert len({numbers[place] for place in places}) == len(places)
    for number in set(numbers):
        order = [place for places in rounds for place in places if numbers[place] == number]
        assert order == sorted(order)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "received"),
        ({"read_version": 2, "read_at": NOW}, "read"),
        ({"read_version": 1, "read_at": NOW}, "received"),
        ({"read_version": 2, "read_at": NOW, "summarised": (("a", NOW.date()),)}, "summarised"),
        ({"summarised": (("a", NOW.date()),)}, "summarised"),
        ({"read_version": 1, "read_at": NOW, "summarised": (("a", NOW.date()),)}, "received"),
        ({"read_version": 2, "read_at": NOW, "withdrawn_at": NOW}, "withdrawn"),
    ],
)
def test_a_journey_knows_its_state(changes: dict[str, Any], state: str) -> None:
    known: dict[str, Any] = {"read_version": None, "read_at": None, "withdrawn_at": None, "summarised": (), **changes}
    assert Journey("receipt", UUID(int=1), 2, NOW, **known).state == state
