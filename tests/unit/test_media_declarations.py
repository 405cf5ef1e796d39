"""What an integration may declare, and what event comes of it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.integrations import Integration
from services.gateway.openapi import RECORDING_EXAMPLE
from services.gateway.problems import Problem
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.recording import CAPTIONS, RECORDINGS, Limits, read_recording
from services.gateway.uploads import PreparedUpload, prepare_upload, quarantine
from services.media.signatures import CONTENT_TYPES
from shared.events import feedback_id
from shared.media import MOST_BYTES, MediaUploaded
from shared.objects import ObjectStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = Pseudonyms(b"k" * 32)
SURVEY = Integration("survey", (), NOW)
LIMITS = Limits(MOST_BYTES, (30, 90, 365))

FILM: dict[str, Any] = {"kind": "video", "size": 1_000, "sha256": "a" * 64, "content_type": "video/mp4"}
WORDS: dict[str, Any] = {"size": 100, "sha256": "b" * 64, "content_type": "text/vtt"}
BODY: dict[str, Any] = {
    "source_id": "film-1",
    "channel": "kiosk",
    "occurred_at": "2026-03-01",
    "about": {"organisation": "Brookvale Hospital"},
    "media": FILM,
}


def prepared(body: dict[str, Any], limits: Limits = LIMITS, now: datetime = NOW) -> PreparedUpload:
    return prepare_upload(read_recording(json.dumps(body).encode(), now, limits), SURVEY, KEY, limits, now)


def event(body: dict[str, Any]) -> MediaUploaded:
    return MediaUploaded.model_validate_json(prepared(body).event)


def refusal(body: dict[str, Any], limits: Limits = LIMITS) -> tuple[int, list[tuple[str, str]]]:
    with pytest.raises(Problem) as caught:
        prepared(body, limits)
    return caught.value.status, list(caught.value.errors)


def with_media(**changes: Any) -> dict[str, Any]:
    return {**BODY, "media": {**FILM, **changes}}


@pytest.mark.parametrize(
    ("kind", "content_type"), [(kind, each) for kind, types in RECORDINGS.items() for each in types]
)
def test_each_allowed_type_is_taken_for_its_kind_alone(kind: str, content_type: str) -> None:
    assert event(with_media(kind=kind, content_type=content_type)).files[0].content_type == content_type
    for other in RECORDINGS:
        if other != kind:
            assert refusal(with_media(kind=other, content_type=content_type))[1][0][0] == "media.content_type"


def test_what_is_taken_here_is_what_the_media_service_knows() -> None:
    ours = {each: kind for kind, types in RECORDINGS.items() for each in types} | dict.fromkeys(CAPTIONS, "captions")
    assert ours == {each: declared.purpose for each, declared in CONTENT_TYPES.items()}


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ten gigabytes": (with_media(size=10 * 1024**3), ["media.size"]),
    "a number beyond all": (with_media(size=10**400), ["media.size"]),
    "nothing": (with_media(size=0), ["media.size"]),
    "less than nothing": (with_media(size=-1), ["media.size"]),
    "a size in words": (with_media(size="1000"), ["media.size"]),
    "SVG": (with_media(kind="image", content_type="image/svg+xml"), ["media.content_type"]),
    "HTML": (with_media(content_type="text/html"), ["media.content_type"]),
    "a type with a line end": (with_media(content_type="video/mp4\r\nX: y"), ["media.content_type"]),
    "a type with a parameter": (with_media(content_type="video/mp4; codecs=x"), ["media.content_type"]),
    "a kind that is none": (with_media(kind="zip"), ["media.kind"]),
    "a checksum too short": (with_media(sha256="a" * 63), ["media.sha256"]),
    "a checksum of other digits": (with_media(sha256="٣" * 64), ["media.sha256"]),
    "a file name": (with_media(name="../../etc/passwd"), ["media.name"]),
    "a key": (with_media(object_key="clean/x"), ["media.object_key"]),
    "an address": (with_media(url="http://169.254.169.254/"), ["media.url"]),
    "an endless film": (with_media(duration_seconds=86_401), ["media.duration_seconds"]),
    "no recording": ({key: value for key, value in BODY.items() if key != "media"}, ["media"]),
    "captions of a picture": (
        {**with_media(kind="image", content_type="image/png"), "captions": WORDS},
        ["captions"],
    ),
    "captions of six megabytes": ({**BODY, "captions": {**WORDS, "size": 6 * 1024**2}}, ["captions.size"]),
    "captions in HTML": ({**BODY, "captions": {**WORDS, "content_type": "text/html"}}, ["captions.content_type"]),
    "a consent that is none": ({**BODY, "consent": {"bystanders": "probably"}}, ["consent.bystanders"]),
    "a retention of its own": ({**BODY, "retention_days": 91}, ["retention_days"]),
    "a retention for ever": ({**BODY, "retention_days": 10**9}, ["retention_days"]),
    "a kind of feedback": ({**BODY, "kind": "video"}, ["kind"]),
    "a transcript of its own": ({**BODY, "transcript": []}, ["transcript"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named_and_not_repeated(case: str) -> None:
    body, fields = BAD[case]
    status, errors = refusal(body)
    assert (status, [field for field, _ in errors]) == (422, fields)
    assert "passwd" not in str(errors)


def test_an_operator_may_allow_less() -> None:
    status, errors = refusal(BODY, Limits(999, (7,)))
    assert (status, errors) == (422, [("media.size", "must be at most 999")])
    _, errors = refusal({**BODY, "retention_days": 30}, Limits(MOST_BYTES, (7, 14)))
    assert errors == [("retention_days", "must be one of: 7, 14")]


def test_an_organisation_that_is_not_the_integrations_is_refused() -> None:
    own = Integration("survey", ("Another",), NOW)
    with pytest.raises(Problem, match="may not submit"):
        prepare_upload(read_recording(json.dumps(BODY).encode(), NOW, LIMITS), own, KEY, LIMITS, NOW)


def test_nothing_is_assumed_of_a_consent_that_was_not_told() -> None:
    told = event(BODY)
    assert (told.consent.bystanders, told.consent.staff, told.consent.poster) == ("unresolved", "unresolved", False)
    assert not told.consent.resolved
    assert not told.feedback.consent.quote


def test_the_retention_is_the_one_chosen_and_else_the_shortest() -> None:
    assert event({**BODY, "retention_days": 365}).retention_days == 365
    shortest = prepared(BODY, Limits(MOST_BYTES, (90, 14, 365)))
    assert MediaUploaded.model_validate_json(shortest.event).retention_days == 14


def test_files_lie_where_we_say_and_are_named_by_us() -> None:
    told = event({**BODY, "captions": WORDS})
    assert [file.object_key for file in told.files] == [
        f"quarantine/{told.media_id}/recording",
        f"quarantine/{told.media_id}/captions",
    ]
    assert quarantine(told.media_id).endswith("/"), "no other recording's folder begins with it"


def test_a_recording_has_the_id_of_its_feedback() -> None:
    one, other = prepared(BODY), prepared({**BODY, "source_id": "film-2"})
    assert one.feedback_id == feedback_id("survey", "film-1")
    assert one.media_id == prepared(BODY).media_id != other.media_id


def test_the_same_declaration_is_known_again_whenever_it_comes() -> None:
    assert prepared(BODY).content_hash == prepared(BODY, now=NOW.replace(hour=15)).content_hash


@pytest.mark.parametrize(
    "change",
    [
        {"media": {**FILM, "sha256": "c" * 64}},
        {"media": {**FILM, "size": 1_001}},
        {"captions": WORDS},
        {"consent": {"staff": "agreed"}},
        {"consent": {"quote": True}},
        {"retention_days": 90},
        {"text": "More"},
        {"rating": 1},
    ],
)
def test_a_change_is_a_change(change: dict[str, Any]) -> None:
    assert prepared({**BODY, **change}).content_hash != prepared(BODY).content_hash


def test_identities_become_pseudonyms() -> None:
    raw = prepared({**BODY, "submitter": {"id": "Jo Smith", "age_band": "under_16"}})
    assert "Jo Smith" not in raw.event
    assert MediaUploaded.model_validate_json(raw.event).feedback.submitter.age_band == "under_16"


def test_the_example_of_openapi_is_taken() -> None:
    assert event(RECORDING_EXAMPLE["value"]).kind == "video"


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NEAR = st.one_of(
    st.dictionaries(
        st.sampled_from([*BODY, "captions", "consent", "retention_days", "text"]), JSON_VALUES, max_size=3
    ).map(lambda changes: {**BODY, **changes}),
    st.dictionaries(st.sampled_from([*FILM, "duration_seconds", "name"]), JSON_VALUES, max_size=3).map(
        lambda changes: with_media(**changes)
    ),
)


@given(JSON_VALUES | NEAR)
def test_any_json_is_refused_or_makes_an_event_that_can_be_read(value: Any) -> None:
    try:
        MediaUploaded.model_validate_json(prepared(value).event)
    except Problem as problem:
        if problem.status not in {400, 413, 422}:
            raise


@given(st.integers(1, MOST_BYTES), st.sampled_from(RECORDINGS["video"] + CAPTIONS))
def test_a_form_says_what_was_declared_and_needs_no_store(size: int, content_type: str) -> None:
    store = ObjectStore("http://127.0.0.1:1", "key", "secret-key", "heed-media", public_endpoint="https://media.test/")
    form = asyncio.run(store.form("quarantine/1/recording", size, content_type, timedelta(minutes=5)))
    assert form.url == "https://media.test/heed-media"
    policy = json.loads(b64decode(form.fields["policy"]))
    assert ["content-length-range", size, size] in policy["conditions"]
    assert ["eq", "$key", "quarantine/1/recording"] in policy["conditions"]
    assert ["eq", "$Content-Type", content_type] in policy["conditions"]
    assert ["eq", "$bucket", "heed-media"] in policy["conditions"]
