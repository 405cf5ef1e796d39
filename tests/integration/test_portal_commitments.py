"""What a team tries: written once with its event, changed in turns, and nobody else's to change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from shared.commitments import CommitmentRecorded
from shared.topics import COMMITMENTS
from tests.integration.gateway_stage import rows
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.unit.portal_examples import MAY, OTHER, TEAM, page
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

THEME = "Timeliness of care"
ADDRESS = f"/teams/{TEAM}/{MAY}/commitments"


@pytest.fixture
async def url(database_url: DatabaseUrl) -> str:
    return await database_url("portal")


@pytest.fixture
async def portal(url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running_portal(url, tmp_path) as stage:
        await stage.receive(page(TEAM), page(OTHER))
        yield stage


async def written(browser: httpx.AsyncClient, commitment_id: UUID, revision: int = 1, **fields: str) -> httpx.Response:
    token = form_token((await browser.get("/")).text)
    given = {
        "form_token": token,
        "commitment_id": str(commitment_id),
        "revision": str(revision),
        "theme": THEME,
        "state": "testing",
        "text": "A board that tells how long the wait is.",
        "role": "the shift lead",
        "since": "2026-05-20",
    }
    return await browser.post(ADDRESS, data={**given, **fields})


async def events(portal: Stage, count: int) -> list[CommitmentRecorded]:
    await until(lambda: len(portal.publisher.on(COMMITMENTS.name)) >= count)
    return [
        CommitmentRecorded.model_validate_json(record.value or b"") for record in portal.publisher.on(COMMITMENTS.name)
    ]


def theme_of_the_sample() -> str:
    summary = page()
    return next(iter(share.theme for share in (*summary.better, *summary.valued)))


async def test_a_commitment_is_shown_and_told_to_others(portal: Stage) -> None:
    made, theme = uuid4(), theme_of_the_sample()
    async with await portal.signed_in(TEAM) as browser:
        answer = await written(browser, made, theme=theme, people_told="yes")
        assert answer.status_code == 303, answer.text
        shown = (await browser.get(f"/teams/{TEAM}/{MAY}")).text
        history = (await browser.get(f"/teams/{TEAM}")).text
    for told in (shown, history):
        assert "A board that tells how long the wait is." in told
        assert "the shift lead, since 20 May 2026; people were told" in told
    (event,) = await events(portal, 1)
    assert (event.commitment_id, event.revision, event.team_id, event.period) == (made, 1, TEAM, MAY)
    assert (event.theme, event.state, event.role, event.people_told) == (theme, "testing", "the shift lead", True)
    assert event.since == date(2026, 5, 20)


async def test_a_form_sent_twice_is_one_commitment_and_one_event(portal: Stage) -> None:
    made = uuid4()
    async with await portal.signed_in(TEAM) as browser:
        for _ in range(2):
            assert (await written(browser, made, theme=theme_of_the_sample())).status_code == 303
        await written(browser, uuid4(), theme=theme_of_the_sample())
    assert len({event.commitment_id for event in await events(portal, 2)}) == len(await events(portal, 2)) == 2


async def test_of_two_who_change_the_same_one_the_second_is_asked_to_look(portal: Stage) -> None:
    made, theme = uuid4(), theme_of_the_sample()
    async with await portal.signed_in(TEAM) as one, await portal.signed_in(TEAM) as other:
        await written(one, made, theme=theme)
        assert (await written(one, made, 2, state="changed", text="The board stays.")).status_code == 303
        late = await written(other, made, 2, state="heard", text="Something else.")
        assert late.status_code == 409
        assert "Something else." in late.text, "what was written must not be lost"
        shown = (await one.get(f"/teams/{TEAM}/{MAY}")).text
    assert "The board stays." in shown
    assert [event.revision for event in await events(portal, 2)] == [1, 2]


async def test_another_teams_commitment_cannot_be_taken_over(portal: Stage) -> None:
    made = uuid4()
    async with await portal.signed_in(TEAM) as own, await portal.signed_in(OTHER) as stranger:
        await written(own, made, theme=theme_of_the_sample())
        token = form_token((await stranger.get("/")).text)
        fields = {
            "form_token": token,
            "commitment_id": str(made),
            "revision": "2",
            "theme": theme_of_the_sample(),
            "state": "heard",
            "text": "Taken over.",
            "role": "r",
            "since": "2026-05-20",
        }
        assert (await stranger.post(f"/teams/{OTHER}/{MAY}/commitments", data=fields)).status_code == 409
        assert (await stranger.post(ADDRESS, data=fields)).status_code == 404
        assert (await stranger.get(f"/teams/{OTHER}/{MAY}/commitments/{made}")).status_code == 404
        assert "Taken over." not in (await own.get(f"/teams/{TEAM}/{MAY}")).text


async def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        answer = await written(browser, uuid4(), theme="", text="Dr Miller looks into it")
    assert answer.status_code == 422
    assert "Choose what it is about" in answer.text
    assert "This looks like a person" in answer.text
    assert "Dr Miller looks into it" in answer.text
    assert 'role="alert"' in answer.text


async def test_what_was_written_while_kafka_was_away_goes_out_later(url: str, tmp_path: Path) -> None:
    async with running_portal(url, tmp_path) as portal:
        await portal.receive(page(TEAM))
        portal.publisher.away = 3
        async with await portal.signed_in(TEAM) as browser:
            assert (await written(browser, uuid4(), theme=theme_of_the_sample())).status_code == 303
        assert len(await events(portal, 1)) == 1


async def test_a_crash_before_the_mark_repeats_the_event_under_its_id(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await written(browser, uuid4(), theme=theme_of_the_sample())
    await events(portal, 1)

    async def marked() -> bool:
        return await rows(portal.database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == [(0,)]

    await until(marked)  # which might else come after what follows
    async with portal.database.begin() as connection:  # as if the process had died between the two
        await connection.execute(text("UPDATE outbox SET published_at = NULL"))
    await events(portal, 2)
    first, second = portal.publisher.on(COMMITMENTS.name)
    assert (first.key, first.value, dict(first.headers)["ce_id"]) == (
        second.key,
        second.value,
        dict(second.headers)["ce_id"],
    )


async def test_every_change_is_audited_without_its_words(portal: Stage) -> None:
    made = uuid4()
    async with await portal.signed_in(TEAM, subject="sam@example.org") as browser:
        await written(browser, made, theme=theme_of_the_sample())
    async with portal.database.connect() as connection:
        rows = (await connection.execute(text("SELECT at, subject, action, object FROM audit"))).all()
    (row,) = (row for row in rows if row.action == "recorded")
    assert (row.subject, row.object) == ("sam@example.org", f"commitment {TEAM}:{made} revision 1")
    assert row.at <= datetime.now(UTC)
    assert "board" not in str(rows)
