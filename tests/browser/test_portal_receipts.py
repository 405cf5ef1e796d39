"""A patient with nothing but the address of their receipt: looks, and takes it back; on a phone, without scripts."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from deploy.connection import read_stack_file
from shared.database import engine
from tests.browser.conftest import PERIOD, TEAM, opened
from tests.browser.test_portal import violations, wrote

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from deploy.connection import StackFile
    from tests.browser.conftest import Portal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SUMMARISED = text(
    "SELECT f.receipt FROM feedback f JOIN summarised s USING (feedback_id) WHERE s.team_id = :team "
    "AND s.period = CAST(CAST(:period AS text) AS date) AND f.withdrawn_at IS NULL LIMIT 1"
)


def stack_of(portal: Portal) -> StackFile:
    told = read_stack_file(portal.data_dir)
    assert told is not None
    return told


def fresh_receipt(portal: Portal) -> str:
    """Of a comment that was handed in just now; it belongs to no team, so no page of the sample changes."""
    told = stack_of(portal)
    comment = {
        "kind": "comment",
        "source_id": uuid4().hex,
        "channel": "survey",
        "text": "The nurses were kind.",
        "occurred_at": "2026-10-03",
        "about": {"organisation": "Nowhere"},
    }
    headers = {"Authorization": f"Bearer {told.gateway_key}"}
    answer = httpx.post(f"{told.gateway_url}/v1/feedback", json=comment, headers=headers)
    assert answer.status_code == httpx.codes.ACCEPTED
    return str(answer.json()["receipt"])


def summarised_receipt(portal: Portal) -> str:
    """Of a comment of the sample that is part of the team's page."""

    async def found() -> str:
        database = engine(stack_of(portal).gateway_database_url, "gateway")
        try:
            async with database.connect() as connection:
                given = {"team": TEAM, "period": PERIOD}
                return str((await connection.execute(SUMMARISED, given)).scalar_one())
        finally:
            await database.dispose()

    with ThreadPoolExecutor(1) as aside:  # Playwright's own loop runs here
        return aside.submit(asyncio.run, found()).result()


@pytest.mark.parametrize("width", [1200, 320])
def test_a_receipts_pages_shut_nobody_out(browser: Browser, portal: Portal, width: int) -> None:
    done = f"We ring people who wait, seen at {width}."
    with opened(browser, portal, "--team", TEAM) as page:
        wrote(page, done)
    receipt, fresh = summarised_receipt(portal), fresh_receipt(portal)
    with opened(browser, portal, viewport={"width": width, "height": 800}) as page:
        for path in (f"/r/{receipt}", f"/r/{fresh}", f"/r/{fresh}/withdraw", f"/r/{'x' * 24}"):
            page.goto(path)
            assert not violations(page), path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.get_by_role("link", name="My teams").count() == 0
        page.goto(f"/r/{receipt}")
        assert page.get_by_role("heading", level=2).count() == 5
        told = page.get_by_role("main").inner_text()
    assert done in told
    assert "September 2026" in told
    assert "Not yet" not in told


def test_a_patient_takes_it_back(browser: Browser, portal: Portal) -> None:
    receipt = fresh_receipt(portal)
    with opened(browser, portal, java_script_enabled=False) as page:
        page.goto(f"/r/{receipt}")
        page.get_by_role("button", name="Take it back").click()
        page.get_by_role("link", name="No, keep it").click()
        page.get_by_role("button", name="Take it back").click()
        page.get_by_role("button", name="Yes, take it back").click()
        page.wait_for_url(re.compile(f"/r/{receipt}$"))
        assert page.get_by_role("heading", name="We have forgotten it").is_visible()
        page.reload()
        assert page.get_by_role("heading", name="We have forgotten it").is_visible()
        assert page.get_by_role("button").count() == 0


def test_a_patient_takes_it_back_by_keyboard_and_everybody_can_read_that(browser: Browser, portal: Portal) -> None:
    receipt = fresh_receipt(portal)
    with opened(browser, portal) as page:
        page.goto(f"/r/{receipt}/withdraw")
        for _ in range(10):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == "Yes, take it back":
                break
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"/r/{receipt}$"))
        assert page.get_by_role("heading", name="We have forgotten it").is_visible()
        assert not violations(page)
