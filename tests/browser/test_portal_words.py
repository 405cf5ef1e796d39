"""The desk reads what was said to it, and to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import DESK, opened
from tests.browser.test_portal import violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import Portal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def test_the_desk_reads_what_was_said_and_prints_none_of_it(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--role", DESK, viewport={"width": 320, "height": 800}) as page:
        page.get_by_role("link", name="Urgent").click()
        page.get_by_role("link", name="Read what was said").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/words")
        words = page.locator(".heed-said, [aria-labelledby=said]").first
        assert len(words.inner_text()) > 20
        assert "People can be named in them" in page.get_by_role("main").inner_text()
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.emulate_media(media="print")
        assert not words.is_visible()
