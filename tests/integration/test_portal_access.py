"""Every address and everybody: what is not a person's to see is not there, and no form works from elsewhere.

A new route fails `test_every_route_stands_in_the_table` until it is thought through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from services.portal import people, sessions
from services.portal.api import ROUTES
from services.portal.commitment_form import Written, event
from services.portal.commitments import CommitmentStore
from services.portal.protection import HEADERS, UNSHARED_HEADERS, UNSHARED_PATH
from shared.events import feedback_id
from shared.sources import QuoteSource
from tests.integration.portal_stage import Stage, running_portal
from tests.integration.test_portal_urgent import NOON, flagged
from tests.unit.digest_samples import WAITING, theme_digest
from tests.unit.portal_examples import DESK, MAY, OTHER, TEAM, held, page, sources_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

MADE = UUID("6e1b7f0e-6a36-4a1f-9a51-0d4f6f0a6a01")
SPOKEN = QuoteSource(
    feedback_id=feedback_id("test", "2"),
    version=1,
    sentiment=2,
    media_id=MADE,
    content_type="video/mp4",
    start_seconds=1,
)
NOTHING = UUID("00000000-0000-4000-8000-000000000000")

PATHS = {
    "team_id": TEAM,
    "period": MAY.isoformat(),
    "commitment_id": str(MADE),
    "position": "1",
    "feedback_id": str(feedback_id("test", "1")),
    "opener": "a-guess",
    "subscription": str(NOTHING),
    "delivery": str(NOTHING),
    "token": "a-guess",
    "name": "a-guess.atom",
    "receipt": "a" * 24,
    "slug": WAITING,
}

WHO = {
    "nobody": None,
    "stranger": ((OTHER,), ()),
    "member": ((TEAM,), ()),
    "desk": ((), (DESK,)),
    "steward": ((), ("steward",)),
}

OWN_TEAM = (303, 404, 200, 404, 200)
ANYBODY = (303, 200, 200, 200, 200)

# By route: what nobody, a stranger, a member of the team, the urgent desk and the steward get. A form is sent with its
# token and else empty, but for the version of the urgent item and how often a subscription is sent.
TABLE = {
    "GET /sign-in": (200, 200, 200, 200, 200),
    "GET /sign-in/link/{opener}": (200, 200, 200, 200, 200),
    "POST /sign-in/link/{opener}": (403, 403, 403, 403, 403),
    "GET /sign-in/provider": (404, 404, 404, 404, 404),
    "GET /sign-in/answer": (404, 404, 404, 404, 404),
    "POST /sign-out": (303, 303, 303, 303, 303),
    "GET /": ANYBODY,
    "GET /about": ANYBODY,
    "GET /themes": ANYBODY,
    "GET /themes/{slug}": ANYBODY,
    "GET /themes/{slug}/{period}": ANYBODY,
    "GET /teams/{team_id}": OWN_TEAM,
    "GET /teams/{team_id}/{period}": OWN_TEAM,
    "GET /teams/{team_id}/{period}/commitments": OWN_TEAM,
    "POST /teams/{team_id}/{period}/commitments": (303, 404, 400, 404, 400),
    "GET /teams/{team_id}/{period}/commitments/{commitment_id}": OWN_TEAM,
    # What was meant is for the team to say, not for the steward. The form sent names no revision: the page has changed.
    "GET /teams/{team_id}/{period}/quotes/{position}": (303, 404, 200, 404, 404),
    "POST /teams/{team_id}/{period}/quotes/{position}": (303, 404, 409, 404, 404),
    "GET /teams/{team_id}/{period}/corrected": (303, 404, 200, 404, 404),
    # With the bucket away; test_portal_recordings.py asks a real one.
    "GET /teams/{team_id}/{period}/quotes/{position}/recording": (303, 404, 503, 404, 503),
    "GET /held": (303, 404, 404, 404, 200),
    # Patients have no account. The gateway is away here; test_portal_receipts.py asks a real one.
    "GET /r/{receipt}": (503, 503, 503, 503, 503),
    "GET /r/{receipt}/withdraw": (503, 503, 503, 503, 503),
    "POST /r/{receipt}/withdraw": (403, 403, 403, 403, 403),
    "GET /urgent": (303, 404, 404, 200, 200),
    # The steward holds no named role: only what the catalogue names nobody for is theirs.
    "POST /urgent/{feedback_id}": (303, 404, 404, 303, 404),
    # With the gateway away; test_portal_words.py asks a real one.
    "GET /urgent/{feedback_id}/words": (303, 404, 404, 503, 404),
    "GET /urgent/{feedback_id}/recording": (303, 404, 404, 503, 404),
    "GET /subscriptions": ANYBODY,
    "POST /subscriptions": (303, 422, 422, 422, 422),
    "POST /subscriptions/{subscription}": (303, 404, 404, 404, 404),
    "POST /subscriptions/{subscription}/end": (303, 404, 404, 404, 404),
    # By the token alone: programs that read feeds, and people who unsubscribe, sign in nowhere.
    "GET /unsubscribe/{token}": (404, 404, 404, 404, 404),
    "POST /unsubscribe/{token}": (404, 404, 404, 404, 404),
    "GET /feeds/{name}": (404, 404, 404, 404, 404),
    "GET /deliveries": (303, 404, 404, 404, 200),
    "POST /deliveries/{delivery}/again": (303, 404, 404, 404, 404),
}

WITHOUT_FORM_TOKEN = {"POST /unsubscribe/{token}"}
"""RFC 8058: a mail program posts there by itself; the address is the secret."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the portal."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def all_routes() -> list[Route]:
    return [
        Route(method, route.path)
        for module in ROUTES
        for route in module.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running_portal(
        await database_url("portal"),
        tmp_path,
        portal_sign_ins=1_000,
        portal_subscription_key="k" * 32,
        gateway_url="http://127.0.0.1:9",
        urgent_words_token="w" * 32,
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="heed-portal",
        s3_secret_key="s" * 32,
    ) as stage:
        await stage.receive(
            page(TEAM), page(OTHER), theme_digest(), sources_of(page(TEAM), SPOKEN), held(OTHER), flagged(1)
        )
        written = Written("Parking", "heard", "We ask.", "", "ward lead", "2026-05-20", people_told=False, problems={})
        made = event(written, (MADE, 1), team_id=TEAM, period=MAY, now=NOON)
        somebody = people.Person("somebody", frozenset({TEAM}), frozenset())
        assert await CommitmentStore(stage.database).record(somebody, made)
        yield stage


async def browser_of(portal: Stage, who: str) -> httpx.AsyncClient:
    given = WHO[who]
    return portal.browser() if given is None else await portal.signed_in(*given[0], roles=given[1])


async def asked(browser: httpx.AsyncClient, route: Route, *, with_token: bool = True) -> httpx.Response:
    address = route.path.format(**PATHS)
    if route.method == "GET":
        return await browser.get(address)
    fields = {"version": "1", "frequency": "week"}
    cookie = browser.cookies.get("heed-session")
    if with_token and cookie:
        fields["form_token"] = sessions.form_token(cookie)
    return await browser.post(address, data=fields)


def test_every_route_stands_in_the_table() -> None:
    assert {str(route) for route in all_routes()} == TABLE.keys()


async def test_everybody_gets_what_the_table_says(portal: Stage) -> None:
    wrong = []
    for route in all_routes():
        for who, expected in zip(WHO, TABLE[str(route)], strict=True):
            async with await browser_of(portal, who) as browser:
                answer = await asked(browser, route)
            if answer.status_code != expected:
                wrong.append(f"{route}: {who} gets {answer.status_code}, not {expected}")
            if answer.status_code == 303 and who == "nobody":
                assert answer.headers["location"] == "/sign-in"
    assert not wrong, "\n".join(wrong)


async def test_what_is_not_theirs_looks_as_if_it_were_not_there(portal: Stage) -> None:
    """Else an address would tell that a team, a page or an item exists."""
    async with await browser_of(portal, "stranger") as browser:
        for route in all_routes():
            if route.method != "GET" or TABLE[str(route)][1] != 404:
                continue
            there = await asked(browser, route)
            nothing = await browser.get("/no-such-page")
            assert (there.status_code, there.text) == (nothing.status_code, nothing.text), route


async def test_no_form_works_without_the_token_of_the_session(portal: Stage) -> None:
    for route in all_routes():
        if route.method != "POST" or str(route) in WITHOUT_FORM_TOKEN:
            continue
        for who in WHO:
            async with await browser_of(portal, who) as browser:
                answer = await asked(browser, route, with_token=False)
            is_public = "sign-in" in route.path or route.path.startswith(UNSHARED_PATH)
            allowed = {303} if who == "nobody" and not is_public else {403, 404}
            assert answer.status_code in allowed, f"{route}: {who} gets {answer.status_code}"
    async with portal.database.connect() as connection:
        left = await connection.exec_driver_sql("SELECT count(*) FROM outbox")
        assert left.scalar_one() == 1, "only the fixture's own"


async def test_a_token_of_another_session_is_none(portal: Stage) -> None:
    async with await browser_of(portal, "member") as one, await browser_of(portal, "member") as other:
        token = sessions.form_token(other.cookies["heed-session"])
        assert (await one.post("/sign-out", data={"form_token": token})).status_code == 403


async def test_every_answer_keeps_the_browser_safe_and_no_page_is_kept(portal: Stage) -> None:
    async with await browser_of(portal, "steward") as browser:
        for route in [*all_routes(), Route("GET", "/no-such-page"), Route("GET", "/health/ready")]:
            headers = (await asked(browser, route)).headers if "sign-out" not in route.path else {**HEADERS}
            own = UNSHARED_HEADERS if route.path.startswith(UNSHARED_PATH) else {}
            for name, value in {**HEADERS, **own}.items():
                assert headers[name] == value, (route, name)
            if "sign-out" not in route.path:
                assert headers["cache-control"] == "no-store", route


async def test_no_page_loads_or_runs_anything_from_elsewhere(portal: Stage) -> None:
    async with await browser_of(portal, "steward") as browser:
        for route in all_routes():
            if route.method != "GET":
                continue
            shown = (await asked(browser, route)).text
            assert "<script" not in shown
            assert " style=" not in shown
            assert "javascript:" not in shown
            for attribute in ('src="http', 'href="http', "url(http", '"//'):
                assert attribute not in shown.replace('href="http://portal', ""), (route, attribute)


@pytest.mark.parametrize("period", ["2026-13-01", "x", "..%2F..", "2026-05-01T00:00"])
async def test_a_period_that_is_none_is_not_there(portal: Stage, period: str) -> None:
    async with await browser_of(portal, "member") as browser:
        assert (await browser.get(f"/teams/{TEAM}/{period}")).status_code == 404


async def test_a_day_without_a_page_is_not_there(portal: Stage) -> None:
    async with await browser_of(portal, "member") as browser:
        assert (await browser.get(f"/teams/{TEAM}/{date(2020, 1, 1)}")).status_code == 404


async def test_a_form_that_is_too_large_is_refused_before_it_is_read(portal: Stage) -> None:
    async with await browser_of(portal, "member") as browser:
        data = {"form_token": sessions.form_token(browser.cookies["heed-session"]), "text": "x" * 40_000}
        assert (await browser.post(f"/teams/{TEAM}/{MAY}/commitments", data=data)).status_code == 413


async def test_a_failure_of_ours_is_a_page_without_its_cause(portal: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a patient's words")

    async with await browser_of(portal, "member") as browser:
        monkeypatch.setattr(portal.app.state.portal.pages.__class__, "newest", broken)  # type: ignore[attr-defined]
        answer = await browser.get("/")
    assert answer.status_code == 500
    assert "patient" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
