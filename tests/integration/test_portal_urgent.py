"""The urgent list: for the named role, acknowledged with an event, every look noted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from shared.events import About, FeedbackUrgent, FeedbackWithdrawn, UrgentAcknowledged, feedback_id
from shared.topics import URGENT_ACKNOWLEDGED
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.unit.portal_examples import DESK
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OTHER_DESK = "Safeguarding lead, Moorland Community"


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running_portal(await database_url("portal"), tmp_path) as stage:
        yield stage


def flagged(number: int = 1, version: int = 1, **fields: Any) -> FeedbackUrgent:
    given: dict[str, Any] = {
        "feedback_id": feedback_id("test", str(number)),
        "version": version,
        "about": About(organisation="Riverside Hospitals"),
        "reasons": ("lexicon:self_harm",),
        "role": DESK,
        "severity": 0.9,
        "occurred_at": NOON,
        "flagged_at": NOON,
    }
    return FeedbackUrgent(**{**given, **fields})


def acknowledged(number: int = 1, version: int = 1) -> UrgentAcknowledged:
    return UrgentAcknowledged(
        feedback_id=feedback_id("test", str(number)), version=version, role=DESK, acknowledged_at=NOON
    )


async def taken_on(browser: httpx.AsyncClient, number: int = 1, version: int = 1) -> httpx.Response:
    token = form_token((await browser.get("/")).text)
    address = f"/urgent/{feedback_id('test', str(number))}"
    return await browser.post(address, data={"form_token": token, "version": str(version)})


async def test_the_named_role_sees_its_own_and_no_others(portal: Stage) -> None:
    await portal.receive(flagged(1), flagged(2, role=OTHER_DESK), flagged(3, role=None))
    async with await portal.signed_in(roles=(DESK,)) as browser:
        shown = (await browser.get("/urgent")).text
        assert str(feedback_id("test", "1")) in shown
        assert "Perhaps self-harm" in shown
        assert str(feedback_id("test", "2")) not in shown
        assert str(feedback_id("test", "3")) not in shown
        assert (await taken_on(browser, 2)).status_code == 404
    async with await portal.signed_in(roles=("steward",)) as browser:
        shown = (await browser.get("/urgent")).text
    assert str(feedback_id("test", "3")) in shown, "what the catalogue names nobody for is the steward's"
    assert str(feedback_id("test", "1")) not in shown


async def test_taking_one_on_is_told_to_others_once(portal: Stage) -> None:
    await portal.receive(flagged())
    async with await portal.signed_in(roles=(DESK,)) as browser:
        assert (await taken_on(browser)).status_code == 303
        assert (await taken_on(browser)).status_code == 303
        shown = (await browser.get("/urgent")).text
    assert "Nothing waits for you." in shown
    assert "Taken on" in shown
    await until(lambda: bool(portal.publisher.on(URGENT_ACKNOWLEDGED.name)))
    (sent,) = portal.publisher.on(URGENT_ACKNOWLEDGED.name)
    event = UrgentAcknowledged.model_validate_json(sent.value or b"")
    assert (event.feedback_id, event.version, event.role) == (feedback_id("test", "1"), 1, DESK)
    await portal.receive(event)  # its own, back from the topic
    async with portal.database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one() == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_flag_and_acknowledgement_may_come_in_any_order(portal: Stage, order: tuple[int, int]) -> None:
    events = (flagged(), acknowledged())
    for index in order:
        await portal.receive(events[index])
    async with await portal.signed_in(roles=(DESK,)) as browser:
        assert "Nothing waits for you." in (await browser.get("/urgent")).text


async def test_an_edit_that_is_urgent_again_waits_again(portal: Stage) -> None:
    await portal.receive(flagged(version=1), acknowledged(version=1))
    await portal.receive(flagged(version=2), flagged(version=1))
    async with await portal.signed_in(roles=(DESK,)) as browser:
        assert "I take this on" in (await browser.get("/urgent")).text


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_was_withdrawn_is_gone_whatever_came_first(portal: Stage, order: tuple[int, int]) -> None:
    withdrawn = FeedbackWithdrawn(feedback_id=feedback_id("test", "1"), withdrawn_at=NOON)
    events = (flagged(), withdrawn)
    for index in order:
        await portal.receive(events[index])
    async with await portal.signed_in(roles=(DESK,)) as browser:
        assert "Nothing waits for you." in (await browser.get("/urgent")).text
        assert (await taken_on(browser)).status_code == 404
    async with portal.database.connect() as connection:
        (row,) = (await connection.execute(text("SELECT organisation, role, reasons FROM urgent_item"))).all()
    assert tuple(row) == ("", None, [])


async def test_every_look_and_every_taking_on_is_audited(portal: Stage) -> None:
    await portal.receive(flagged(1), flagged(2))
    async with await portal.signed_in(roles=(DESK,), subject="sam@example.org") as browser:
        await browser.get("/urgent")
        await taken_on(browser, 1)
    async with portal.database.connect() as connection:
        rows = (await connection.execute(text("SELECT subject, action, object FROM audit ORDER BY id"))).all()
    ids = [str(feedback_id("test", str(number))) for number in (1, 2)]
    told = sorted(tuple(row) for row in rows[:2])
    assert told == sorted(("sam@example.org", "viewed", f"urgent {each} version 1") for each in ids)
    assert tuple(rows[2]) == ("sam@example.org", "took on", f"urgent {ids[0]} version 1")


async def test_a_number_that_is_none_is_refused(portal: Stage) -> None:
    await portal.receive(flagged())
    async with await portal.signed_in(roles=(DESK,)) as browser:
        token = form_token((await browser.get("/")).text)
        for version in ("", "0", "x", "9" * 30, "²"):
            data = {"form_token": token, "version": version}
            answer = await browser.post(f"/urgent/{feedback_id('test', '1')}", data=data)
            assert answer.status_code == 400, version
