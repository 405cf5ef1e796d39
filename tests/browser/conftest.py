"""Debian's chromium on the trial stack with the bundled sample: what a person at a ward computer or a phone meets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import sync_playwright

from deploy.connection import read_stack_file
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[2]

CHROMIUM = os.environ.get("HEED_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

TEAM, PERIOD = "riverside-emergency", "2026-09-01"
"""Of the sample: a page with a chart, quotes and themes."""

DESK = "Safeguarding lead, Riverside Hospitals"

START_LIMIT = 180.0
"""Seconds that the stack gets to start and to have its pages out."""

STEPS = 20_000
"""Milliseconds that a step in the browser may take."""


@dataclass(frozen=True, slots=True)
class Portal:
    """The trial stack's portal."""

    url: str
    data_dir: Path

    def link(self, *grant: str) -> str:
        """A link that signs in once."""
        return _heed("sign-in", *grant, "--data-dir", str(self.data_dir)).strip()


def _heed(*arguments: str) -> str:
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One chromium for all tests."""
    if CHROMIUM is None:
        pytest.skip("no chromium here; install it (Debian: chromium) or name it in HEED_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        # Its sandbox needs rights that containers do not have; it loads nothing but our own pages.
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def portal(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The trial stack with the sample, every page out."""
    data_dir = tmp_path_factory.mktemp("stack")
    data_dir.chmod(0o711)
    _heed("demo", "--once", "--data-dir", str(data_dir))
    with _up(data_dir) as url:
        portal = Portal(url, data_dir)
        with httpx.Client(base_url=url, follow_redirects=True) as client:
            _sign_in(client, portal.link("--team", TEAM))
            wait_until(lambda: client.get(f"/teams/{TEAM}/{PERIOD}").status_code == httpx.codes.OK, START_LIMIT)
        yield portal


@contextmanager
def _up(data_dir: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "deploy.cli", "up", "--port", "0", "--portal-port", "0"]
    with subprocess.Popen([*command, "--data-dir", str(data_dir)], cwd=ROOT, stdout=subprocess.DEVNULL) as stack:
        try:
            wait_until(lambda: read_stack_file(data_dir) is not None or stack.poll() is not None, START_LIMIT)
            told = read_stack_file(data_dir)
            assert told is not None, "heed up does not start"
            yield told.portal_url
        finally:
            stack.terminate()


def _sign_in(client: httpx.Client, link: str) -> None:
    token = client.get(link).text.partition('name="form_token" value="')[2].partition('"')[0]
    assert client.post(link, data={"form_token": token}).status_code == httpx.codes.OK


@contextmanager
def opened(browser: Browser, portal: Portal, *grant: str, **context: object) -> Iterator[Page]:
    """A fresh window of somebody who has just signed in; it may speak to the portal and to nobody else."""
    made: BrowserContext = browser.new_context(base_url=portal.url, **context)  # type: ignore[arg-type]
    elsewhere: list[str] = []
    complaints: list[str] = []
    made.on("request", lambda asked: None if asked.url.startswith(portal.url) else elsewhere.append(asked.url))
    made.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    try:
        page = made.new_page()
        page.set_default_timeout(STEPS)
        if grant:
            page.goto(portal.link(*grant))
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(portal.url + "/")
        yield page
        assert not elsewhere, "pages load from elsewhere"
        assert not complaints, "a page asks for what its own policy forbids"
    finally:
        made.close()
