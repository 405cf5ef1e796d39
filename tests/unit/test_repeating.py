"""Background work: it goes on after a turn that failed, and ends with its scope."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.errors import TransientFault
from shared.repeating import repeating
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def failing_first(fault: Exception, turns: list[int]) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise fault

    return work


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (TransientFault("PostgreSQL is away"), "sweeping waits for its next turn: PostgreSQL is away"),
        (RuntimeError("wrong"), "sweeping failed and waits for its next turn"),
    ],
)
async def test_a_turn_that_failed_is_logged_and_the_next_one_comes(
    fault: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[int] = []
    async with repeating(failing_first(fault, turns), 0.0, "sweeping"):
        await until(lambda: len(turns) >= 3)
    assert [record.getMessage() for record in caplog.records] == [told]


async def test_it_ends_with_its_scope() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async with repeating(work, 0.0, "sweeping"):
        await until(lambda: any(task.get_name() == "sweeping" for task in asyncio.all_tasks()))
    assert all(task.get_name() != "sweeping" for task in asyncio.all_tasks())
