"""A quote is corrected: found, ticked, sent, and gone from its page; and the steward's list of held pages."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from deploy.connection import database_url, find_installation
from shared.database import engine
from tests.browser.conftest import START_LIMIT, TEAM, opened
from tests.browser.test_portal import tabbed_to, violations
from tests.unit.portal_examples import held
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Portal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

PERIOD = "2026-08-01"
"""Another than what other tests look at: the page changes here."""

PAGE = f"/teams/{TEAM}/{PERIOD}"
ASKED = "Is this read wrongly?"


def links(page: Page) -> int:
    page.goto(PAGE)
    return page.get_by_role("link", name=re.compile(re.escape(ASKED))).count()


@pytest.fixture
def quoted(browser: Browser, portal: Portal) -> None:
    """The page and its sources are there."""
    with opened(browser, portal, "--team", TEAM) as page:
        wait_until(lambda: links(page) > 0, START_LIMIT)


@pytest.mark.usefixtures("quoted")
@pytest.mark.parametrize("width", [1200, 320])
def test_the_form_shuts_nobody_out_and_needs_no_scrolling_sideways(
    browser: Browser, portal: Portal, width: int
) -> None:
    with opened(browser, portal, "--team", TEAM, viewport={"width": width, "height": 800}) as page:
        for address in (PAGE, f"{PAGE}/quotes/1", f"{PAGE}/corrected"):
            page.goto(address)
            for summary in page.locator("summary").all():
                summary.click()
            assert not violations(page), address
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        page.goto(f"{PAGE}/quotes/1")
        page.get_by_role("button", name="This is how it is meant").click()
        assert page.title().startswith("Error:")
        assert not violations(page)
        page.get_by_role("alert").get_by_role("link").click()
        assert page.evaluate("document.activeElement.id") == "sentiment"


@pytest.mark.usefixtures("quoted")
def test_a_quote_is_corrected_by_keyboard_and_is_quoted_no_more(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--team", TEAM) as page:
        page.goto(PAGE)
        assert tabbed_to(page, ASKED) == ASKED
        # The last one: the first has words that another comment of the sample has, too, and would be quoted for.
        quote = page.locator("blockquote").last.inner_text()
        page.get_by_role("link", name=re.compile(re.escape(ASKED))).last.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/quotes/*")
        assert page.locator("blockquote").inner_text() == quote
        assert tabbed_to(page, "sentiment") == "sentiment"
        page.keyboard.press("ArrowDown")
        assert tabbed_to(page, "Another theme") == "Another theme"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.locator("details input:checked").count() == 1
        page.get_by_role("button", name="This is how it is meant").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/corrected")
        assert "a corrected comment is not quoted" in page.get_by_role("main").inner_text()

        def is_gone() -> bool:
            page.goto(PAGE)
            return quote not in page.locator("blockquote").all_inner_texts()

        wait_until(is_gone)


async def hold(data_dir: Path) -> None:
    """A held page, as the portal keeps it; the sample has none."""
    event = held(reasons=("name at text line 2", "small_count at heard.responses"))
    async with database_url(find_installation(data_dir), "portal") as url:
        database = engine(url, "portal", pool_size=1)
        async with database.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO held_summary VALUES (:team_id, :period, :revision, CAST(:payload AS jsonb)) "
                    "ON CONFLICT DO NOTHING"
                ),
                {"payload": event.model_dump_json(), **event.model_dump(include={"team_id", "period", "revision"})},
            )
        await database.dispose()


@pytest.mark.parametrize("width", [1200, 320])
def test_the_list_of_held_pages_is_the_stewards_and_shuts_nobody_out(
    browser: Browser, portal: Portal, width: int
) -> None:
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright keeps an event loop in this thread
        elsewhere.submit(lambda: asyncio.run(hold(portal.data_dir))).result()
    with opened(browser, portal, "--steward", viewport={"width": width, "height": 800}) as page:
        page.get_by_role("link", name="Held pages").click()
        page.wait_for_url("**/held")
        assert "There may be a person's name on it." in page.get_by_role("main").inner_text()
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    with opened(browser, portal, "--team", TEAM) as page:
        assert page.get_by_role("link", name="Held pages").count() == 0
