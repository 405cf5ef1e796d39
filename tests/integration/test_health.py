"""Live is not ready: what `/health/ready` says of a reader that has ended, hangs, or cannot commit."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.consumer import BatchConsumer, Delivery
from shared.publisher import record
from shared.service import HealthApp, Running, at_work
from shared.topics import FEEDBACK_SUBMITTED
from tests.doubles import submitted
from tests.integration.conftest import REAL
from tests.integration.offsets import committed
from tests.waiting import until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Sequence

    from shared.events import FeedbackSubmitted
    from shared.publisher import KafkaPublisher, Publisher
    from shared.settings import ServiceSettings

pytestmark = pytest.mark.integration


@asynccontextmanager
async def running(settings: ServiceSettings, publisher: Publisher) -> AsyncIterator[Running]:
    """A service that reads and does nothing."""

    async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        return

    consumer: BatchConsumer[FeedbackSubmitted] = BatchConsumer(
        service="analysis", topic=FEEDBACK_SUBMITTED, effect=effect, publisher=publisher, settings=settings
    )
    yield Running([consumer])


async def asked(service: Running, path: str) -> tuple[int, dict[str, Any]]:
    """What an orchestrator is told."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing to read")

    await HealthApp(service)({"type": "http", "path": path}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def red(service: Running) -> set[str]:
    """The checks that fail; that the process answers never depends on them."""
    assert (await asked(service, "/health/live"))[0] == 200
    status, told = await asked(service, "/health/ready")
    failing = {name for name, well in told["checks"].items() if not well}
    assert status == (503 if failing else 200)
    return failing


async def test_a_reader_that_has_ended_is_told(kafka: ServiceSettings, publisher: KafkaPublisher) -> None:
    async with at_work(running, kafka, publisher) as service:
        assert await red(service) == set()
        assert service.loop is not None
        assert service.loop.subscriber is not None
        tasks: list[asyncio.Task[Any]] = service.loop.subscriber.tasks
        for task in tasks:
            task.cancel()
        await until(lambda: all(task.done() for task in tasks))
        assert await red(service) == {"consumer"}


async def test_commits_that_are_stuck_are_told_and_made_up_for(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    settings = kafka.model_copy(update={"commit_age": 0.3})
    async with at_work(running, settings, publisher) as service:
        assert service.loop is not None
        assert service.loop.subscriber is not None
        client = service.loop.subscriber.consumer
        assert client is not None
        commit = client.commit

        async def away(*_: object) -> None:
            raise KafkaConnectionError("away")

        client.commit = away
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])

        async def stuck() -> bool:
            return await red(service) == {"commits"}

        await until(stuck)
        assert await committed(settings) == 0
        client.commit = commit

        async def well() -> bool:
            return await red(service) == set()

        await until(well)
        assert await committed(settings) == 1, "no other record came to commit it with"


@pytest.mark.skipif(not REAL, reason="the embedded broker's latest offset is wrong")
async def test_lag_that_grows_is_told(kafka: ServiceSettings, publisher: KafkaPublisher) -> None:
    settings = kafka.model_copy(update={"lag_limit": 5, "lag_patience": 0.5})
    async with at_work(running, settings, publisher) as service:
        assert service.loop is not None
        assert service.loop.subscriber is not None
        client = service.loop.subscriber.consumer
        assert client is not None

        async def assigned() -> bool:
            return bool(client.assignment()) and await red(service) == set()

        await until(assigned)
        client.pause(*client.assignment())  # as a reader that hangs: its member stays, and nothing is read
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(number), "test") for number in range(40)])

        async def lagging() -> bool:
            return await red(service) == {"lag"}

        await until(lagging)
        client.resume(*client.assignment())

        async def well() -> bool:
            return await red(service) == set()

        await until(well)
