"""What is sent when members meet and topics refuse: nothing stale, and nobody's page for another team's trouble."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from services.learning.sending import LONGEST_PAUSE, Sending
from shared.errors import InvalidRecord, TransientFault
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import database, shared_url
from tests.integration.test_learning_publishing import TEAM, TOPIC, Desk, desk, month
from tests.unit.learning_samples import WAITING, identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.publisher import Record

__all__ = ["database", "desk", "shared_url"]

pytestmark = pytest.mark.integration

MATERNITY = "harbour-maternity"


class Dying(RememberingPublisher):
    """Stops before it sends; then sends, and its member is gone before it marks anything."""

    def __init__(self, sent: list[Record]) -> None:
        super().__init__()
        self.sent = sent
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def send(self, records: Sequence[Record]) -> None:
        self.reached.set()
        await self.go_on.wait()
        await super().send(records)
        raise RuntimeError("this member is gone")


class Refusing(RememberingPublisher):
    """Sends nothing of a call that holds a record for a topic that it refuses."""

    def __init__(self, topic: str, refusal: Exception) -> None:
        super().__init__()
        self.topic: str | None = topic
        self.refusal = refusal
        self.refused = 0

    async def send(self, records: Sequence[Record]) -> None:
        if any(record.topic == self.topic for record in records):
            self.refused += 1
            raise self.refusal
        await super().send(records)


async def two_teams(desk: Desk) -> None:
    await desk.take(*month(), *month(12, start=100, service="Maternity"))


async def test_an_older_revision_is_never_sent_after_a_newer_one(desk: Desk) -> None:
    await desk.take(*month())
    dying = Dying(desk.publisher.sent)
    member = asyncio.create_task(desk.another(dying).settle())
    await asyncio.wait_for(dying.reached.wait(), 20)
    await desk.take(*month(15, start=100, label=4, themes=[WAITING]))
    await desk.publishing.settle()
    dying.go_on.set()
    with pytest.raises(RuntimeError):
        await member

    await desk.publishing.settle()

    assert [page.revision for page in desk.published(TOPIC)] == [1, 2]
    assert await desk.publishing.pending() == 0


async def test_a_topic_that_is_missing_keeps_no_other_team_waiting(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await two_teams(desk)
    publisher = Refusing(f"team-{MATERNITY}-summaries", TransientFault("Kafka has no such topic"))
    publishing = desk.another(publisher)

    with pytest.raises(TransientFault, match="summaries wait for team-harbour-maternity-summaries"):
        await publishing.settle()

    assert [record.key for record in publisher.on(TOPIC)] == [b"2026-06-01"]
    assert "topic team-harbour-maternity-summaries takes no summary" in caplog.text
    assert await publishing.pending() == 2

    publisher.topic = None
    await publishing.settle()

    assert len(publisher.on(f"team-{MATERNITY}-summaries")) == 1
    assert await publishing.pending() == 0


async def test_feedback_is_told_only_once_its_page_is_out(desk: Desk) -> None:
    await two_teams(desk)
    desk.publisher = Refusing(f"team-{MATERNITY}-summaries", TransientFault("Kafka has no such topic"))

    with pytest.raises(TransientFault):
        await desk.another(desk.publisher).settle()

    assert [part.team_id for part in desk.told()] == [TEAM]


async def test_a_missing_topic_does_not_make_the_background_work_unhealthy(desk: Desk) -> None:
    await two_teams(desk)
    desk.publisher = Refusing(f"team-{MATERNITY}-summaries", TransientFault("Kafka has no such topic"))
    publishing = desk.another(desk.publisher, quiet=0.05)
    async with publishing.keeping_up():
        await desk.everything_told()

    assert await publishing.healthy()


async def test_a_missing_topic_is_tried_again_after_pauses_that_grow(desk: Desk) -> None:
    await two_teams(desk)
    with pytest.raises(TransientFault):
        await desk.another(RememberingPublisher(away=99)).settle()
    publisher = Refusing(f"team-{MATERNITY}-summaries", TransientFault("Kafka has no such topic"))
    now = 0.0
    sending = Sending(desk.pages, publisher, clock=lambda: now)
    await sending.everything()
    assert publisher.refused == 2  # in the group, then by itself

    tried = []
    for second in range(1, 4000):
        now = float(second)
        before = publisher.refused
        if any(wait.until <= now for wait in sending._waits.values()):
            await sending.everything()
        if publisher.refused > before:
            tried.append(now)

    assert tried[:6] == [5, 15, 35, 75, 155, 315]
    assert tried[-1] - tried[-2] == LONGEST_PAUSE


async def test_everybodys_topic_that_takes_nothing_ends_the_round(desk: Desk) -> None:
    await two_teams(desk)
    publisher = Refusing("learning-summaries", TransientFault("the broker is away"))

    with pytest.raises(TransientFault, match="the broker is away"):
        await desk.another(publisher).settle()

    assert publisher.sent == []
    assert publisher.refused == 2
    assert await desk.publishing.pending() == 4


@pytest.mark.parametrize("topic", ["learning-summaries", f"team-{MATERNITY}-summaries"])
async def test_a_page_that_is_too_large_is_held_and_the_others_go_out(
    desk: Desk, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    class TooLarge(Refusing):
        async def send(self, records: Sequence[Record]) -> None:
            if any(b'"team_id":"harbour-maternity"' in (record.value or b"") for record in records):
                await super().send(records)
            else:
                await RememberingPublisher.send(self, records)

    await two_teams(desk)
    desk.publisher = TooLarge(topic, InvalidRecord("record_too_large"))

    with caplog.at_level(logging.ERROR):
        await desk.another(desk.publisher).settle()

    assert [page.team_id for page in desk.published(TOPIC)] == [TEAM]
    held = await desk.pages.summaries(held=True)
    assert [(page.summary.team_id, page.held) for page in held] == [(MATERNITY, ("record_too_large at page",))]
    assert "summary held: team harbour-maternity, period 2026-06-01: record_too_large" in caplog.text
    assert set(desk.told()[0].feedback_ids) == {identifier(number) for number in range(30)}
    assert await desk.publishing.pending() == 0
