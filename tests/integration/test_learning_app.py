from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from services.learning.app import LearningRunning, running
from services.learning.catalogue import CatalogueError
from services.learning.settings import LearningSettings
from shared.errors import TransientFault
from shared.events import (
    About,
    CorrectedTheme,
    FeedbackUrgent,
    FeedbackWithdrawn,
    ReadingCorrected,
    UrgentAcknowledged,
)
from shared.summaries import LearningSummary
from shared.topics import TOPICS
from tests.doubles import RememberingPublisher, raw
from tests.integration.learning_database import url
from tests.integration.test_health import asked
from tests.unit.learning_samples import CATALOGUE, NOON, WAITING, analysed, identifier
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from shared.events import Event

__all__ = ["url"]

pytestmark = pytest.mark.integration


def settings(url: str, tmp_path: Path, catalogue: str = CATALOGUE) -> LearningSettings:
    path = tmp_path / "teams.yaml"
    path.write_text(catalogue, encoding="utf-8")
    return LearningSettings(database_url=url, catalogue=path, summary_quiet=3600, summary_max_delay=3600)


async def receive(service: LearningRunning, *events: Event) -> None:
    """Hand events to the consumer that reads them, as records."""
    for consumer in service.consumers:
        read = consumer.topic.event
        assert read is not None
        await consumer.handle([raw(event, consumer.topic.name) for event in events if isinstance(event, read)])


async def test_the_service_starts_on_an_empty_schema_and_does_its_work(url: str, tmp_path: Path) -> None:
    publisher = RememberingPublisher()
    async with running(settings(url, tmp_path), publisher) as service:
        await receive(service, *(analysed(number) for number in range(12)))
        assert await service.publishing.pending() == 1

        await service.publishing.settle()

        assert {consumer.topic for consumer in service.consumers} == {
            topic for topic in TOPICS if "learning" in topic.consumers
        }
        assert all((await service.readiness()).values())
        assert [page.published for page in await service.pages.summaries()] == [True]
    assert LearningSummary.model_validate_json(publisher.sent[0].value or b"").heard.responses == 10


async def test_a_restart_sends_nothing_that_is_out_already(url: str, tmp_path: Path) -> None:
    first, second = RememberingPublisher(), RememberingPublisher()
    async with running(settings(url, tmp_path), first) as service:
        await receive(service, *(analysed(number) for number in range(12)))
        await service.publishing.settle()

    async with running(settings(url, tmp_path), second) as service:
        await service.publishing.settle()

    assert len(first.sent) == 4
    assert second.sent == []


async def test_a_withdrawal_that_arrives_takes_effect(url: str, tmp_path: Path) -> None:
    async with running(settings(url, tmp_path), RememberingPublisher()) as service:
        await receive(service, *(analysed(number) for number in range(12)))
        await receive(service, *(FeedbackWithdrawn(feedback_id=identifier(n), withdrawn_at=NOON) for n in range(5)))
        await service.publishing.settle()

        assert [page.summary.heard.responses for page in await service.pages.summaries()] == [None]


async def test_a_correction_that_arrives_changes_the_page(url: str, tmp_path: Path) -> None:
    correction = [
        ReadingCorrected(
            feedback_id=identifier(n),
            version=1,
            themes=(CorrectedTheme(name=WAITING, tone="negative"),),
            corrected_at=NOON,
        )
        for n in range(12)
    ]
    async with running(settings(url, tmp_path), RememberingPublisher()) as service:
        await receive(service, *(analysed(number) for number in range(12)), *correction)
        await service.publishing.settle()

        page = (await service.pages.summaries())[0].summary
        assert [share.theme for share in page.better] == [WAITING]
        assert page.valued == ()


async def test_urgent_feedback_that_nobody_took_on_is_a_warning_and_no_fault(url: str, tmp_path: Path) -> None:
    flagged = FeedbackUrgent(
        feedback_id=identifier(1),
        version=1,
        about=About(organisation="Riverside Hospitals"),
        reasons=("severity",),
        severity=1,
        occurred_at=NOON,
        flagged_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    async with running(settings(url, tmp_path), RememberingPublisher()) as service:
        assert service.warnings is not None
        assert await service.warnings() == []

        await receive(service, flagged)

        assert await service.warnings() == ["1 urgent items are overdue; see `heed urgent list`"]
        status, told = await asked(service, "/health/ready")
        assert (status, told["warnings"]) == (200, ["1 urgent items are overdue; see `heed urgent list`"])

        taken_on = UrgentAcknowledged(
            feedback_id=identifier(1), version=1, role="Safeguarding lead", acknowledged_at=NOON
        )
        await receive(service, taken_on)

        assert await service.warnings() == []


async def test_a_changed_catalogue_is_at_work_without_a_restart(url: str, tmp_path: Path) -> None:
    wanted = settings(url, tmp_path)
    async with running(wanted, RememberingPublisher()) as service:
        await receive(service, *(analysed(number) for number in range(12)))
        await service.publishing.settle()
        swapped = CATALOGUE.replace("Emergency department", "Other").replace("Maternity", "Emergency department")
        wanted.catalogue.write_text(swapped.replace("Riverside emergency team", "Riverside front door"), "utf-8")

        await until(lambda: service.catalogue.teams[0].name == "Riverside front door")
        await receive(service, *(analysed(number) for number in range(100, 112)))
        await service.publishing.settle()

        pages = {page.summary.team_id: page.summary for page in await service.pages.summaries()}
        assert pages["riverside-emergency"].team_name == "Riverside front door"
        assert pages["harbour-maternity"].heard.responses == 10


async def test_a_changed_catalogue_that_is_wrong_is_told_and_not_used(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = settings(url, tmp_path)
    async with running(wanted, RememberingPublisher()) as service:
        assert service.warnings is not None
        wanted.catalogue.write_text("teams: []", "utf-8")
        warned = service.warnings

        async def told() -> bool:
            return bool(await warned())

        await until(told)
        assert await service.warnings() == [
            f"the changed catalogue is not used, the one before it is: {wanted.catalogue}: teams: empty; "
            "add at least one"
        ]
        assert len([r for r in caplog.records if "is not used" in r.message]) == 1
        await receive(service, analysed(1))
        assert (await service.readings.counts()).keys() == {"riverside-emergency"}

        wanted.catalogue.write_text(CATALOGUE + "\n", "utf-8")
        await until(lambda: service.catalogue.allow_list == ("Harbour",))

        async def silent() -> bool:
            return not await warned()

        await until(silent)


async def test_a_wrong_catalogue_stops_the_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="teams: empty; add at least one"):
        async with running(settings(url, tmp_path, "teams: []"), RememberingPublisher()):
            pass


async def test_a_database_that_is_away_stops_the_start(tmp_path: Path) -> None:
    away = settings("postgresql+asyncpg://nobody@127.0.0.1:1/none", tmp_path)
    with pytest.raises(TransientFault):
        async with running(away, RememberingPublisher()):
            pass


def test_missing_settings_are_told_in_one_line() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEED_")}

    done = subprocess.run(
        [sys.executable, "-m", "services.learning"], env=plain, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert done.stderr == (
        "heed learning: settings refused: HEED_DATABASE_URL: Field required; HEED_CATALOGUE: Field required\n"
    )
