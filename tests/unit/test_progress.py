"""Whether a member gets on: commits that fail are made up for and told, and lag that grows is told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from shared.progress import Lag, Progress
from shared.service import Running
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST, SECOND = TopicPartition("feedback-submitted", 0), TopicPartition("feedback-submitted", 1)
SETTINGS = ServiceSettings(commit_timeout=0.01, backoff_max=10, commit_age=60, lag_limit=100, lag_patience=60)


class Kafka:
    """A consumer whose commits fail while `fault` is set, and whose topic grows as told."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.ours = {FIRST, SECOND}
        self.committed: list[dict[TopicPartition, int]] = []
        self.end = 0
        self.tried = 0

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.tried += 1
        if self.fault is not None:
            raise self.fault
        self.committed.append(offsets)

    def assignment(self) -> set[TopicPartition]:
        return self.ours

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        if self.fault is not None:
            raise self.fault
        return dict.fromkeys(partitions, self.end)

    async def position(self, _: TopicPartition) -> int:
        return 10


class Stand:
    """A member's progress, its consumer, and a clock."""

    def __init__(self, settings: ServiceSettings = SETTINGS) -> None:
        self.kafka = Kafka()
        self.now = 1000.0
        self.progress = Progress(self.kafka, settings, lambda: self.now)


@pytest.fixture
def stand() -> Stand:
    return Stand()


async def test_a_commit_that_failed_is_made_up_for_on_a_quiet_topic(stand: Stand) -> None:
    stand.kafka.fault = KafkaConnectionError("away")
    await stand.progress.commit({FIRST: 5})
    stand.kafka.fault = None
    await stand.progress.commit_again()
    assert stand.kafka.committed == [], "not at once: every poll comes by here"
    stand.now += SETTINGS.backoff_max
    await stand.progress.commit_again()
    assert stand.kafka.committed == [{FIRST: 5}]
    await stand.progress.commit_again()
    assert len(stand.kafka.committed) == 1


async def test_commits_while_the_broker_is_away_are_seldom(stand: Stand) -> None:
    stand.kafka.fault = KafkaConnectionError("away")
    await stand.progress.commit({FIRST: 5})
    for _ in range(600):
        stand.now += 0.1
        await stand.progress.commit_again()
    assert 5 <= stand.kafka.tried <= 7, "a minute of polls, ten seconds apart"


async def test_a_stuck_commit_turns_the_check_red_and_a_commit_turns_it_green(stand: Stand) -> None:
    stand.kafka.fault = KafkaConnectionError("away")
    await stand.progress.commit({FIRST: 5})
    stand.now += SETTINGS.commit_age
    await stand.progress.commit({FIRST: 9, SECOND: 1})
    assert stand.progress.commits(), "as old as it may be"
    stand.now += 1
    assert not stand.progress.commits(), "the first failure counts, however much is handled after it"
    stand.kafka.fault = None
    await stand.progress.commit({FIRST: 12})
    assert stand.progress.commits()


async def test_a_commit_that_never_answers_counts_as_stuck(stand: Stand) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    stand.kafka.commit = never  # type: ignore[method-assign, assignment]
    await stand.progress.commit({FIRST: 5})
    stand.now += SETTINGS.commit_age + 1
    assert not stand.progress.commits()


@pytest.mark.parametrize("lost", [True, False])
async def test_what_another_member_has_is_not_ours_to_commit(stand: Stand, lost: bool) -> None:
    stand.kafka.fault = KafkaConnectionError("away") if lost else CommitFailedError("rebalanced")
    await stand.progress.commit({FIRST: 5})
    if lost:
        stand.kafka.ours = {SECOND}
    stand.kafka.fault = None
    stand.now += SETTINGS.commit_age + 1
    assert stand.progress.commits()
    await stand.progress.commit_again()
    assert stand.kafka.committed == []


async def test_lag_that_grows_turns_the_check_red_and_names_it(stand: Stand) -> None:
    stand.kafka.end = 500
    assert (await stand.progress.checks())["lag"]
    stand.now += SETTINGS.lag_patience
    stand.kafka.end = 600
    assert await stand.progress.checks() == {"commits": True, "broker": True, "lag": False}
    stand.kafka.end = 10
    assert (await stand.progress.checks())["lag"]


async def test_a_broker_that_is_away_is_told_and_says_nothing_of_the_lag(stand: Stand) -> None:
    stand.kafka.fault = KafkaConnectionError("away")
    assert await stand.progress.checks() == {"commits": True, "broker": False}


async def test_the_embedded_brokers_lag_is_not_believed() -> None:
    assert "lag" not in await Stand(SETTINGS.model_copy(update={"kafka_embedded": True})).progress.checks()


@pytest.mark.parametrize("optional", [True, False])
async def test_a_service_that_works_without_kafka_is_ready_without_it(optional: bool) -> None:
    async def checks() -> dict[str, bool]:
        return {"consumer": True, "commits": True, "broker": False}

    loop: Any = SimpleNamespace(checks=checks)
    ready = await Running(works_without_kafka=optional, loop=loop).readiness()
    assert all(ready.values()) is optional


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_lag_that_keeps_shrinking_is_never_too_much(drops: list[int]) -> None:
    lag, behind = Lag(limit=100, patience=60), sum(drops) + len(drops) + 101
    for second, drop in enumerate(drops):
        assert not lag.grows(behind, 59.0 * second)
        behind -= drop + 1


@given(st.lists(st.integers(101, 1000), min_size=2, max_size=30).map(sorted))
def test_lag_that_never_shrinks_is_too_much_after_the_patience(behind: list[int]) -> None:
    lag = Lag(limit=100, patience=60)
    told = [lag.grows(waiting, 60.0 * turn) for turn, waiting in enumerate(behind)]
    assert told == [False, *[True] * (len(behind) - 1)]
