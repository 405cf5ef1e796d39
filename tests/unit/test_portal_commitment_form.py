"""A form about what a team tries: what is refused, and what it becomes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal import commitment_form
from services.portal.commitment_form import event, number, read

TODAY = date(2026, 6, 10)
THEMES = {"Parking": "parking"}
GOOD = {
    "theme": "Parking",
    "state": "heard",
    "text": "We ask the site team.",
    "role": "ward lead",
    "since": "2026-06-01",
}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"theme": "Food"}, "theme"),
        ({"state": "ignored"}, "state"),
        ({"text": " \t "}, "text"),
        ({"text": "x" * 301}, "text"),
        ({"text": "Mrs Jones moves the chairs"}, "text"),
        ({"text": "Sister Ann moves the chairs"}, "text"),
        ({"role": "kim@example.org"}, "role"),
        ({"text": "Ring 0113 496 0000"}, "text"),
        ({"role": ""}, "role"),
        ({"state": "cannot_change"}, "because"),
        ({"since": "1 June"}, "since"),
        ({"since": "2026-06-11"}, "since"),
        ({"since": "1066-01-01"}, "since"),
    ],
)
def test_what_is_wrong_is_said_of_its_field_alone(fields: dict[str, str], field: str) -> None:
    assert read({**GOOD, **fields}, THEMES, TODAY).problems.keys() == {field}


@pytest.mark.parametrize(
    "text", ["The ward sisters ask each morning.", "A matron rings back in 48 hours.", "Open 9-17"]
)
def test_roles_and_small_numbers_are_no_person(text: str) -> None:
    assert not read({**GOOD, "text": text}, THEMES, TODAY).problems


def test_a_reason_belongs_to_what_cannot_change_alone() -> None:
    assert read({**GOOD, "because": "It is not ours."}, THEMES, TODAY).because == ""
    kept = read({**GOOD, "state": "cannot_change", "because": "It is not ours."}, THEMES, TODAY)
    assert (kept.because, kept.problems) == ("It is not ours.", {})


@given(st.dictionaries(st.sampled_from([*GOOD, "because", "people_told"]), st.text()))
def test_any_form_becomes_an_event_or_has_a_problem(fields: dict[str, str]) -> None:
    written = read({**GOOD, **fields}, THEMES, TODAY)
    if not written.problems:
        made = event(written, (uuid4(), 1), team_id="t", period=TODAY, now=datetime(2026, 6, 10, tzinfo=UTC))
        assert commitment_form.shown(made).text == written.text
        assert "\x00" not in made.model_dump_json()


@pytest.mark.parametrize(
    "fields",
    [{}, {"commitment_id": "x", "revision": "1"}, {"commitment_id": str(uuid4()), "revision": "0"}],
)
def test_hidden_fields_that_are_not_ours_are_none(fields: dict[str, str]) -> None:
    assert number(fields) is None
