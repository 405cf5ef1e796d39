"""The portal of the trial stack: a link lets in, once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.conftest import ONCE_ONLY
from tests.integration.gateway_stage import COMMENT
from tests.integration.portal_stage import form_token
from tests.integration.test_demo import up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, ONCE_ONLY, pytest.mark.timeout(240)]


def heed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "deploy.cli", *arguments], capture_output=True, text=True, check=False)


def test_a_link_of_the_command_line_opens_the_trials_portal_once(tmp_path: Path) -> None:
    with up(tmp_path) as (_, stack), httpx.Client(base_url=stack.portal_url) as browser:
        assert browser.get("/").headers["location"] == "/sign-in"
        nothing = heed("sign-in", "--data-dir", str(tmp_path))
        assert (nothing.returncode, nothing.stdout) == (2, "")
        assert nothing.stderr == "heed: the link would open nothing; give --team, --role or --steward\n"
        link = heed("sign-in", "--steward", "--data-dir", str(tmp_path)).stdout.strip()
        assert link.startswith(stack.portal_url + "/sign-in/link/")
        token = form_token(browser.get(link).text)
        assert browser.post(link, data={"form_token": token}).status_code == 303
        shown = browser.get("/").text
        assert "Riverside emergency department team" in shown
        assert "Urgent" in shown


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
