"""Themes in a browser: from the list to a digest, to a subscription to it; narrow, printed, and where there is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import START_LIMIT, TEAM, opened
from tests.browser.test_portal import tabbed_to, violations
from tests.browser.test_portal_subscriptions import subscribe
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Portal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

THEME = "The experience as a whole"
"""Of the sample's themes the one that all of its three teams hear enough about."""

ADDRESS = "/themes/positive-experience-gratitude"
NOTHING_YET = "/themes/parking"


def digest(page: Page) -> None:
    """Open it, once it is out: the portal begins before the digests come."""

    def is_out() -> bool:
        page.goto(ADDRESS)
        return page.get_by_role("heading", name="Questions to explore").is_visible()

    wait_until(is_out, START_LIMIT)


def test_somebody_finds_a_digest_and_subscribes_to_it(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--team", TEAM) as page:
        digest(page)
        page.get_by_role("link", name="Themes", exact=True).first.click()
        page.get_by_role("link", name=THEME).click()
        assert not violations(page)
        told = page.get_by_role("main").inner_text()
        assert "At least 3 teams heard about this; none is named." in told
        assert "do not hold a team's own page against it" in told
        assert not re.search(r"Riverside|Harbour|Moorland", told)
        page.get_by_role("list", name="Other periods").get_by_role("link").first.click()
        page.get_by_role("heading", name="Questions to explore").wait_for()

        page.get_by_role("link", name="Be told of new digests").click()
        assert page.get_by_label("Team or theme").evaluate("field => field.selectedOptions[0].text") == THEME
        assert not violations(page)
        subscribe(page, "Feed, for a feed reader")
        feed = page.request.get(page.locator("code").inner_text())
        assert f"What people told several teams: {THEME}" in feed.text()
        page.get_by_role("link", name="Back to my subscriptions").click()
        page.get_by_role("heading", name=f"Theme: {THEME}: Feed").wait_for()
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_text("You have none yet.").wait_for()


def test_nobody_is_shut_out_from_themes_on_a_phone_by_keyboard_or_on_paper(
    browser: Browser, portal: Portal, tmp_path: Path
) -> None:
    with opened(browser, portal, "--team", TEAM, viewport={"width": 320, "height": 800}) as page:
        digest(page)
        for address in (NOTHING_YET, "/themes", ADDRESS):
            page.goto(address)
            assert not violations(page), address
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
        printed = page.pdf(path=tmp_path / "digest.pdf", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
        page.goto("/themes")
        assert tabbed_to(page, THEME) == THEME
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{ADDRESS}")
