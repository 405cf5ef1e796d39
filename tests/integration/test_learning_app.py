from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from services.learning.app import LearningRunning, running
from services.learning.catalogue import CatalogueError
from services.learning.settings import LearningSettings
from shared.errors import TransientFault
from shared.events import FeedbackWithdrawn
from shared.summaries import LearningSummary
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_WITHDRAWN
from tests.doubles import RememberingPublisher, raw
from tests.integration.learning_database import url
from tests.unit.learning_samples import CATALOGUE, NOON, analysed, identifier

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

        assert {consumer.topic for consumer in service.consumers} == {FEEDBACK_ANALYSED, FEEDBACK_WITHDRAWN}
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

    assert len(first.sent) == 3
    assert second.sent == []


async def test_a_withdrawal_that_arrives_takes_effect(url: str, tmp_path: Path) -> None:
    async with running(settings(url, tmp_path), RememberingPublisher()) as service:
        await receive(service, *(analysed(number) for number in range(12)))
        await receive(service, *(FeedbackWithdrawn(feedback_id=identifier(n), withdrawn_at=NOON) for n in range(5)))
        await service.publishing.settle()

        assert [page.summary.heard.responses for page in await service.pages.summaries()] == [None]


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
