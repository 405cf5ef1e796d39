"""The portal of the trial stack: a link lets in, once."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.conftest import ONCE_ONLY
from tests.integration.gateway_stage import COMMENT
from tests.integration.portal_stage import form_token
from tests.integration.test_demo import up
from tests.unit.portal_examples import DESK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, ONCE_ONLY, pytest.mark.timeout(240)]

RIVERSIDE = {"organisation": "Riverside Hospitals", "service": "Emergency department"}


def heed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "deploy.cli", *arguments], capture_output=True, text=True, check=False)


def test_a_link_of_the_command_line_opens_the_trials_portal_once(tmp_path: Path) -> None:
    with up(tmp_path) as (_, stack), httpx.Client(base_url=stack.portal_url) as browser:
        assert browser.get("/").headers["location"] == "/sign-in"
        nothing = heed("sign-in", "--data-dir", str(tmp_path))
        assert (nothing.returncode, nothing.stdout) == (2, "")
        assert nothing.stderr == "heed: the link would open nothing; give --team, --role or --steward\n"
        said = {**COMMENT, "text": "I wanted to kill myself.", "about": RIVERSIDE}
        key = {"Authorization": f"Bearer {stack.gateway_key}"}
        assert httpx.post(f"{stack.gateway_url}/v1/feedback", json=said, headers=key).status_code == 202
        link = heed("sign-in", "--steward", "--role", DESK, "--data-dir", str(tmp_path)).stdout.strip()
        assert link.startswith(stack.portal_url + "/sign-in/link/")
        token = form_token(browser.get(link).text)
        assert browser.post(link, data={"form_token": token}).status_code == 303
        shown = browser.get("/").text
        assert "Riverside emergency department team" in shown
        assert "Urgent" in shown
        wait_until(lambda: "Read what was said" in browser.get("/urgent").text, 30)
        (words,) = re.findall(r'href="(/urgent/[^"]+/words)"', browser.get("/urgent").text)
        assert "I wanted to kill myself." in browser.get(words).text


def test_a_receipt_of_the_trials_gateway_opens_the_patients_page_in_its_portal(tmp_path: Path) -> None:
    with up(tmp_path) as (_, stack), httpx.Client() as patient:
        answer = patient.post(
            f"{stack.gateway_url}/v1/feedback", json=COMMENT, headers={"Authorization": f"Bearer {stack.gateway_key}"}
        )
        page = f"{stack.portal_url}/r/{answer.json()['receipt']}"
        token = form_token(patient.get(f"{page}/withdraw").text)
        assert "It came on" in patient.get(page).text
        assert patient.post(f"{page}/withdraw", data={"form_token": token}, follow_redirects=True).url == page
        assert "We have forgotten it" in patient.get(page).text
