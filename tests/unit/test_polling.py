"""What a failed poll leaves behind: a line in the log, no records, and a fault that is remembered for a while.

And how long polls wait: longer where nothing comes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from shared.polling import IDLE_AFTER, IDLE_WAIT_MS, REMEMBERED, Polls
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = ServiceSettings(backoff_max=0.001)


class Kafka:
    """A consumer whose polls go as they are told to, and that sees some topics."""

    def __init__(self, *outcomes: dict[str, list[str]] | Exception) -> None:
        self.outcomes = list(outcomes)
        self.visible = {"feedback-analysed": {0}}
        self.waits: list[tuple[int, int]] = []
        """Of each poll: how long it waits, and how long Kafka is asked to."""
        self._fetcher = SimpleNamespace(_fetch_max_wait_ms=50)
        self.getmany: Callable[..., Any] = self._getmany

    async def _getmany(self, *, timeout_ms: int, **_: object) -> dict[str, list[str]]:
        self.waits.append((timeout_ms, self._fetcher._fetch_max_wait_ms))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.visible.get(topic)


def watched(kafka: Kafka) -> Polls:
    async def nothing() -> None:
        return

    return Polls(kafka, ["feedback-analysed"], SETTINGS, nothing)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("shared.polling.monotonic", lambda: now[0])
    return now


async def test_records_go_through() -> None:
    kafka = Kafka({"partition": ["record"]})
    polls = watched(kafka)
    assert await kafka.getmany(timeout_ms=20, max_records=5) == {"partition": ["record"]}
    assert polls.succeed()


async def test_a_failed_poll_brings_nothing_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    kafka = Kafka(TopicAuthorizationFailedError("feedback-analysed"))
    polls = watched(kafka)
    assert await kafka.getmany() == {}
    assert not polls.succeed()
    assert [line.levelname for line in caplog.records] == ["ERROR"]
    assert "(TopicAuthorizationFailedError feedback-analysed)" in caplog.text


async def test_a_poll_that_brings_nothing_does_not_make_up_for_a_failed_one(clock: list[float]) -> None:
    kafka = Kafka(TopicAuthorizationFailedError(), {})
    polls = watched(kafka)
    await kafka.getmany()
    await kafka.getmany()
    assert not polls.succeed()
    clock[0] += REMEMBERED
    assert polls.succeed(), "none has failed since"


def test_a_topic_that_can_no_longer_be_seen_is_not_read() -> None:
    kafka = Kafka()
    polls = watched(kafka)
    kafka.visible.clear()
    assert not polls.succeed()


async def test_polls_wait_longer_where_nothing_comes_and_no_longer_once_something_does(clock: list[float]) -> None:
    kafka = Kafka({}, {}, {"partition": ["record"]}, {})
    watched(kafka)
    for passed in (0.0, IDLE_AFTER, 0.0):
        clock[0] += passed
        await kafka.getmany(timeout_ms=20)
    assert kafka.waits == [(20, 50), (IDLE_WAIT_MS, IDLE_WAIT_MS), (IDLE_WAIT_MS, IDLE_WAIT_MS)]
    assert kafka._fetcher._fetch_max_wait_ms == 50, "what was read makes room for a request at once"
    await kafka.getmany(timeout_ms=20)
    assert kafka.waits[-1] == (20, 50)
