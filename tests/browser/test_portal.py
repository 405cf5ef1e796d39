"""Walks through the portal: read, commit, take on, print; on a phone, by keyboard, without scripts, for everybody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESK, PERIOD, TEAM, opened

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Portal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

EVERYTHING = ("--steward", "--role", DESK)

PAGES = [
    "/",
    "/about",
    f"/teams/{TEAM}",
    f"/teams/{TEAM}/{PERIOD}",
    f"/teams/{TEAM}/{PERIOD}/commitments",
    "/urgent",
    "/subscriptions",
    "/deliveries",
    "/no-such-page",
]


def violations(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using a page."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in {"serious", "critical"}]


def wrote(page: Page, text: str) -> None:
    """Fill the form about what the team tries, and save it."""
    page.goto(f"/teams/{TEAM}/{PERIOD}/commitments")
    page.get_by_label("What it is about").select_option(index=1)
    page.get_by_label("Testing a change").check()
    page.get_by_label("What you do").fill(text)
    page.get_by_label("Who sees to it").fill("the shift lead")
    page.get_by_role("button", name="Save").click()


def test_signed_out_pages_shut_nobody_out(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal) as page:
        for address in ("/sign-in", portal.link("--team", TEAM)):
            page.goto(address)
            assert not violations(page)
        page.goto("/")
        assert page.url.endswith("/sign-in")


@pytest.mark.parametrize("width", [1200, 320])
def test_no_page_shuts_anybody_out_or_needs_scrolling_sideways(browser: Browser, portal: Portal, width: int) -> None:
    with opened(browser, portal, *EVERYTHING, viewport={"width": width, "height": 800}) as page:
        wrote(page, f"A board that tells the wait, seen at {width}.")
        change = page.get_by_role("link", name=re.compile(f"Change.*seen at {width}"))
        for address in [*PAGES, str(change.get_attribute("href"))]:
            page.goto(address)
            for summary in page.locator("summary").all():
                summary.click()
            assert not violations(page), address
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_a_form_that_is_wrong_says_so_to_everybody(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, *EVERYTHING) as page:
        page.goto(f"/teams/{TEAM}/{PERIOD}/commitments")
        page.get_by_role("button", name="Save").click()
        assert page.get_by_role("alert").get_by_role("link").count() == 4
        assert page.title().startswith("Error:")
        assert not violations(page)
        page.get_by_role("alert").get_by_role("link", name="Write what you do").click()
        assert page.evaluate("document.activeElement.id") == "text"


def test_read_commit_and_find_it_again(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--team", TEAM) as page:
        page.get_by_role("link", name="All pages of Riverside").click()
        page.get_by_role("link", name="September 2026").click()
        headings = page.get_by_role("heading", level=2).all_inner_texts()
        assert headings == [
            "Who we heard, and who we didn't",
            "What people valued",
            "What the pattern says",
            "What people told us",
            "Questions to explore",
            "In our gift, or needs others",
            "You said, together we did",
            "How sure are we?",
        ]
        assert page.get_by_role("img", name=re.compile("Raised: how long people waited")).is_visible()
        page.get_by_text("Show the numbers").click()
        assert page.get_by_role("table").get_by_role("row").count() > 13
        wrote(page, "We ring people who wait at home.")
        assert "We ring people who wait at home." in page.get_by_role("main").inner_text()
        page.get_by_role("link", name=re.compile("Change.*We ring people")).click()
        page.get_by_label("Cannot change", exact=True).check()
        page.get_by_label("If it cannot change: why").fill("The line is shared.")
        page.get_by_role("button", name="Save").click()
        assert "Because The line is shared." in page.get_by_role("main").inner_text()
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"/teams/{TEAM}/{PERIOD}")
        assert page.url.endswith("/sign-in")


def test_the_desk_takes_on_what_is_urgent(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, "--role", DESK) as page:
        page.get_by_role("link", name="Urgent").click()
        waiting = page.get_by_role("button", name="I take this on")
        before = waiting.count()
        assert before > 0
        waiting.first.click()
        page.wait_for_url("**/urgent")
        assert waiting.count() == before - 1
        assert page.get_by_role("heading", name="Taken on").is_visible()


@pytest.mark.parametrize("period", ["2026-09-01", "2026-08-01", "2025-05-01"])
def test_a_page_prints_on_one_sheet(browser: Browser, portal: Portal, tmp_path: Path, period: str) -> None:
    with opened(browser, portal, "--team", TEAM) as page:
        page.goto(f"/teams/{TEAM}/{period}")
        printed = page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_everything_can_be_done_by_keyboard(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, *EVERYTHING) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
        page.keyboard.press("Enter")
        assert tabbed_to(page, "September 2026", "All pages of Riverside") is not None
        page.goto(f"/teams/{TEAM}/{PERIOD}/commitments")
        for field in ("theme", "state", "text", "because", "role", "since", "people_told"):
            assert tabbed_to(page, field) == field
            assert (
                page.evaluate(
                    "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle("
                    "document.activeElement).boxShadow"
                )
                != "nonenone"
            ), f"{field}: focus cannot be seen"
            if field == "theme":
                page.keyboard.press("ArrowDown")
            elif field == "state":
                page.keyboard.press("Space")
            elif field in {"text", "role"}:
                page.keyboard.type("the night team")
        assert tabbed_to(page, "Save") == "Save"
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/teams/{TEAM}/{PERIOD}#*")
        assert "the night team" in page.get_by_role("main").inner_text()


def tabbed_to(page: Page, *wanted: str) -> str | None:
    """Press Tab until something of that name, or with that text, has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        name, text = page.evaluate("[document.activeElement.name || '', document.activeElement.textContent.trim()]")
        for each in wanted:
            if name == each or text.startswith(each):
                return each
    return None


def test_everything_works_without_scripts(browser: Browser, portal: Portal) -> None:
    with opened(browser, portal, *EVERYTHING, java_script_enabled=False) as page:
        wrote(page, "Without a script.")
        assert "Without a script." in page.get_by_role("main").inner_text()
        page.get_by_text("Show the numbers").click()
        assert page.get_by_role("table").is_visible()
