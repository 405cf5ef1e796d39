"""What a team wrote in the portal comes to section 7 of its pages, and never keeps one from leaving."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from services.learning.app import LearningRunning, running
from shared.commitments import CommitmentRecorded
from shared.summaries import LearningSummary
from shared.topics import LEARNING_SUMMARIES
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import url
from tests.integration.test_learning_app import receive, settings
from tests.unit.learning_samples import NOON, analysed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["url"]

pytestmark = pytest.mark.integration


@pytest.fixture
def publisher() -> RememberingPublisher:
    return RememberingPublisher()


@pytest.fixture
async def service(url: str, tmp_path: Path, publisher: RememberingPublisher) -> AsyncIterator[LearningRunning]:
    async with running(settings(url, tmp_path), publisher) as at_work:
        await receive(at_work, *(analysed(number) for number in range(12)))
        await at_work.publishing.settle()
        yield at_work


def newest(publisher: RememberingPublisher) -> LearningSummary:
    return LearningSummary.model_validate_json(publisher.on(LEARNING_SUMMARIES.name)[-1].value or b"")


def recorded(page: LearningSummary, commitment_id: UUID | None = None, **fields: Any) -> CommitmentRecorded:
    given: dict[str, Any] = {
        "commitment_id": commitment_id or uuid4(),
        "revision": 1,
        "team_id": page.team_id,
        "period": page.period,
        "theme": "Timeliness of care",
        "state": "testing",
        "text": "A board that tells how long the wait is.",
        "role": "the shift lead",
        "since": date(2026, 6, 1),
        "recorded_at": NOON,
    }
    return CommitmentRecorded(**{**given, **fields})


async def test_a_commitment_comes_to_its_page_as_a_new_revision(
    service: LearningRunning, publisher: RememberingPublisher
) -> None:
    before = newest(publisher)
    await receive(service, recorded(before))
    await service.publishing.settle()
    after = newest(publisher)
    assert after.revision == before.revision + 1
    assert "how long people waited: testing a change (the shift lead, 1 June 2026)" in after.text
    assert not await service.pages.summaries(held=True)


async def test_the_newest_revision_stands_whatever_comes_again(
    service: LearningRunning, publisher: RememberingPublisher
) -> None:
    page, made = newest(publisher), uuid4()
    first, second = recorded(page, made), recorded(page, made, revision=2, state="changed")
    for events in ([first, second], [first], [second]):
        await receive(service, *events)
        await service.publishing.settle()
    assert [each.state for each in newest(publisher).commitments] == ["changed"]
    assert newest(publisher).revision == page.revision + 1


async def test_an_earlier_page_is_left_as_it_is(service: LearningRunning, publisher: RememberingPublisher) -> None:
    page = newest(publisher)
    await receive(service, recorded(page, period=date(2030, 1, 1)))
    await service.publishing.settle()
    assert newest(publisher) == page


@pytest.mark.parametrize(
    "words",
    [{"role": "Sister Margaret Okafor"}, {"state": "cannot_change", "because": "the other wards are worse than us"}],
)
async def test_words_that_break_a_rule_are_left_out_and_hold_nothing(
    service: LearningRunning, publisher: RememberingPublisher, words: dict[str, Any]
) -> None:
    page = newest(publisher)
    await receive(service, recorded(page, **words), recorded(page, role="the ward lead"))
    await service.publishing.settle()
    assert [each.role for each in newest(publisher).commitments] == ["the ward lead"]
    assert not await service.pages.summaries(held=True)


async def test_long_reasons_make_no_page_too_long(service: LearningRunning, publisher: RememberingPublisher) -> None:
    page = newest(publisher)
    reason = ("the line is shared by all of us " * 10)[:299]
    await receive(
        service, *(recorded(page, state="cannot_change", because=reason, role=f"team {part}") for part in "abc")
    )
    await service.publishing.settle()
    assert not await service.pages.summaries(held=True)
    assert len(newest(publisher).text.split()) <= 300
    assert newest(publisher).commitments
