"""The feed is valid Atom (RFC 4287), whatever stands on the pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.feed import ATOM, MOST_ENTRIES, FeedSource, document, entity_tag, is_known
from shared.summaries import LearningSummary
from tests.unit.subscription_samples import MAY, NOON, WORDS, page

NAMES = {"a": ATOM}


def source(*pages: LearningSummary) -> FeedSource:
    return FeedSource(
        subscription=UUID("00000000-0000-4000-8000-000000000001"),
        since=datetime(2026, 1, 1, tzinfo=UTC),
        title="What people told Riverside emergency team",
        address="https://heed.example.nhs.uk/feeds/token.atom",
        portal="https://heed.example.nhs.uk",
        pages=pages,
    )


def parsed(body: bytes) -> ET.Element:
    return ET.fromstring(body)  # noqa: S314 - our own


def texts(feed: ET.Element, path: str) -> list[str]:
    return [element.text or "" for element in feed.findall(path, NAMES)]


@pytest.mark.parametrize("pages", [(), (page(),), (page(), page(period=date(2026, 6, 1), provisional=True))])
def test_a_feed_has_what_rfc_4287_asks_for(pages: tuple[LearningSummary, ...]) -> None:
    feed = parsed(document(source(*pages)))
    assert feed.tag == f"{{{ATOM}}}feed"
    for name in ("id", "title", "updated", "author"):
        assert len(feed.findall(f"a:{name}", NAMES)) == 1
    assert texts(feed, "a:author/a:name") == ["Heed"]
    own = feed.find("a:link[@rel='self']", NAMES)
    assert own is not None
    assert own.get("href") == "https://heed.example.nhs.uk/feeds/token.atom"
    entries = feed.findall("a:entry", NAMES)
    assert len(entries) == len(pages)
    for entry in entries:
        for name in ("id", "title", "updated", "content"):
            assert len(entry.findall(f"a:{name}", NAMES)) == 1
        link = entry.find("a:link[@rel='alternate']", NAMES)
        assert link is not None
        assert (link.get("href") or "").startswith("https://heed.example.nhs.uk/teams/riverside-emergency/2026-0")
    assert all(datetime.fromisoformat(moment).tzinfo for moment in texts(feed, ".//a:updated"))
    identities = texts(feed, ".//a:id")
    assert len(set(identities)) == len(identities)
    assert all(identity.startswith("urn:uuid:") for identity in identities)


def test_the_words_stand_there_as_words() -> None:
    feed = parsed(document(source(page())))
    (content,) = feed.findall("a:entry/a:content", NAMES)
    assert content.get("type") == "text"
    assert content.text is not None
    assert WORDS in content.text
    assert len(content) == 0


def test_a_new_revision_keeps_the_entrys_id_and_moves_its_time() -> None:
    first = parsed(document(source(page())))
    second = parsed(document(source(page(revision=2, generated_at=NOON + timedelta(hours=1)))))
    assert texts(first, "a:entry/a:id") == texts(second, "a:entry/a:id")
    assert texts(first, "a:updated") < texts(second, "a:updated")


def test_the_same_pages_make_the_same_bytes_in_any_order() -> None:
    one, other = page(), page(period=date(2026, 6, 1))
    assert document(source(one, other)) == document(source(other, one))


def test_a_feed_is_no_longer_than_two_years() -> None:
    pages = [page(period=date(2020 + n // 12, n % 12 + 1, 1)) for n in range(40)]
    feed = parsed(document(source(*pages)))
    titles = texts(feed, "a:entry/a:title")
    assert len(titles) == MOST_ENTRIES
    assert titles[0].endswith("April 2023")


@given(st.text(max_size=300))
def test_any_text_makes_xml(text: str) -> None:
    (content,) = texts(parsed(document(source(page(text=text, period=MAY)))), "a:entry/a:content")
    assert [c for c in content if c not in "\r\n"] == [
        c
        for c in text
        if c not in "\r\n" and (c == "\t" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff")
    ]


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("", False),
        ('"other"', False),
        ("*", True),
        ("TAG", True),
        ("W/TAG", True),
        ('"other", TAG', True),
    ],
)
def test_a_reader_that_has_it_gets_it_no_second_time(header: str | None, known: bool) -> None:
    tag = entity_tag(b"body")
    assert is_known(tag, None if header is None else header.replace("TAG", tag)) is known
