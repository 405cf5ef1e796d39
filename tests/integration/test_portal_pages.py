"""The portal's copy of all pages: newest revisions only, and taken back for good."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from deploy.dead_letters import DeadLetterTopics
from services.portal.app import running
from services.portal.settings import PortalSettings
from shared.database import engine
from shared.publisher import Record, record
from shared.service import at_work
from shared.topics import LEARNING_SUMMARIES, TOPICS
from tests.doubles import consumed, raw
from tests.integration.portal_stage import ADDRESS, Stage, running_portal
from tests.unit.portal_examples import CATALOGUE, MAY, OTHER, TEAM, page
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
    async with running_portal(await database_url("portal"), tmp_path) as stage:
        yield stage


async def taken_back(portal: Stage, team: str = TEAM, period: date = MAY) -> None:
    record = raw(page(team, period), LEARNING_SUMMARIES.name)
    record.value = None
    (consumer,) = (each for each in portal.service.consumers if each.topic is LEARNING_SUMMARIES)
    await consumer.handle([record])


async def test_the_service_reads_every_topic_that_the_registry_gives_it(portal: Stage) -> None:
    assert {consumer.topic for consumer in portal.service.consumers} == {
        topic for topic in TOPICS if "portal" in topic.consumers
    }
    assert all((await portal.service.readiness()).values())


async def test_an_older_revision_never_replaces_a_newer_one(portal: Stage) -> None:
    await portal.receive(page(revision=2, team_name="Newer"), page(revision=1, team_name="Older"))
    await portal.receive(page(revision=1, team_name="Older"))
    async with await portal.signed_in(TEAM) as browser:
        shown = (await browser.get(f"/teams/{TEAM}/{MAY}")).text
    assert "Newer" in shown
    assert "Older" not in shown


async def test_a_page_that_was_taken_back_is_gone_until_a_newer_revision(portal: Stage) -> None:
    await portal.receive(page(revision=3))
    await taken_back(portal)
    async with await portal.signed_in(TEAM) as browser:
        assert (await browser.get(f"/teams/{TEAM}/{MAY}")).status_code == 404
        await portal.receive(page(revision=3))
        assert (await browser.get(f"/teams/{TEAM}/{MAY}")).status_code == 404
        await portal.receive(page(revision=4))
        assert (await browser.get(f"/teams/{TEAM}/{MAY}")).status_code == 200


async def test_a_page_that_came_back_in_the_same_batch_is_there(portal: Stage) -> None:
    gone = raw(page(revision=1), LEARNING_SUMMARIES.name)
    gone.value = None
    (consumer,) = (each for each in portal.service.consumers if each.topic is LEARNING_SUMMARIES)
    await consumer.handle(
        [
            raw(page(revision=1), LEARNING_SUMMARIES.name),
            gone,
            raw(page(revision=2), LEARNING_SUMMARIES.name),
            raw(page(period=JUNE), LEARNING_SUMMARIES.name),
        ]
    )
    async with await portal.signed_in(TEAM) as browser:
        assert (await browser.get(f"/teams/{TEAM}/{MAY}")).status_code == 200
        assert (await browser.get(f"/teams/{TEAM}/{JUNE}")).status_code == 200


async def test_taking_back_an_unknown_page_changes_nothing_and_is_no_dead_letter(portal: Stage) -> None:
    await taken_back(portal, OTHER)
    assert portal.publisher.sent == []


async def test_a_key_that_names_no_page_is_dead_lettered(portal: Stage) -> None:
    record = raw(page(), LEARNING_SUMMARIES.name)
    record.key, record.value = b"nonsense", None
    (consumer,) = (each for each in portal.service.consumers if each.topic is LEARNING_SUMMARIES)
    await consumer.handle([record])
    (letter,) = portal.publisher.on("portal-dlq")
    assert dict(letter.headers)["heed-dlq-reason"] == b"removal_failed:ValueError"
    assert consumed(letter).key == b"nonsense"


async def test_a_page_comes_and_goes_by_kafka(
    kafka: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl, tmp_path: Path
) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    url = await database_url("portal")
    settings = PortalSettings(
        database_url=SecretStr(url), catalogue=path, portal_url=ADDRESS, **kafka.model_dump(exclude_unset=True)
    )
    sent = record(LEARNING_SUMMARIES, page(), "learning")
    database = engine(url, "portal", pool_size=1)

    async def is_out() -> bool:
        async with database.connect() as connection:
            query = text("SELECT count(*) FROM page WHERE payload IS NOT NULL")
            return bool((await connection.execute(query)).scalar_one())

    async def is_gone() -> bool:
        return not await is_out()

    try:
        async with at_work(running, settings, publisher) as service:
            await publisher.send([sent])
            await until(is_out)
            await publisher.send([Record(sent.topic, sent.key, None)])
            await until(is_gone)
            assert all((await service.readiness()).values())
    finally:
        await database.dispose()
    assert (await DeadLetterTopics(kafka).read()).letters == []
