"""Themes by plain words, a digest laid out, and what may be subscribed to."""

from __future__ import annotations

import re

import pytest

from services.portal import theme_names
from services.portal.deliveries_message import message
from services.portal.directory import Directory, Team
from services.portal.feed import FeedSource, document
from services.portal.subscriptions_subject import (
    feed_title,
    identity,
    named,
    noted,
    of_theme,
    path,
    read,
    subject,
    theme_of,
)
from services.portal.theme_view import digest_view
from shared.summaries import LearningSummary
from shared.themes import SLUGS, THEMES
from tests.unit.digest_samples import NOON, PARKING, WAITING, theme_digest
from tests.unit.subscription_samples import page

PORTAL = "https://heed.example.nhs.uk"
DIRECTORY = Directory(teams=(Team(id="parking", name="Car park team", organisation="Riverside Hospitals"),))


def test_every_theme_stands_in_the_list_once_under_a_group_with_a_name() -> None:
    groups = theme_names.grouped()
    assert sorted(slug for _, slugs in groups for slug in slugs) == sorted(SLUGS)
    assert {THEMES[theme].group for theme in SLUGS.values()} == theme_names.GROUPS.keys()


def test_groups_and_themes_stand_by_the_alphabet() -> None:
    groups = theme_names.grouped()
    assert [name for name, _ in groups] == sorted(name for name, _ in groups)
    for _, slugs in groups:
        titles = [theme_names.title(slug) for slug in slugs]
        assert titles == sorted(titles)


def test_no_two_themes_are_called_the_same() -> None:
    titles = [theme_names.title(slug) for slug in SLUGS]
    assert len(set(titles)) == len(titles) == 31
    assert all(title[0].isupper() for title in titles)


def test_a_theme_that_is_not_known_here_keeps_its_slug() -> None:
    assert theme_names.title("water-taxis") == "Water taxis"


def test_a_digest_is_laid_out_in_the_words_of_the_learning_service() -> None:
    digest = theme_digest(provisional=True)
    view = digest_view(digest)
    assert view.period_name == "May 2026"
    assert view.provisional
    assert [(block.kind, block.texts) for block in view.told] == [
        ("sentence", ("At least 3 teams heard about this; none is named. Of about 150 comments, about 50 raise it.",)),
        (
            "bullet",
            ("People valued being seen on time: nobody", "Could be better, how long people waited: 33%"),
        ),
        ("sentence", ("More may still come in for this period.",)),
    ]
    assert view.questions == digest.questions
    assert len(view.questions) == 2


def test_every_number_of_a_laid_out_digest_stands_in_its_payload() -> None:
    digest = theme_digest()
    assert digest.better is not None
    allowed = {str(number) for number in (digest.minimum_teams, digest.read, digest.raised, digest.better.percent)}
    told = " ".join(text for block in digest_view(digest).told for text in block.texts)
    assert set(re.findall(r"\d+", told)) == allowed


def test_tones_that_would_give_a_small_number_away_are_not_told() -> None:
    (_, hidden) = digest_view(theme_digest(valued=1)).told
    assert hidden.texts == ("How many valued it and how many did not would give a small number away.",)


@pytest.mark.parametrize("text", ["", "Timeliness of care: June 2026\n", "Title\n\n"])
def test_a_digest_that_says_little_is_laid_out_all_the_same(text: str) -> None:
    assert digest_view(theme_digest().model_copy(update={"text": text})).told == ()


def test_a_theme_is_never_taken_for_a_team_of_the_same_name() -> None:
    team, theme = subject(page("parking")), subject(theme_digest(PARKING))
    assert (team, theme) == ("parking", of_theme(PARKING))
    assert (theme_of(team), theme_of(theme)) == (None, PARKING)
    assert (named(team, DIRECTORY), named(theme, DIRECTORY)) == ("Car park team", "Theme: Parking")
    assert (noted(team), noted(theme)) == ("team parking", "theme parking")
    assert feed_title(team, DIRECTORY) == "What people told Car park team"
    assert feed_title(theme, DIRECTORY) == "What people told several teams: Parking"


def test_what_was_kept_is_read_as_what_it_is() -> None:
    for published in (page(), theme_digest()):
        assert read(subject(published), published.model_dump_json()) == published


def test_a_message_about_a_theme_holds_a_link_and_none_of_the_digest() -> None:
    digest = theme_digest(provisional=True)
    sent = message([digest, theme_digest(period=NOON.date().replace(day=1))], PORTAL, f"{PORTAL}/unsubscribe/token")
    assert sent.title == "How long people waited: 2 pages"
    assert sent.body.startswith("What people told several teams: How long people waited: there is something new")
    assert f"May 2026, so far\n{PORTAL}/themes/{WAITING}/2026-05-01" in sent.body
    assert "33" not in sent.body + sent.title
    assert not any(question in sent.body for question in digest.questions)


def test_a_digests_entry_in_a_feed_stays_the_same_from_revision_to_revision() -> None:
    first, second = theme_digest(), theme_digest(revision=2)
    assert identity(first) == identity(second)
    assert len({identity(theme_digest(slug)) for slug in SLUGS}) == len(SLUGS), "all have the same key"
    assert identity(page()) != identity(first)


def test_a_feed_of_a_theme_holds_the_digests() -> None:
    source = FeedSource(
        subscription=identity(page()),
        since=NOON,
        title="What people told several teams: How long people waited",
        address=f"{PORTAL}/feeds/token.atom",
        portal=PORTAL,
        pages=[theme_digest()],
    )
    body = document(source).decode()
    assert "<title>How long people waited: May 2026</title>" in body
    assert "Of about 150 comments, about 50 raise it." in body
    assert f'href="{PORTAL}/themes/{WAITING}/2026-05-01"' in body


def test_a_teams_page_leads_where_it_always_did() -> None:
    summary: LearningSummary = page()
    assert path(summary) == "/teams/riverside-emergency/2026-05-01"
