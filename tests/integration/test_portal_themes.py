"""Themes in the portal: what several teams heard, for everybody who is signed in, and for who subscribes to it."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from deploy.create_topics import create_topics
from deploy.dead_letters import DeadLetterTopics
from services.portal.app import running
from services.portal.settings import PortalSettings
from services.portal.subscriptions_subject import of_theme
from services.portal.theme_names import title
from shared.database import engine
from shared.publisher import Record, record
from shared.service import at_work
from shared.themes import SLUGS
from shared.topics import THEME_DIGESTS
from tests.doubles import consumed
from tests.integration.portal_stage import ADDRESS, Stage, form_token, running_portal
from tests.integration.test_portal_feed import entries
from tests.unit.digest_samples import MAY, PARKING, WAITING, theme_digest
from tests.unit.portal_examples import CATALOGUE, TEAM
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

JUNE = date(2026, 6, 1)


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running_portal(await database_url("portal"), tmp_path, portal_subscription_key="k" * 32) as stage:
        yield stage


async def taken_back(portal: Stage, slug: str = WAITING, key: str = MAY.isoformat()) -> None:
    (consumer,) = (each for each in portal.service.consumers if each.topic is THEME_DIGESTS)
    await consumer.handle([consumed(Record(THEME_DIGESTS.named(slug=slug), key.encode(), None))])


async def rows(portal: Stage, statement: str) -> list[Any]:
    async with portal.database.connect() as connection:
        return list((await connection.execute(text(statement))).all())


async def test_themes_stand_by_the_alphabet_with_their_newest_digests(portal: Stage) -> None:
    async with await portal.signed_in() as browser:
        before = (await browser.get("/themes")).text
        assert "There is no digest yet." in before
        assert before.count("(no digest yet)") == len(SLUGS) == 31
        await portal.receive(theme_digest(), theme_digest(period=JUNE, provisional=True))
        shown = (await browser.get("/themes")).text
    assert "There is no digest yet." not in shown
    assert shown.count("(no digest yet)") == 30
    assert "(newest: June 2026)" in shown
    assert shown.count("Still open") == 1
    linked = re.findall(r'<a href="/themes/([a-z-]+)">', shown)
    assert sorted(linked) == sorted(SLUGS)
    assert re.findall(r'<a href="/themes/([a-z-]+)">', before) == linked, "never by how much was said"


async def test_a_digest_is_shown_to_who_belongs_to_no_team_and_each_look_is_noted(portal: Stage) -> None:
    await portal.receive(theme_digest(revision=4), theme_digest(period=JUNE))
    async with await portal.signed_in() as browser:
        newest = (await browser.get(f"/themes/{WAITING}")).text
        may = (await browser.get(f"/themes/{WAITING}/{MAY}")).text
    assert "What several teams heard: <strong>June 2026</strong>" in newest
    assert f'href="/themes/{WAITING}/{MAY}"' in newest
    assert "Of about 150 comments, about 50 raise it." in may
    assert "Could be better, how long people waited: 33%" in may
    assert "The comments of at least 3 teams, counted as one." in may
    noted = await rows(portal, "SELECT action, object FROM audit ORDER BY id")
    assert noted == [
        ("viewed", f"digest {WAITING}:2026-06-01 revision 1"),
        ("viewed", f"digest {WAITING}:2026-05-01 revision 4"),
    ]


async def test_a_theme_without_a_digest_says_why_and_one_that_is_none_is_not_there(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        answer = await browser.get(f"/themes/{WAITING}")
        assert answer.status_code == 200
        assert "only where at least three teams heard about it" in answer.text
        for address in ("/themes/ghosts", f"/themes/ghosts/{MAY}", f"/themes/{WAITING}/{MAY}", f"/themes/{WAITING}/x"):
            assert (await browser.get(address)).status_code == 404


async def test_a_digest_that_was_taken_back_is_gone_until_a_newer_revision(portal: Stage) -> None:
    async def status() -> int:
        return (await browser.get(f"/themes/{WAITING}/{MAY}")).status_code

    await portal.receive(theme_digest(revision=3), theme_digest(PARKING))
    async with await portal.signed_in() as browser:
        await taken_back(portal)
        await portal.receive(theme_digest(revision=2), theme_digest(revision=3))
        assert await status() == 404
        assert (await browser.get(f"/themes/{PARKING}/{MAY}")).status_code == 200, "of the same key on its own topic"
        await portal.receive(theme_digest(revision=4))
        assert await status() == 200
    await taken_back(portal, key="nonsense")
    (letter,) = portal.publisher.on("portal-dlq")
    assert dict(letter.headers)["heed-dlq-reason"] == b"removal_failed:ValueError"


async def test_digests_come_and_go_by_kafka(
    kafka: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl, tmp_path: Path
) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    await create_topics(kafka, ["unrouted"], themes=[WAITING, PARKING])
    url = await database_url("portal")
    settings = PortalSettings(
        database_url=SecretStr(url), catalogue=path, portal_url=ADDRESS, **kafka.model_dump(exclude_unset=True)
    )
    sent = [record(THEME_DIGESTS, theme_digest(slug), "learning", slug=slug) for slug in (WAITING, PARKING)]
    database = engine(url, "portal", pool_size=1)

    async def out() -> list[str]:
        async with database.connect() as connection:
            query = text("SELECT slug FROM digest WHERE payload IS NOT NULL ORDER BY slug")
            return list((await connection.execute(query)).scalars())

    async def both() -> bool:
        return await out() == [PARKING, WAITING]

    async def one() -> bool:
        return await out() == [WAITING]

    try:
        async with at_work(running, settings, publisher) as service:
            await publisher.send([*sent, *sent])
            await until(both)
            await publisher.send([Record(sent[1].topic, sent[1].key, None)])
            await until(one)
            assert all((await service.readiness()).values())
    finally:
        await database.dispose()
    assert (await DeadLetterTopics(kafka).read()).letters == []


async def test_anybody_subscribes_to_a_theme_and_reads_its_feed(portal: Stage) -> None:
    async with await portal.signed_in() as browser:
        form = (await browser.get(f"/subscriptions?about={of_theme(WAITING)}")).text
        assert f'<option value="theme:{WAITING}" selected>{title(WAITING)}</option>' in form
        given = {"form_token": form_token(form), "channel": "feed", "target": "", "frequency": "revision"}
        for unknown in ("theme:ghosts", "theme:", WAITING):
            assert (await browser.post("/subscriptions", data={**given, "about": unknown})).status_code == 422
        added = await browser.post("/subscriptions", data={**given, "about": of_theme(WAITING)})
        assert f"Subscribed to Theme: {title(WAITING)}" in added.text
        assert f"Theme: {title(WAITING)}: Feed" in (await browser.get("/subscriptions")).text
    found = re.search(r"/feeds/[A-Za-z0-9_-]{43}\.atom", added.text)
    assert found is not None
    await portal.receive(theme_digest(), theme_digest(period=JUNE), theme_digest(PARKING))
    async with portal.browser() as reader:
        answer = await reader.get(found[0])
        assert len(entries(answer.content)) == 2
        assert "What people told several teams: How long people waited" in answer.text
        await taken_back(portal)
        assert len(entries((await reader.get(found[0])).content)) == 1
    noted = await rows(portal, "SELECT object FROM audit WHERE action = 'subscribed'")
    assert [row.object.partition(" theme ")[2] for row in noted] == [WAITING]
