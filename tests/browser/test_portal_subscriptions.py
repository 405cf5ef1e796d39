"""Subscribing in a browser: a feed from the team's page, a webhook that is told of a mistake, by keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import TEAM, opened
from tests.browser.test_portal import tabbed_to, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Portal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def subscribe(page: Page, channel: str, target: str = "") -> None:
    """Fill in the form and send it."""
    page.get_by_label("How you want to get it").select_option(label=channel)
    page.get_by_label("Where to send it").fill(target)
    page.get_by_role("button", name="Subscribe", exact=True).click()


def test_somebody_takes_a_feed_reads_it_and_ends_it(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--team", TEAM) as page:
        page.goto(f"/teams/{TEAM}")
        page.get_by_role("link", name="Be told of new pages").click()
        subscribe(page, "Feed, for a feed reader")
        assert not violations(page)
        address = page.locator("code").inner_text()
        feed = page.request.get(address)
        assert feed.status == 200
        assert "September 2026" in feed.text()
        page.get_by_role("link", name="Back to my subscriptions").click()
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_text("You have none yet.").wait_for()
        assert page.request.get(address).status == 404


def test_a_target_that_cannot_be_used_is_told_beside_its_field(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--team", TEAM) as page:
        page.goto("/subscriptions")
        subscribe(page, "Webhook, for a program", "https://10.0.0.1/heed")
        assert page.title().startswith("Error:")
        assert not violations(page)
        page.get_by_role("alert").get_by_role("link").click()
        assert page.evaluate("document.activeElement.id") == "target"
        assert "not on the public internet" in str(page.locator("#target-error").text_content())
        subscribe(page, "Webhook, for a program", "https://127.0.0.1:9/heed")
        assert page.locator("code").inner_text().startswith("heedwh_")
        page.goto("/subscriptions")
        page.get_by_label("Mute").check()
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Muted: nothing is sent.").wait_for()
        assert not violations(page)
        page.get_by_role("button", name="Unsubscribe").click()


def test_somebody_subscribes_by_keyboard_alone(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--team", TEAM, viewport={"width": 320, "height": 800}) as page:
        page.goto("/subscriptions")
        assert tabbed_to(page, "channel") == "channel"
        page.keyboard.type("Feed")
        assert tabbed_to(page, "Subscribe") == "Subscribe"
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Subscribed to").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.goto("/subscriptions")
        assert tabbed_to(page, "Unsubscribe") == "Unsubscribe"
        page.keyboard.press("Enter")
        page.get_by_text("You have none yet.").wait_for()
