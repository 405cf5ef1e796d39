from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from services.learning.handlers import Handlers
from services.learning.readings import newest
from services.learning.routing import Router
from services.learning.store import Change
from shared.consumer import Delivery
from shared.events import FeedbackWithdrawn
from tests.unit.learning_samples import NOON, analysed, identifier, teams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.learning.readings import Reading


class KeptReadings:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Reading]] = []

    async def take(self, arriving: Sequence[Reading]) -> Change:
        self.batches.append(arriving)
        kept = newest(arriving)
        return Change(len(kept), 0, len(arriving) - len(kept), sum(r.team_id == "unrouted" for r in kept))


@pytest.fixture
def kept() -> KeptReadings:
    return KeptReadings()


@pytest.fixture
def handlers(kept: KeptReadings) -> Handlers:
    return Handlers(Router(teams()), kept)


async def test_a_batch_of_readings_is_routed_and_taken_at_once(handlers: Handlers, kept: KeptReadings) -> None:
    events = [analysed(1), analysed(2, service="maternity"), analysed(3, service="Renal")]

    await handlers.on_feedback_analysed([Delivery(event) for event in events])

    assert len(kept.batches) == 1
    assert [reading.team_id for reading in kept.batches[0]] == ["riverside-emergency", "harbour-maternity", "unrouted"]


async def test_feedback_without_a_team_is_warned_of_without_its_words(
    handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await handlers.on_feedback_analysed([Delivery(analysed(1, service="Renal", text="A private thing."))])

    assert "1 pieces of feedback match no team" in caplog.text
    assert "private" not in caplog.text


async def test_routed_feedback_warns_of_nothing(handlers: Handlers, caplog: pytest.LogCaptureFixture) -> None:
    await handlers.on_feedback_analysed([Delivery(analysed(1))])

    assert caplog.text == ""


async def test_a_withdrawal_becomes_a_tombstone(handlers: Handlers, kept: KeptReadings) -> None:
    await handlers.on_feedback_withdrawn([Delivery(FeedbackWithdrawn(feedback_id=identifier(1), withdrawn_at=NOON))])

    reading = kept.batches[0][0]
    assert (reading.feedback_id, reading.withdrawn, reading.details) == (identifier(1), True, None)
