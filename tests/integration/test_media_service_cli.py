"""`heed media`, and the sample's film, on a running trial stack."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from deploy.embedded import INTEGRATION
from deploy.film import hand_in_sample
from deploy.sample import newest_day, sample
from tests import clips
from tests.integration.conftest import ONCE_ONLY
from tests.integration.test_demo import up
from tests.integration.upload_stage import declaration
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.connection import StackFile

pytestmark = [
    pytest.mark.integration,
    ONCE_ONLY,
]

ABOUT = {"organisation": "Riverside Hospitals", "service": "Emergency department"}


def heed(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", *arguments, "--data-dir", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def held(directory: Path) -> list[dict[str, str]]:
    done = heed(directory, "media", "held", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def handed_in(stack: StackFile, **changes: Any) -> dict[str, Any]:
    film = clips.mp4(seconds=1.0, words=())
    with httpx.Client(headers={"Authorization": f"Bearer {stack.gateway_key}"}, trust_env=False) as http:
        ticket: dict[str, Any] = http.post(
            f"{stack.gateway_url}/v1/media", json=declaration(film, about=ABOUT, **changes)
        ).json()
        form = ticket["upload"]["recording"]
        assert httpx.post(form["url"], data=form["fields"], files={"file": film}).status_code == 201
        assert http.post(f"{stack.gateway_url}/v1/media/{ticket['media_id']}/complete").status_code == 202
    return ticket


def media_of(stack: StackFile, ticket: dict[str, Any]) -> tuple[str, str | None]:
    answer = httpx.get(
        f"{stack.gateway_url}/v1/feedback/{ticket['receipt']}",
        headers={"Authorization": f"Bearer {stack.gateway_key}"},
        trust_env=False,
    ).json()["media"]
    return answer["state"], answer.get("reason")


def test_a_person_decides_by_the_command_line(tmp_path: Path) -> None:
    unresolved = {"bystanders": "unresolved", "staff": "agreed"}
    with up(tmp_path) as (_, stack):
        first = handed_in(stack, source_id="1", consent=unresolved)
        second = handed_in(stack, source_id="2", consent=unresolved)
        wait_until(lambda: {row["media_id"] for row in held(tmp_path)} == {first["media_id"], second["media_id"]})
        assert held(tmp_path)[0]["reason"] == "consent_unresolved"
        assert "2 wait for a person to decide; see `heed media held`" in heed(tmp_path, "doctor").stdout

        nothing_said = heed(tmp_path, "media", "resolve", first["media_id"], "--role", "Ward manager")
        assert nothing_said.returncode == 2
        assert "--refuse" in nothing_said.stderr

        agreed = ["--role", "Ward manager", "--bystanders", "agreed", "--staff", "agreed"]
        assert heed(tmp_path, "media", "resolve", first["media_id"], *agreed).returncode == 0
        assert (
            heed(tmp_path, "media", "resolve", second["media_id"], "--role", "Ward manager", "--refuse").returncode == 0
        )
        wait_until(lambda: media_of(stack, first) == ("accepted", None))
        wait_until(lambda: media_of(stack, second) == ("rejected", "refused"))
        assert heed(tmp_path, "media", "held").stdout == "nothing waits\n"

        twice = heed(tmp_path, "media", "resolve", first["media_id"], *agreed)
        assert twice.returncode == 2
        assert "does not wait" in twice.stderr

        day = newest_day(date(2026, 11, 22))
        ids = {asyncio.run(hand_in_sample(stack.gateway_url, stack.gateway_key, INTEGRATION, day)) for _ in range(2)}
        assert len(ids) == 1, "the same film on the same day is the same feedback"


def test_the_samples_film_is_of_its_last_day() -> None:
    today = date(2026, 11, 22)
    assert max(body["occurred_at"][:10] for body in sample(today)) == newest_day(today).isoformat()
