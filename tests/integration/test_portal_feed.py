"""The feed: for who has its address, while its owner may read the team's pages, and not twice what is known."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import text

from services.portal.feed import ATOM
from shared.topics import LEARNING_SUMMARIES
from tests.doubles import raw
from tests.integration.portal_stage import ADDRESS, Stage, form_token, running_portal
from tests.unit.portal_examples import OTHER, TEAM
from tests.unit.subscription_samples import WORDS, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

JUNE = date(2026, 6, 1)


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    given = {"portal_subscription_key": "k" * 32, "portal_sign_ins": 5}
    async with running_portal(await database_url("portal"), tmp_path, **given) as stage:
        yield stage


async def feed_of(portal: Stage, team: str = TEAM) -> str:
    """Somebody of the team makes a feed; its address."""
    async with await portal.signed_in(team) as browser:
        token = form_token((await browser.get("/subscriptions")).text)
        given = {"form_token": token, "about": team, "channel": "feed", "target": "", "frequency": "revision"}
        answer = await browser.post("/subscriptions", data=given)
    found = re.search(r"/feeds/[A-Za-z0-9_-]{43}\.atom", answer.text)
    assert found is not None, answer.text
    assert f"{ADDRESS}{found[0]}" in answer.text
    return found[0]


def entries(body: bytes) -> list[ET.Element]:
    return ET.fromstring(body).findall(f"{{{ATOM}}}entry")  # noqa: S314 - our own


async def test_a_feed_has_its_teams_pages_and_no_others(portal: Stage) -> None:
    address = await feed_of(portal)
    await portal.receive(page(TEAM), page(TEAM, JUNE), page(OTHER, text="Of others."))
    async with portal.browser() as reader:
        answer = await reader.get(address)
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert len(entries(answer.content)) == 2
    assert WORDS.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in answer.text
    assert "Of others." not in answer.text


async def test_what_a_reader_knows_is_not_sent_again_until_it_changes(portal: Stage) -> None:
    address = await feed_of(portal)
    await portal.receive(page(TEAM))
    async with portal.browser() as reader:
        first = await reader.get(address)
        known = {"If-None-Match": first.headers["etag"]}
        second = await reader.get(address, headers=known)
        assert (second.status_code, second.content) == (304, b"")
        assert second.headers["etag"] == first.headers["etag"]
        await portal.receive(page(TEAM, revision=2, text="Newer."))
        third = await reader.get(address, headers=known)
    assert third.status_code == 200
    assert third.headers["etag"] != first.headers["etag"]
    assert len(entries(third.content)) == 1


async def test_each_reading_of_a_feed_is_noted(portal: Stage) -> None:
    address = await feed_of(portal)
    async with portal.browser() as reader:
        answer = await reader.get(address)
        await reader.get(address, headers={"If-None-Match": answer.headers["etag"]})
    async with portal.database.connect() as connection:
        noted = (await connection.execute(text("SELECT subject, action, object FROM audit ORDER BY id"))).all()
    assert [(row.subject, row.action) for row in noted] == [("somebody", "subscribed"), ("somebody", "viewed")]
    assert address[7:-5] not in str(noted)


async def test_a_page_that_was_taken_back_leaves_the_feed(portal: Stage) -> None:
    address = await feed_of(portal)
    await portal.receive(page(TEAM))
    gone = raw(page(TEAM), LEARNING_SUMMARIES.name)
    gone.value = None
    (consumer,) = (each for each in portal.service.consumers if each.topic is LEARNING_SUMMARIES)
    await consumer.handle([gone])
    async with portal.browser() as reader:
        assert entries((await reader.get(address)).content) == []


async def test_a_feed_ends_when_its_owner_is_let_in_without_the_team(portal: Stage) -> None:
    address = await feed_of(portal)
    async with portal.browser() as reader:
        assert (await reader.get(address)).status_code == 200
        await portal.signed_in(OTHER)
        assert (await reader.get(address)).status_code == 404
        await portal.signed_in(TEAM)
        assert (await reader.get(address)).status_code == 200


async def test_a_feed_ends_with_its_subscription(portal: Stage) -> None:
    address = await feed_of(portal)
    async with await portal.signed_in(TEAM) as browser:
        shown = (await browser.get("/subscriptions")).text
        assert address not in shown
        end = re.search(r"/subscriptions/[0-9a-f-]{36}/end", shown)
        assert end is not None
        assert (await browser.post(end[0], data={"form_token": form_token(shown)})).status_code == 303
        assert (await browser.get(address)).status_code == 404


async def test_a_wrong_address_is_not_there_and_trying_many_is_stopped(portal: Stage) -> None:
    address = await feed_of(portal)
    async with portal.browser() as stranger:
        wrong = [address.replace(".atom", ""), f"{address[:-6]}.atom", "/feeds/a.atom", "/feeds/.atom"]
        assert [(await stranger.get(each)).status_code for each in wrong] == [404] * 4
        await stranger.get("/feeds/b.atom")
        assert (await stranger.get("/feeds/c.atom")).status_code == 429
        assert (await stranger.get(address)).status_code == 200  # who has the right one is not kept out


async def test_the_token_is_kept_nowhere(portal: Stage) -> None:
    address = await feed_of(portal)
    token = address.removeprefix("/feeds/").removesuffix(".atom")
    async with portal.database.connect() as connection:
        (kept,) = (await connection.execute(text("SELECT s::text FROM subscription s"))).scalars()
    assert token not in kept
    assert token.encode().hex() not in kept
