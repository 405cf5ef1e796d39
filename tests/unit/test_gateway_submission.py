"""What an integration may send, and how a refusal is worded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.gateway.problems import MOST_ERRORS, Problem
from services.gateway.submission import CommentInput, SocialPostInput, VideoInput, read_submission

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

COMMENT: dict[str, Any] = {
    "kind": "comment",
    "source_id": "1",
    "channel": "survey",
    "text": "The nurses were kind.",
    "occurred_at": "2026-03-01",
    "about": {"organisation": "Brookvale Hospital"},
}
VIDEO = {name: value for name, value in COMMENT.items() if name != "text"} | {"kind": "video"}


def read(**changes: Any) -> CommentInput | SocialPostInput | VideoInput:
    return read_submission(json.dumps({**COMMENT, **changes}).encode(), NOW)


def refusal(body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        read_submission(body, NOW)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "Great staff 👩🏽‍⚕️🙏 and a 🇬🇧 flag",
        "כולם היו אדיבים מאוד",
        "\u202eكان الجميع لطيفا\u202c",  # noqa: RUF001 - it is Arabic
        "Tab\there\r\nand a new line",
        "e\u0301 stays decomposed",
    ],
)
def test_text_of_any_script_stays_intact(text: str) -> None:
    assert read(text=text).text == text


@pytest.mark.parametrize("control", ["\x01", "\x1b", "\x7f", "\x85", "\x9f"])
def test_a_control_character_becomes_a_space(control: str) -> None:
    assert read(text=f"kind{control}nurse").text == "kind nurse"


def test_text_may_have_its_full_length() -> None:
    assert len(read(text="x" * 100_000).text) == 100_000


def test_white_space_in_names_is_collapsed() -> None:
    about = read(about={"organisation": " Brookvale\u00a0\u00a0 Hospital\n", "unit": "Willow  Ward"}).about
    assert (about.organisation, about.unit) == ("Brookvale Hospital", "Willow Ward")


@pytest.mark.parametrize("name", ["service", "unit", "site"])
def test_a_blank_optional_name_is_none(name: str) -> None:
    assert getattr(read(about={"organisation": "A", name: "\u00a0 "}).about, name) is None


def test_null_means_not_told() -> None:
    submission = read(rating=None, language=None, question=None, submitter=None, consent=None, question_type=None)
    assert submission == read()


def test_a_byte_order_mark_is_ignored() -> None:
    assert read_submission(b"\xef\xbb\xbf" + json.dumps(COMMENT).encode(), NOW) == read()


def test_a_source_id_is_kept_as_it_is() -> None:
    assert read(source_id=" A/1 ").source_id == " A/1 "


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        pytest.param("2026-01-15", "2026-01-15T12:00:00Z", id="a winter's date is noon in London"),
        pytest.param("2026-05-15", "2026-05-15T11:00:00Z", id="a summer's date is noon in London"),
        pytest.param("2026-05-15T09:30", "2026-05-15T08:30:00Z", id="no offset is London time"),
        pytest.param("2026-05-15 09:30:01.5", "2026-05-15T08:30:01.500Z", id="a blank for the T"),
        pytest.param("2026-05-15T09:30:00+02:00", "2026-05-15T07:30:00Z", id="offset"),
        pytest.param("2026-05-15t09:30:00z", "2026-05-15T09:30:00Z", id="lower case"),
        pytest.param("2026-06-02T11:59:59Z", "2026-06-02T11:59:59Z", id="a clock that is a day fast"),
        pytest.param("1948-07-05", "1948-07-05T11:00:00Z", id="the first day of the NHS"),
    ],
)
def test_a_moment_is_read(given: str, moment: str) -> None:
    assert read(occurred_at=given).occurred_at == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("2026-06-02T12:00:01Z", "must not be in the future"),
        ("2026-06-03", "must not be in the future"),
        ("9999-12-31T23:59:59-12:00", "must not be in the future"),
        ("1948-07-04", "must not be before 1948-07-05"),
        ("0001-01-01T00:00:00+14:00", "must not be before 1948-07-05"),
        ("2026-02-30", "is not a date that exists"),
        ("2026-01-01T24:30:00Z", "is not a date that exists"),
        ("2026-01-01T00:00:00+99:00", "is not a date that exists"),
    ],
)
def test_a_moment_out_of_range_is_refused(given: str, problem: str) -> None:
    assert refusal(json.dumps({**COMMENT, "occurred_at": given}).encode()).errors == [("occurred_at", problem)]


@pytest.mark.parametrize("given", ["01/03/2026", "20260301", "2026-W10-7", "yesterday", "", 1772323200, None, True])
def test_a_moment_of_another_form_is_refused(given: object) -> None:
    ((field, problem),) = refusal(json.dumps({**COMMENT, "occurred_at": given}).encode()).errors
    assert field == "occurred_at"
    assert problem.startswith("must be an ISO 8601 date or datetime")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"kind": "comment",}',
        b"\xff\xfe",
        json.dumps(COMMENT).encode().replace(b"kind.", b"k\xffnd."),
        json.dumps({**COMMENT, "text": "\ud800"}).encode(),
        b"[" * 100_000,
        b'{"about":' * 50_000,
        json.dumps(COMMENT).encode()[:-1] + b',"rating":' + b"9" * 5_000 + b"}",
        json.dumps(COMMENT).encode("utf-16"),
    ],
    ids=[
        "empty",
        "cut off",
        "comma",
        "not UTF-8",
        "invalid UTF-8 in text",
        "lone surrogate",
        "deep list",
        "deep object",
        "a number of 5,000 digits",
        "UTF-16",
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    problem = refusal(body)
    assert (problem.status, problem.errors[0][0]) == (400, "body")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"true", b"NaN"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    problem = refusal(body)
    assert (problem.status, problem.errors) == (422, [("body", "must be a JSON object")])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "letter"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["comment"]}, "kind"),
        ({"source_id": ""}, "source_id"),
        ({"source_id": "x" * 201}, "source_id"),
        ({"source_id": "a\nb"}, "source_id"),
        ({"source_id": 7}, "source_id"),
        ({"channel": " "}, "channel"),
        ({"text": ""}, "text"),
        ({"text": " \n\t\u00a0\u200b\ufeff"}, "text"),
        ({"text": "\x01\x02"}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "x" * 100_001}, "text"),
        ({"text": None}, "text"),
        ({"text": ["a"]}, "text"),
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": 10**300}, "rating"),
        ({"rating": 2.5}, "rating"),
        ({"rating": "2"}, "rating"),
        ({"rating": True}, "rating"),
        ({"rating": float("nan")}, "rating"),
        ({"rating": float("inf")}, "rating"),
        ({"language": "English"}, "language"),
        ({"question_type": "good"}, "question_type"),
        ({"question": "x" * 501}, "question"),
        ({"question": "\x00"}, "question"),
        ({"about": None}, "about"),
        ({"about": {}}, "about.organisation"),
        ({"about": {"organisation": "\u00a0"}}, "about.organisation"),
        ({"about": {"organisation": "x" * 201}}, "about.organisation"),
        ({"about": {"organisation": "A", "ward": "B"}}, "about.ward"),
        ({"about": {"organisation": "A", "unit": "\x00"}}, "about.unit"),
        ({"submitter": {"id": ""}}, "submitter.id"),
        ({"submitter": {"role": "doctor"}}, "submitter.role"),
        ({"submitter": {"age_band": "40"}}, "submitter.age_band"),
        ({"submitter": {"name": "Jo"}}, "submitter.name"),
        ({"consent": {"quote": "yes"}}, "consent.quote"),
        ({"consent": {"media": True}}, "consent.media"),
        ({"txet": "typo"}, "txet"),
        ({"author_id": "x"}, "author_id"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], field: str) -> None:
    problem = refusal(json.dumps({**COMMENT, **changes}).encode())
    assert (problem.status, [name for name, _ in problem.errors]) == (422, [field])


def test_an_empty_id_is_told_in_plain_words() -> None:
    assert list(refusal(json.dumps({**COMMENT, "source_id": ""}).encode()).errors) == [
        ("source_id", "must not be empty")
    ]


@pytest.mark.parametrize("field", ["kind", "source_id", "channel", "text", "occurred_at", "about"])
def test_a_missing_field_is_named(field: str) -> None:
    body = {name: value for name, value in COMMENT.items() if name != field}
    ((named, problem),) = refusal(json.dumps(body).encode()).errors
    assert named == field
    assert problem.startswith("is required")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"transcript": [{"start_seconds": 2, "end_seconds": 1, "text": "x"}]}, "transcript.0.end_seconds"),
        ({"transcript": [{"start_seconds": -1, "end_seconds": 1, "text": "x"}]}, "transcript.0.start_seconds"),
        ({"transcript": [{"start_seconds": 0, "end_seconds": 1e300, "text": "x"}]}, "transcript.0.end_seconds"),
        ({"transcript": [{"start_seconds": 0, "end_seconds": 1, "text": "\x00"}]}, "transcript.0.text"),
        ({"transcript": [{"start_seconds": 0, "end_seconds": 1, "text": "x" * 60_000}] * 2}, "transcript"),
        ({"transcript": [{"start_seconds": 0, "end_seconds": 1, "text": ""}] * 10_001}, "transcript"),
        ({"transcript": {}}, "transcript"),
        ({"media": {}}, "media.content_type"),
        ({"media": {"content_type": "video/mp4", "duration_seconds": float("nan")}}, "media.duration_seconds"),
        ({"media": {"content_type": "video/mp4", "file": "x"}}, "media.file"),
    ],
)
def test_a_bad_field_of_a_video_is_named(changes: dict[str, Any], field: str) -> None:
    problem = refusal(json.dumps({**VIDEO, **changes}).encode())
    assert (problem.status, [name for name, _ in problem.errors]) == (422, [field])


def test_a_video_needs_no_text() -> None:
    assert read_submission(json.dumps(VIDEO).encode(), NOW).text == ""


def test_text_and_transcript_share_the_limit() -> None:
    segment = {"start_seconds": 0, "end_seconds": 1, "text": "x" * 60_000}
    problem = refusal(json.dumps({**VIDEO, "text": "y" * 60_000, "transcript": [segment]}).encode())
    assert [name for name, _ in problem.errors] == ["transcript"]


def test_all_bad_fields_are_named_together() -> None:
    problem = refusal(json.dumps({**COMMENT, "text": " ", "rating": 9, "about": {}}).encode())
    assert [name for name, _ in problem.errors] == ["rating", "about.organisation", "text"]


def test_a_flood_of_bad_fields_is_cut_short() -> None:
    problem = refusal(json.dumps({**COMMENT, **{f"x{number}": 1 for number in range(1_000)}}).encode())
    assert len(problem.errors) == MOST_ERRORS
    assert problem.detail.endswith("and 990 more.")


def test_an_unknown_field_with_a_long_name_is_cut_short() -> None:
    ((field, _),) = refusal(json.dumps({**COMMENT, "\x1b" + "x" * 5_000: 1}).encode()).errors
    assert field == "?" + "x" * 63


SECRET = "Sister Grace dropped me"


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": SECRET},
        {"source_id": SECRET * 20},
        {"channel": {SECRET: SECRET}},
        {"text": SECRET + "\x00"},
        {"text": [SECRET]},
        {"occurred_at": SECRET},
        {"rating": SECRET},
        {"language": SECRET},
        {"question_type": SECRET},
        {"about": SECRET},
        {"submitter": {"role": SECRET}},
        {"consent": {"quote": SECRET}},
    ],
)
def test_a_refusal_never_repeats_the_value(changes: dict[str, Any]) -> None:
    problem = refusal(json.dumps({**COMMENT, **changes}).encode())
    assert "Grace" not in json.dumps(problem.document())
    assert "Grace" not in str(problem)
    assert "Grace" not in repr(problem.__cause__)
