"""Commands that ask a database: they start a stopped trial stack's own, and leave it as it was."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from deploy.cli import heed, run
from deploy.provision import provision
from deploy.servers import running_database
from services.learning.correcting import CorrectionStore
from services.learning.corrections import Correction
from services.learning.readings import reading_of
from services.learning.store import ReadingStore
from services.learning.urgent import UrgentStore
from shared.database import engine, migrate
from shared.summaries import Certainty, Heard, LearningSummary, Pattern
from tests.integration.conftest import ONCE_ONLY
from tests.integration.test_learning_urgent import flagged, taken_on
from tests.unit.learning_samples import NOON, analysed, identifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = [pytest.mark.integration, ONCE_ONLY]


@asynccontextmanager
async def installed(data_dir: Path, service: str) -> AsyncIterator[AsyncEngine]:
    """A service's tables in the trial stack's database, which stops at the end."""
    async with running_database(data_dir, durable=False) as server:
        urls = await provision(server.url, [service])
        database = engine(urls[service], service)
        try:
            await migrate(database, service, f"services.{service}:migrations")
            yield database
        finally:
            await database.dispose()


async def shell(*arguments: str) -> int:
    return await asyncio.to_thread(run, heed, arguments)


async def test_an_integrations_key_is_given_once_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with installed(tmp_path, "gateway"):
        pass
    there = ("--data-dir", str(tmp_path))
    assert await shell("integrations", "add", "fft-survey", "--organisation", "Riverside", *there) == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("heed_")
    assert await shell("integrations", "list", "--json", *there) == 0
    told = capsys.readouterr().out
    row = json.loads(told)
    assert (row["name"], row["organisations"], row["revoked"]) == ("fft-survey", ["Riverside"], None)
    assert key not in told
    assert await shell("integrations", "add", "fft-survey", *there) == 2
    assert "revoke it first" in capsys.readouterr().err
    assert await shell("integrations", "revoke", "fft-survey", *there) == 0
    assert capsys.readouterr().out == "revoked fft-survey\n"
    assert await shell("integrations", "list", *there) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-1].startswith("20")


def page(team: str, period: date, words: str) -> LearningSummary:
    return LearningSummary(
        team_id=team,
        team_name=team.title(),
        organisation="Riverside",
        period=period,
        revision=1,
        generated_at=datetime(2026, 6, 1, tzinfo=UTC),
        described=False,
        heard=Heard(),
        pattern=Pattern(sentence="Too early to say."),
        certainty=Certainty(),
        text=words,
        markdown=words,
    )


@pytest.fixture
async def pages(tmp_path: Path) -> Path:
    written = [
        (page("maternity", date(2026, 4, 1), "A page for maternity"), []),
        (page("ed", date(2026, 5, 1), "Second page"), []),
        (page("ed", date(2026, 4, 1), "First page"), []),
        (page("ed", date(2026, 6, 1), "Names Dr Smith"), ["names_a_person"]),
    ]
    async with installed(tmp_path, "learning") as database, database.begin() as connection:
        for summary, held in written:
            await connection.execute(
                text(
                    "INSERT INTO page (team_id, period, revision, payload, held, written_at) "
                    "VALUES (:team, :period, 1, CAST(:payload AS jsonb), :held, now())"
                ),
                {
                    "team": summary.team_id,
                    "period": summary.period,
                    "payload": summary.model_dump_json(),
                    "held": held,
                },
            )
    return tmp_path


async def test_pages_are_shown_by_team_and_period_and_held_ones_are_not(
    pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await shell("summaries", "--data-dir", str(pages)) == 0
    told = capsys.readouterr()
    assert told.out == "First page\n\nSecond page\n\nA page for maternity\n"
    assert told.err == "heed: 1 held back; `heed summaries --held` tells why\n"
    assert await shell("summaries", "--held", "--data-dir", str(pages)) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].split() == ["ed", "2026-06-01", "names_a_person"]
    assert "Smith" not in told.out + told.err


async def test_one_teams_pages_as_json(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await shell("summaries", "--team", "maternity", "--json", "--data-dir", str(pages)) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["team_id"], row["period"], row["published"]) == ("maternity", "2026-04-01", False)
    assert await shell("summaries", "--team", "mat", "--data-dir", str(pages)) == 2
    assert capsys.readouterr().err == "heed: team 'mat' has no summaries; there are some of ed, maternity\n"
    assert await shell("summaries", "--held", "--json", "--data-dir", str(pages)) == 0
    assert "Smith" not in capsys.readouterr().out


async def test_urgent_items_are_listed_until_somebody_takes_them_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with installed(tmp_path, "learning") as database:
        await UrgentStore(database).flag([flagged(1), flagged(2)])
        await UrgentStore(database).acknowledge([taken_on(2)])
    there = ("--data-dir", str(tmp_path))

    assert await shell("urgent", "list", "--json", *there) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["feedback_id"], row["role"], row["reasons"]) for row in rows] == [
        (str(identifier(1)), "Safeguarding lead", ["lexicon:self_harm", "severity"])
    ]
    assert await shell("urgent", "list", "--all", *there) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert await shell("urgent", "acknowledge", str(identifier(1)), "--role", "Duty manager", *there) == 2
    assert "start one with `heed up`" in capsys.readouterr().err


async def test_corrected_readings_are_written_as_training_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with installed(tmp_path, "learning") as database:
        await ReadingStore(database).take([reading_of(analysed(1, text="A long wait."), "ed")])
        await CorrectionStore(database).take([Correction(identifier(1), 1, 1, 4, (("Waiting", "negative"),), NOON)])
    output = tmp_path / "corrections.jsonl"

    assert await shell("corrections", "--output", str(output), "--data-dir", str(tmp_path)) == 0

    (row,) = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert (row["text"], row["sentiment"], row["themes"]) == ("A long wait.", 4, ["Waiting"])
    assert capsys.readouterr().err == "heed: 1 corrected readings\n"


async def test_stored_words_are_read_again_by_the_installed_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with installed(tmp_path, "learning") as database:
        await ReadingStore(database).take([reading_of(analysed(1, text="We waited four hours."), "ed")])

    assert await shell("relearn", "--data-dir", str(tmp_path)) == 0
    assert capsys.readouterr().out.startswith("1 readings are by heed-minilm-")
    assert await shell("relearn", "--data-dir", str(tmp_path)) == 0
    assert capsys.readouterr().out.startswith("0 readings are by heed-minilm-")
