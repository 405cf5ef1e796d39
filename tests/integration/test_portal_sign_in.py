"""Signing in: links work once, the identity provider's word is checked, and every form must be ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.portal.people import Grant
from services.portal.sessions import SessionStore
from tests.integration.oidc_provider import CLIENT, SECRET, running_provider
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.unit.portal_examples import MAY, OTHER, TEAM, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running_portal(await database_url("portal"), tmp_path) as stage:
        yield stage


async def link(portal: Stage, *teams: str, minutes: float = 5) -> str:
    grant = Grant("somebody", frozenset(teams))
    opener = await SessionStore(portal.database).make_link(grant, datetime.now(UTC) + timedelta(minutes=minutes))
    return f"/sign-in/link/{opener}"


async def spent(browser: httpx.AsyncClient, address: str) -> httpx.Response:
    """Open a link as a person does: look, then press the button."""
    shown = await browser.get(address)
    return await browser.post(address, data={"form_token": form_token(shown.text)})


async def test_a_link_signs_in_once_and_looking_at_it_does_not_spend_it(portal: Stage) -> None:
    address = await link(portal, TEAM)
    async with portal.browser() as first, portal.browser() as second:
        await second.get(address)
        answer = await spent(first, address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert (await first.get("/")).status_code == 200
        assert (await spent(second, address)).status_code == 403
        assert (await second.get("/")).headers["location"] == "/sign-in"


async def test_a_link_that_is_too_old_signs_nobody_in(portal: Stage) -> None:
    async with portal.browser() as browser:
        assert (await spent(browser, await link(portal, TEAM, minutes=-1))).status_code == 403


async def test_a_link_cannot_be_spent_by_another_sites_form(portal: Stage) -> None:
    address = await link(portal, TEAM)
    async with portal.browser() as browser:
        assert (await browser.post(address, data={"unasked": "1"})).status_code == 403
        await browser.get(address)
        assert (await browser.post(address, data={"form_token": "0" * 64})).status_code == 403


async def test_nothing_that_opens_is_kept_as_it_is(portal: Stage) -> None:
    address = await link(portal, TEAM)
    async with await portal.signed_in(TEAM) as browser:
        cookie = next(iter(browser.cookies.values()))
    async with portal.database.connect() as connection:
        for table in ("session", "sign_in_link"):
            (row,) = (await connection.execute(text(f"SELECT * FROM {table}"))).all()  # noqa: S608 - constants only
            assert cookie not in str(row)
            assert address.rpartition("/")[2] not in str(row)


async def test_cookies_are_out_of_the_reach_of_scripts_and_of_other_sites(portal: Stage) -> None:
    async with portal.browser() as browser:
        answer = await spent(browser, await link(portal, TEAM))
    for cookie in answer.headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie


async def test_over_tls_cookies_are_bound_to_it(database_url: DatabaseUrl, tmp_path: Path) -> None:
    async with (
        running_portal(await database_url("portal"), tmp_path, portal_url="https://portal.example.org") as portal,
        portal.browser() as browser,
    ):
        answer = await spent(browser, await link(portal, TEAM))
        (session,) = (each for each in answer.headers.get_list("set-cookie") if "session" in each)
        assert session.startswith("__Host-heed-session=")
        assert "Secure" in session
        assert "max-age" in answer.headers["strict-transport-security"]
        assert (await browser.get("/")).status_code == 200


async def test_signing_out_ends_the_session_for_whoever_has_its_cookie(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser, portal.browser() as copy:
        copy.cookies = httpx.Cookies(browser.cookies)
        shown = (await browser.get("/")).text
        assert (await browser.post("/sign-out", data={"form_token": form_token(shown)})).status_code == 303
        assert (await copy.get("/")).status_code == 303


async def test_a_session_ends_by_itself(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        async with portal.database.begin() as connection:
            await connection.execute(text("UPDATE session SET expires_at = now()"))
        assert (await browser.get("/")).status_code == 303


async def test_too_many_tries_are_refused_before_they_are_looked_at(database_url: DatabaseUrl, tmp_path: Path) -> None:
    async with (
        running_portal(await database_url("portal"), tmp_path, portal_sign_ins=3) as portal,
        portal.browser() as browser,
    ):
        address = await link(portal, TEAM)
        answers = [(await spent(browser, "/sign-in/link/guess")).status_code for _ in range(3)]
        assert answers == [403, 403, 403]
        assert (await spent(browser, address)).status_code == 429


async def test_who_is_taken_out_of_the_catalogue_sees_nothing_from_then_on(portal: Stage, tmp_path: Path) -> None:
    await portal.receive(page(OTHER))
    async with await portal.signed_in(subject="sam@example.org") as browser:
        assert (await browser.get(f"/teams/{OTHER}/{MAY}")).status_code == 200
        catalogue = tmp_path / "teams.yaml"
        catalogue.write_text(catalogue.read_text(encoding="utf-8").replace("Sam@Example.org", "kim@example.org"))
        await portal.app.state.portal.directory.look()  # type: ignore[attr-defined]
        assert (await browser.get(f"/teams/{OTHER}/{MAY}")).status_code == 404


# --- By the identity provider ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running_provider() as address:
        yield address


@pytest.fixture
async def with_provider(database_url: DatabaseUrl, tmp_path: Path, issuer: str) -> AsyncIterator[Stage]:
    async with running_portal(
        await database_url("portal"),
        tmp_path,
        portal_oidc_issuer=issuer,
        portal_oidc_client_id=CLIENT,
        portal_oidc_client_secret=SecretStr(SECRET),
    ) as stage:
        yield stage


async def asked(browser: httpx.AsyncClient, issuer: str, wrong: str | None = None, **claims: Any) -> str:
    """Go to the provider; the address that it sends the browser back to."""
    async with httpx.AsyncClient() as outside:
        await outside.post(f"{issuer}/next", json={"claims": claims, "wrong": wrong})
        sent = await browser.get("/sign-in/provider")
        back = await outside.get(sent.headers["location"])
    return back.headers["location"]


async def test_claims_let_in_to_ones_own_teams(with_provider: Stage, issuer: str) -> None:
    await with_provider.receive(page(TEAM), page(OTHER))
    async with with_provider.browser() as browser:
        back = await asked(browser, issuer, heed_teams=[TEAM])
        assert (await browser.get(back)).headers["location"] == "/"
        assert (await browser.get(f"/teams/{TEAM}/{MAY}")).status_code == 200
        assert (await browser.get(f"/teams/{OTHER}/{MAY}")).status_code == 404


@pytest.mark.parametrize(("is_verified", "status"), [(True, 200), (False, 404), ("true", 404)])
async def test_the_catalogue_knows_a_person_by_a_verified_address_only(
    with_provider: Stage, issuer: str, is_verified: object, status: int
) -> None:
    await with_provider.receive(page(OTHER))
    async with with_provider.browser() as browser:
        await browser.get(await asked(browser, issuer, email="sam@example.org", email_verified=is_verified))
        assert (await browser.get(f"/teams/{OTHER}/{MAY}")).status_code == status


@pytest.mark.parametrize("wrong", ["issuer", "audience", "expired", "nonce", "key"])
async def test_a_token_that_is_not_for_us_lets_nobody_in(with_provider: Stage, issuer: str, wrong: str) -> None:
    async with with_provider.browser() as browser:
        answer = await browser.get(await asked(browser, issuer, wrong, heed_teams=[TEAM]))
        assert answer.status_code == 403
        assert (await browser.get("/")).status_code == 303


async def test_an_answer_counts_once(with_provider: Stage, issuer: str) -> None:
    async with with_provider.browser() as browser:
        back = await asked(browser, issuer, heed_teams=[TEAM])
        state = browser.cookies["heed-state"]
        assert (await browser.get(back)).status_code == 303
        browser.cookies.set("heed-state", state)
        assert (await browser.get(back)).status_code == 403


async def test_an_answer_counts_only_where_it_was_asked_for(with_provider: Stage, issuer: str) -> None:
    """Else a link could sign somebody in as somebody else."""
    async with with_provider.browser() as attacker, with_provider.browser() as victim:
        back = await asked(attacker, issuer, heed_teams=[TEAM])
        assert (await victim.get(back)).status_code == 403
        assert (await victim.get("/")).status_code == 303


async def test_a_provider_that_is_away_is_a_page_and_no_failure(database_url: DatabaseUrl, tmp_path: Path) -> None:
    async with (
        running_portal(
            await database_url("portal"),
            tmp_path,
            portal_oidc_issuer="http://127.0.0.1:9",
            portal_oidc_client_id=CLIENT,
            portal_oidc_client_secret=SecretStr(SECRET),
        ) as portal,
        portal.browser() as browser,
    ):
        assert (await browser.get("/sign-in/provider")).status_code == 503
