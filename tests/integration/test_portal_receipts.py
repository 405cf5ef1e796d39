"""A patient's own page, on a real gateway: how far it has come, what the team does, and taking it back."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest

from services.gateway.store import FeedbackStore
from services.portal import sessions
from services.portal.commitments import CommitmentStore
from services.portal.people import Person
from services.portal.protection import Limit
from services.portal.receipts import Receipts
from shared.commitments import CommitmentRecorded
from shared.events import FeedbackSummarised
from tests.integration.gateway_stage import COMMENT, NOW, database, gateway_url
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.integration.test_gateway_service import address, http, key, publisher, reading, receipt_of
from tests.integration.test_portal_access import WHO, browser_of
from tests.unit.portal_examples import MAY, OTHER, TEAM, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.integration.conftest import DatabaseUrl

__all__ = ["address", "database", "gateway_url", "http", "key", "publisher"]

pytestmark = pytest.mark.integration


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path, address: str) -> AsyncIterator[Stage]:
    async with running_portal(await database_url("portal"), tmp_path, gateway_url=address, portal_sign_ins=5) as stage:
        yield stage


async def summarised(http: httpx.AsyncClient, database: AsyncEngine, receipt: str, *teams: str) -> None:
    """As if it had been read, and were part of these teams' pages of May."""
    one = UUID((await http.get(f"/v1/feedback/{receipt}")).json()["feedback_id"])
    store = FeedbackStore(database)
    await store.mark_read([reading(one, {**COMMENT, "occurred_at": NOW, "received_at": NOW})])
    await store.mark_summarised(
        [
            FeedbackSummarised(team_id=team, period=MAY, revision=1, feedback_ids=(one,), summarised_at=NOW)
            for team in teams
        ]
    )


async def made_by(portal: Stage, team: str, text: str, period: date = MAY) -> None:
    made = CommitmentRecorded(
        commitment_id=uuid4(),
        revision=1,
        team_id=team,
        period=period,
        theme="Timeliness of care",
        state="testing",
        text=text,
        role="the shift lead",
        since=date(2026, 6, 1),
        recorded_at=NOW,
    )
    assert await CommitmentStore(portal.database).record(Person("s", frozenset(), frozenset()), made)


async def test_a_patient_follows_what_they_said_to_what_the_team_does(
    portal: Stage, http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    receipt = await receipt_of(http)
    async with portal.browser() as patient:
        shown = (await patient.get(f"/r/{receipt}")).text
        assert shown.count("Not yet") == 3
        await summarised(http, database, receipt, TEAM, "gone-long-ago")
        await portal.receive(page())
        shown = (await patient.get(f"/r/{receipt}")).text
        assert "Riverside emergency department team, for May 2026" in shown
        assert "a team, for the time from 1 May 2026" in shown
        assert shown.count("Not yet") == 1
        await made_by(portal, TEAM, "A board that tells how long the wait is.")
        await made_by(portal, TEAM, "Not of that time.", date(2026, 4, 1))
        await made_by(portal, OTHER, "Not of that team.")
        answer = await patient.get(f"/r/{receipt}")
    assert "A board that tells how long the wait is." in answer.text
    assert "Testing a change" in answer.text
    assert "the shift lead, since 1 June 2026" in answer.text
    assert "Not of that" not in answer.text
    assert "nurses" not in answer.text, "a page that somebody left open must not show what was said"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert "set-cookie" not in answer.headers, "looking leaves nothing behind"


async def test_everybody_gets_the_same_page(portal: Stage, http: httpx.AsyncClient) -> None:
    """No account is needed, and none shows more."""
    receipt = await receipt_of(http)
    pages = set()
    for who in WHO:
        async with await browser_of(portal, who) as browser:
            answer = await browser.get(f"/r/{receipt}")
            assert answer.status_code == 200, who
            pages.add(answer.text)
    assert len(pages) == 1


async def test_a_patient_takes_it_back_by_a_button_and_not_by_looking(portal: Stage, http: httpx.AsyncClient) -> None:
    receipt = await receipt_of(http)
    async with portal.browser() as patient, portal.browser() as other:
        asked = await patient.get(f"/r/{receipt}/withdraw")
        assert (await http.get(f"/v1/feedback/{receipt}")).json()["state"] == "received"
        token = form_token(asked.text)
        for given in ({"form_token": token}, {"form_token": ""}):
            # Another site's form has no cookie of this browser's, and no token that goes with it.
            assert (await other.post(f"/r/{receipt}/withdraw", data=given)).status_code == 403
        assert (await http.get(f"/v1/feedback/{receipt}")).json()["state"] == "received"
        for _ in range(2):
            done = await patient.post(f"/r/{receipt}/withdraw", data={"form_token": token})
            assert (done.status_code, done.headers["location"]) == (303, f"/r/{receipt}")
        assert "We have forgotten it" in (await patient.get(f"/r/{receipt}")).text
        assert (await patient.get(f"/r/{receipt}/withdraw")).headers["location"] == f"/r/{receipt}"
    assert (await http.get(f"/v1/feedback/{receipt}")).json()["state"] == "withdrawn"


async def test_what_is_no_receipt_is_answered_alike_and_not_for_ever(portal: Stage, http: httpx.AsyncClient) -> None:
    receipt = await receipt_of(http)
    async with portal.browser() as patient:
        unknown = await patient.get(f"/r/{secrets.token_urlsafe(18)}")
        assert unknown.status_code == 404
        assert "We do not know this receipt" in unknown.text
        for guess in ("x", "%00" * 24, "é" * 24, "a" * 25):
            answer = await patient.get(f"/r/{guess}")
            assert (answer.status_code, answer.text) == (404, unknown.text)
        for path in (f"/r/{receipt}", f"/r/{secrets.token_urlsafe(18)}", f"/r/{receipt}/withdraw"):
            assert (await patient.get(path)).status_code == 429, "five guesses in five minutes are enough"


async def test_whoever_has_a_receipt_may_look_as_often_as_they_like(portal: Stage, http: httpx.AsyncClient) -> None:
    receipt = await receipt_of(http)
    async with portal.browser() as patient:
        assert {(await patient.get(f"/r/{receipt}")).status_code for _ in range(8)} == {200}


async def test_without_a_gateway_there_is_no_such_page(database_url: DatabaseUrl, tmp_path: Path) -> None:
    async with running_portal(await database_url("portal"), tmp_path) as portal, portal.browser() as patient:
        nothing = await patient.get("/no-such-page")
        for path in (f"/r/{'c' * 24}", f"/r/{'c' * 24}/withdraw"):
            answer = await patient.get(path)
            assert (answer.status_code, answer.text) == (404, nothing.text)


async def test_a_gateway_that_is_away_is_a_page_that_says_so(
    database_url: DatabaseUrl, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = "c" * 24
    async with (
        running_portal(await database_url("portal"), tmp_path, gateway_url="http://127.0.0.1:9") as portal,
        portal.browser() as patient,
    ):
        caplog.set_level(logging.DEBUG, "services")
        looked = await patient.get(f"/r/{receipt}")
        assert (looked.status_code, looked.headers["retry-after"]) == (503, "60")
        assert "Nothing is lost." in looked.text
        assert "Try again later." in looked.text
        patient.cookies.set("heed-form", "mine")
        token = sessions.form_token("mine")
        tried = await patient.post(f"/r/{receipt}/withdraw", data={"form_token": token})
        assert tried.status_code == 503
        assert "We could not take it back right now" in tried.text
    told = [each.getMessage() for each in caplog.records if each.name.startswith("services")]
    assert any("the gateway does not answer (ConnectError)" in each for each in told)
    assert not any(receipt in each for each in told)


ANSWERS = {
    "another server's 404": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "a failure": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "nothing": b"",
    "silence": None,
    "an answer that never ends": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_whatever_else_answers_is_a_gateway_that_is_away(
    database_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr("services.portal.gateway.ANSWER_LIMIT", 0.5)

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer = ANSWERS[case]
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()
            while case == "an answer that never ends" and not reader.at_eof():
                writer.write(b" ")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        running_portal(await database_url("portal"), tmp_path, gateway_url=url) as portal,
        portal.browser() as patient,
    ):
        assert (await patient.get(f"/r/{'c' * 24}")).status_code == 503


async def test_nothing_but_a_receipt_is_asked_for() -> None:
    """Nothing that is no receipt is ever put into an address of the gateway."""
    asked: list[httpx.Request] = []

    async def noting(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500)

    async with httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(noting)) as client:
        receipts = Receipts(client, Limit(5))
        for guess in ("../feedback", "a" * 23, "a" * 24 + "/x", "a" * 24 + "\n", "é" * 24, ""):
            assert await receipts.look(guess) is None
            assert await receipts.withdraw(guess) is False
    assert asked == []
