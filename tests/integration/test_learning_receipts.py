"""What learning tells of included feedback, and what the gateway keeps of it beside a withdrawal."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING

import pytest

from services.gateway.store import ERASE, RECEIPT, Accepted, FeedbackStore
from shared.events import FeedbackSummarised, FeedbackWithdrawn
from shared.topics import FEEDBACK_WITHDRAWN, MEDIA_UPLOADED
from tests.integration.gateway_stage import NOW, database, gateway_url, rows, submission, until

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "gateway_url"]

pytestmark = pytest.mark.integration

WAITING = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND usename = current_user"


async def test_a_list_that_arrives_during_a_withdrawal_leaves_nothing_behind(database: AsyncEngine) -> None:
    store = FeedbackStore(database)
    (accepted,) = await store.accept("survey", [submission()], NOW)
    assert isinstance(accepted, Accepted)
    told = FeedbackSummarised(
        team_id="maternity",
        period=date(2026, 3, 1),
        revision=1,
        feedback_ids=(accepted.feedback_id,),
        summarised_at=NOW,
    )
    event = FeedbackWithdrawn(feedback_id=accepted.feedback_id, withdrawn_at=NOW).model_dump_json()
    topics = {"topic": FEEDBACK_WITHDRAWN.name, "uploaded": MEDIA_UPLOADED.name}
    values = {"id": accepted.feedback_id, **topics, "event": event, "now": NOW}

    async with database.connect() as withdrawal:
        await withdrawal.execute(RECEIPT, {"receipt": accepted.receipt, "integration": "survey"})
        for statement in ERASE:
            await withdrawal.execute(statement, {name: values[name] for name in statement.compile().params})
        marking = asyncio.create_task(store.mark_summarised([told]))

        async def it_waits_or_is_done() -> bool:
            return marking.done() or await rows(database, WAITING) != [(0,)]

        await until(it_waits_or_is_done)
        await withdrawal.commit()
    await marking

    assert await rows(database, "SELECT * FROM summarised") == []
