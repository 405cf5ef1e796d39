"""The pages of subscriptions: own teams only, forms that are ours, targets shown once at most, links that end them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.portal.subscriptions_sealing import Seals
from tests.integration.delivery_stage import MailServer, mail
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.unit.portal_examples import OTHER, TEAM
from tests.unit.subscription_samples import page
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from tests.integration.conftest import DatabaseUrl

__all__ = ["mail"]

pytestmark = pytest.mark.integration

KEY = "k" * 32
ADDRESS = "ward.9@example.nhs.uk"


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path, mail: MailServer) -> AsyncIterator[Stage]:
    given = {
        "portal_subscription_key": KEY,
        "portal_mail": mail.url,
        "portal_mail_domains": "example.nhs.uk",
        "portal_private_targets": "127.0.0.9/32",
        "portal_delivery_poll": 0.05,
        "portal_delivery_attempts": 1,
        "portal_sign_ins": 5,
    }
    async with running_portal(await database_url("portal"), tmp_path, **given) as stage:
        yield stage


async def subscribe(browser: httpx.AsyncClient, team: str = TEAM, **given: str) -> httpx.Response:
    """Fill in the form."""
    token = form_token((await browser.get("/subscriptions")).text)
    fields = {"form_token": token, "about": team, "channel": "email", "target": ADDRESS, "frequency": "revision"}
    return await browser.post("/subscriptions", data=fields | given)


async def rows(portal: Stage, statement: str) -> list[Any]:
    async with portal.database.connect() as connection:
        return list((await connection.execute(text(statement))).all())


async def test_somebody_subscribes_and_is_told_of_a_page(portal: Stage, mail: MailServer) -> None:
    async with await portal.signed_in(TEAM) as browser:
        assert (await subscribe(browser)).status_code == 303
        shown = (await browser.get("/subscriptions")).text
        assert "w…@example.nhs.uk" in shown
        assert ADDRESS not in shown
        await portal.receive(page(TEAM, generated_at="2100-01-01T00:00:00Z"))
        assert "1 to be sent" in (await browser.get("/subscriptions")).text
        async with portal.database.begin() as connection:
            await connection.execute(text("UPDATE delivery SET due_at = now()"))  # ten minutes are over
        await until(lambda: len(mail.messages) == 1)
        link = mail.messages[0]["List-Unsubscribe"].strip("<>")
        assert link.startswith(portal.address)


async def test_a_form_that_cannot_be_served_says_why_and_forgets_the_target(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        answer = await subscribe(browser, target="ward.9@example.org")
        assert answer.status_code == 422
        assert "<title>Error: " in answer.text
        assert "only sent to addresses at example.nhs.uk" in answer.text
        assert "ward.9" not in answer.text
        for team in (OTHER, "nobodys", ""):
            assert (await subscribe(browser, team)).status_code == 422
    assert await rows(portal, "SELECT * FROM subscription") == []


async def test_the_same_subscription_is_not_made_twice(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await subscribe(browser)
        again = await subscribe(browser)
        assert again.status_code == 422
        assert "already" in again.text
        assert (await subscribe(browser, target=f"other.{ADDRESS}")).status_code == 303


async def test_a_secret_is_shown_once(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        answer = await subscribe(browser, channel="webhook", target="https://8.8.8.8/heed")
        secret = re.search(r"heedwh_[A-Za-z0-9_-]{43}", answer.text)
        assert secret is not None
        assert answer.headers["cache-control"] == "no-store"
        assert secret[0] not in (await browser.get("/subscriptions")).text
        assert "8.8.8.8/…" in (await browser.get("/subscriptions")).text


async def test_nobody_changes_or_ends_what_is_another_persons(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as owner, await portal.signed_in(TEAM, subject="other") as other:
        await subscribe(owner)
        ((identity,),) = await rows(portal, "SELECT id FROM subscription")
        token = form_token((await other.get("/subscriptions")).text)
        given = {"form_token": token, "frequency": "week", "muted": "yes"}
        assert (await other.post(f"/subscriptions/{identity}", data=given)).status_code == 404
        assert (await other.post(f"/subscriptions/{identity}/end", data=given)).status_code == 404
        assert (await owner.post(f"/subscriptions/{identity}", data=given)).status_code == 403  # another's form
        own = given | {"form_token": form_token((await owner.get("/subscriptions")).text)}
        assert (await owner.post(f"/subscriptions/{identity}", data=own)).status_code == 303
    assert await rows(portal, "SELECT frequency, muted FROM subscription") == [("week", True)]


async def test_without_a_sign_in_there_are_no_subscriptions(portal: Stage) -> None:
    async with portal.browser() as browser:
        for path in ("/subscriptions", "/deliveries"):
            assert (await browser.get(path)).headers["location"] == "/sign-in"
        assert (await browser.post("/subscriptions", data={"about": TEAM})).headers["location"] == "/sign-in"


async def test_a_link_ends_a_subscription_without_a_sign_in_but_not_by_being_looked_at(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await subscribe(browser)
    ((identity,),) = await rows(portal, "SELECT id FROM subscription")
    link = f"/unsubscribe/{Seals(SecretStr(KEY)).link_token(identity)}"
    async with portal.browser() as anybody:
        shown = await anybody.get(link)
        assert "Riverside emergency department team" in shown.text
        assert len(await rows(portal, "SELECT * FROM subscription")) == 1
        one_click = {"List-Unsubscribe": "One-Click"}
        assert (await anybody.post(link, data=one_click)).status_code == 200
        assert await rows(portal, "SELECT * FROM subscription") == []
        assert (await anybody.post(link, data=one_click)).status_code == 200  # a mail program may press twice
        assert (await anybody.get(link)).status_code == 404
    noted = await rows(portal, "SELECT subject FROM audit WHERE action = 'unsubscribed by link'")
    assert noted == [("somebody",)]


async def test_a_link_that_was_not_made_here_ends_nothing(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await subscribe(browser)
    ((identity,),) = await rows(portal, "SELECT id FROM subscription")
    foreign = Seals(SecretStr("l" * 32)).link_token(identity)
    async with portal.browser() as stranger:
        answers = [(await stranger.post(f"/unsubscribe/{each}")).status_code for each in (foreign, "x", str(identity))]
    assert answers == [404] * 3
    assert len(await rows(portal, "SELECT * FROM subscription")) == 1


async def test_only_a_steward_sees_what_failed_and_has_it_tried_again(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await subscribe(browser, channel="webhook", target="https://127.0.0.9:9/private")
        await portal.receive(page(TEAM, generated_at="2100-01-01T00:00:00Z"))

        async def dead() -> bool:
            return (await rows(portal, "SELECT state FROM delivery")) == [("dead",)]

        await until(dead)
        assert "could not be delivered" in (await browser.get("/subscriptions")).text
        assert (await browser.get("/deliveries")).status_code == 404
        ((identity,),) = await rows(portal, "SELECT id FROM delivery")
        token = {"form_token": form_token((await browser.get("/subscriptions")).text)}
        assert (await browser.post(f"/deliveries/{identity}/again", data=token)).status_code == 404
    async with await portal.signed_in(roles=("steward",), subject="steward") as steward:
        shown = (await steward.get("/deliveries")).text
        assert "127.0.0.9/…" in shown
        assert "the receiver could not be reached (not_connected)" in shown
        assert "private" not in shown
        token = {"form_token": form_token(shown)}
        assert (await steward.post(f"/deliveries/{identity}/again", data=token)).status_code == 303
    assert await rows(portal, "SELECT subject FROM audit WHERE action = 'replayed'") == [("steward",)]


async def test_without_a_key_there_are_no_subscriptions_and_pages_go_on(
    database_url: DatabaseUrl, tmp_path: Path
) -> None:
    async with (
        running_portal(await database_url("portal"), tmp_path) as portal,
        await portal.signed_in(TEAM, roles=("steward",)) as browser,
    ):
        await portal.receive(page(TEAM))
        for path in ("/subscriptions", "/deliveries", "/feeds/a.atom", "/unsubscribe/a"):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.get(f"/teams/{TEAM}/2026-05-01")).status_code == 200
