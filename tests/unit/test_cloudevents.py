from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloudevents import decode, encode, header
from shared.errors import InvalidRecord
from shared.events import FeedbackSubmitted, FeedbackWithdrawn
from tests.doubles import submitted

SECRET = "planted words of a patient"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_what_is_encoded_decodes_to_the_same(text: str) -> None:
    event = submitted(text=text)
    key, value, headers = encode(event, "/heed/test")
    assert key == str(event.feedback_id).encode()
    assert decode(FeedbackSubmitted, value, headers) == event


def test_carries_the_trace_on() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert header(encode(submitted(), "/heed/test", parent)[2], "traceparent") == parent


def test_the_id_is_the_same_for_the_same_version() -> None:
    first, again, edited = (encode(submitted(version=version), "/heed/test")[2] for version in (1, 1, 2))
    assert header(first, "ce_id") == header(again, "ce_id") != header(edited, "ce_id")


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (None, [("ce_type", b"heed.feedback.submitted.v1")], "null_value"),
        (b"{}", [], "missing_ce_type"),
        (b"{}", [("ce_type", b"heed.feedback.submitted.v9")], "unknown_event_type"),
        (b"{}", [("ce_type", b"heed.feedback.submitted.v1"), ("x", b"\xff")], "header_not_utf8"),
        (b"{not json", [("ce_type", b"heed.feedback.submitted.v1")], "invalid_json"),
        (b"\xff\xfe", [("ce_type", b"heed.feedback.submitted.v1")], "invalid_json"),
        (b"{}", [("ce_type", b"heed.feedback.submitted.v1")], "invalid_feedback_id:missing"),
    ],
)
def test_a_bad_record_has_a_reason(value: bytes | None, headers: list[tuple[str, bytes]], reason: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        decode(FeedbackSubmitted, value, headers)
    assert refused.value.reason == reason


def test_the_reason_never_quotes_the_record() -> None:
    value = submitted().model_dump_json().replace('"comment"', f'"{SECRET}"').encode()
    with pytest.raises(InvalidRecord) as refused:
        decode(FeedbackSubmitted, value, [("ce_type", FeedbackSubmitted.ce_type.encode())])
    assert refused.value.reason == "invalid_kind:enum"
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_another_events_bytes_are_refused() -> None:
    _, value, headers = encode(submitted(), "/heed/test")
    with pytest.raises(InvalidRecord, match="unknown_event_type"):
        decode(FeedbackWithdrawn, value, headers)


def test_the_reason_names_a_field_of_ours_and_nothing_below_it() -> None:
    wrong = submitted().model_dump(mode="json") | {"transcript": [{"start_seconds": "x", SECRET: 1}]}
    with pytest.raises(InvalidRecord) as refused:
        decode(FeedbackSubmitted, json.dumps(wrong).encode(), [("ce_type", FeedbackSubmitted.ce_type.encode())])
    assert refused.value.reason == "invalid_transcript:float_parsing"
