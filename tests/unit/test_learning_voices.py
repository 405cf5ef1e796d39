"""Who is not heard: ratios by hand, and when nothing may be said of a group."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.learning.catalogue import parse
from services.learning.heard import heard
from services.learning.pages import Material
from services.learning.patterns import table_of
from services.learning.periods import MONTHLY
from services.learning.publishing import Editor
from services.learning.records import TeamRecords
from services.learning.summaries import compose
from services.learning.voices import Contacts, quiet_groups, ratio, voices
from tests.unit.learning_samples import CATALOGUE, JUNE, NOON, TEAM, counts

CARED = Contacts(total=400, groups={"age": {"16_24": 200, "65_74": 200}})


def table(n: int = 60, **measures: dict[str, int]) -> dict[str, dict[str, int]]:
    return table_of(counts(n, **measures))


def test_a_ratio_by_hand() -> None:
    """10 of 50 responses, 100 of 200 contacts: .2 / .5; variance of the log 1/10 - 1/50 + 1/100 - 1/200 = .085."""
    found = ratio(10, 50, 100, 200)

    assert found.value == pytest.approx(0.4)
    assert found.upper == pytest.approx(0.4 * math.exp(1.959964 * math.sqrt(0.085)))
    assert found.lower == pytest.approx(0.4 / math.exp(1.959964 * math.sqrt(0.085)))
    assert found.expected == 25
    assert found.quiet


def test_a_group_that_nobody_heard_from_still_has_an_interval() -> None:
    found = ratio(0, 50, 100, 200)

    assert math.isfinite(found.upper)
    assert found.quiet


@pytest.mark.parametrize(
    ("heard_of", "of_heard", "contacts", "quiet"),
    [
        (20, 50, 100, False),  # upper limit 1.16
        (0, 15, 100, False),  # 7.5 expected
        (0, 16, 100, False),  # upper limit .96
        (0, 20, 100, True),  # upper limit .77, 10 expected
        (1, 15, 100, False),
        (25, 50, 100, False),
    ],
)
def test_quiet_needs_a_sure_and_large_gap(heard_of: int, of_heard: int, contacts: int, quiet: bool) -> None:
    assert ratio(heard_of, of_heard, contacts, 200).quiet == quiet


def test_a_quiet_group_is_told_in_plain_words() -> None:
    ages = {"16_24": 5, "65_74": 50, "unknown": 5}

    assert quiet_groups(table(age=ages), CARED) == [("age", "16_24")]
    told = heard(table(age=ages), CARED, channels_moved=False).quiet
    assert told == ("people aged sixteen to twenty-four",)


def test_contacts_by_group_in_the_catalogue_reach_the_page() -> None:
    care = "    contacts: {2026-06-01: {total: 400, age: {16_24: 200, 65_74: 200}}}\n"
    catalogue = parse(CATALOGUE.replace("  - id: harbour", care + "  - id: harbour"), "teams.yaml")
    ages = counts(60, age={"16_24": 5, "65_74": 50, "unknown": 5})

    page = Editor(catalogue, lambda: NOON, MONTHLY).write(Material(TEAM.id, JUNE, ages, ()), None).page

    assert page.summary.heard.quiet == ("people aged sixteen to twenty-four",)
    assert "people aged sixteen to twenty-four" in page.summary.text


@pytest.mark.parametrize(
    "measures",
    [
        {"age": {"16_24": 2, "65_74": 30, "unknown": 28}},  # 47 % unknown
        {"age": {"unknown": 60}},
        {},
    ],
)
def test_no_ratio_where_most_did_not_say(measures: dict[str, Any]) -> None:
    assert quiet_groups(table(**measures), CARED) == []


def test_forty_percent_unknown_is_still_told() -> None:
    assert quiet_groups(table(age={"16_24": 2, "65_74": 34, "unknown": 24}), CARED) == [("age", "16_24")]


def test_nothing_is_said_of_groups_below_twenty_responses() -> None:
    ages = {"65_74": 19}

    assert quiet_groups(table(19, age=ages), CARED) == []
    assert quiet_groups(table(20, age={"65_74": 20}), CARED) == [("age", "16_24")]


def test_a_voice_rate_counts_comments_only() -> None:
    both = table(60, kind={"comment": 40, "social_post": 15, "video": 5})

    assert voices(both) == 40
    told = heard(both, Contacts(total=400), channels_moved=False).voice_rate
    assert told is not None
    assert (told.size, told.percent) == ("share", 10)


@pytest.mark.parametrize("contacts", [None, Contacts(), Contacts(total=39)])
def test_no_voice_rate_without_contacts_or_with_fewer_than_answered(contacts: Contacts | None) -> None:
    assert heard(table(60, kind={"comment": 40}), contacts, channels_moved=False).voice_rate is None


def test_the_page_says_how_many_of_those_who_had_care_answered() -> None:
    counted = counts(60, kind={"comment": 60})
    records = TeamRecords(contacts={JUNE: Contacts(total=400)})
    known = compose(TEAM, JUNE, counted, (), revision=1, generated_at=NOON, records=records).summary
    unknown = compose(TEAM, JUNE, counted, (), revision=1, generated_at=NOON).summary

    assert "15% of those who had care answered." in known.text
    assert "We do not know how many had care and stayed silent." in unknown.text
