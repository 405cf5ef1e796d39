"""What a failed poll leaves behind: a line in the log, no records, and a fault that is remembered for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from shared.polling import REMEMBERED, Polls
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = ServiceSettings(backoff_max=0.001)


class Kafka:
    """A consumer whose polls go as they are told to, and that sees some topics."""

    def __init__(self, *outcomes: dict[str, list[str]] | Exception) -> None:
        self.outcomes = list(outcomes)
        self.visible = {"feedback-analysed": {0}}
        self.getmany: Callable[..., Any] = self._getmany

    async def _getmany(self, **_: object) -> dict[str, list[str]]:
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
