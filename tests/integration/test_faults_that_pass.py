"""A server is away for a while: nothing is lost, dead-lettered or hot, and all is well again without a restart.

`HEED_TEST_AWAY` is how many seconds each server is away; 2, or 60 as `docs/operations.md` tells of.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from shared import telemetry
from shared.errors import TransientFault
from shared.objects import ObjectStore
from shared.publisher import running_publisher
from shared.settings import ServiceSettings
from shared.telemetry import Metric
from tests.integration.conftest import REAL
from tests.integration.house import House, running_house
from tests.integration.line import line_to_database, line_to_http
from tests.servers import kafka as apache
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deploy.servers import Stage
    from shared.publisher import KafkaPublisher
    from tests.integration.conftest import DatabaseUrl

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

AWAY = float(os.environ.get("HEED_TEST_AWAY", "2"))

INITIAL, MOST = 0.2, 1.0
"""Pauses between retries in these tests, in seconds."""


CLIENTS, KAFKA_PAUSE = 4, 0.1
"""Kafka's clients in these tests, and aiokafka's own pause between requests to a broker that refuses connections."""


class Retries:
    """When each retry was made, by what counts it and whose it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: dict[tuple[str, ...], list[float]] = {}
        self._count = telemetry.count
        monkeypatch.setattr(telemetry, "count", self._noted)

    def _noted(self, metric: Metric, amount: int = 1, attributes: Mapping[str, str] | None = None) -> None:
        if metric in {Metric.RETRIES, Metric.RELAY_FAULTS}:
            self.made.setdefault((metric.name, *(attributes or {}).values()), []).append(time.monotonic())
        self._count(metric, amount, attributes)

    def most(self, seconds: float) -> int:
        """How many one loop may make in that time: its pauses double from half of `INITIAL` to half of `MOST`."""
        made, pause, spent = 1, INITIAL / 2, 0.0
        while (spent := spent + pause) < seconds:
            made, pause = made + 1, min(2 * pause, MOST / 2)
        return made

    def are_bounded(self) -> bool:
        """Whether no loop was hot: however long it was, it made no more than its pauses let it."""
        assert self.made, "nothing was tried again"
        return all(len(times) <= self.most(times[-1] - times[0] + MOST) for times in self.made.values())


@pytest.fixture
def retries(monkeypatch: pytest.MonkeyPatch) -> Retries:
    return Retries(monkeypatch)


@pytest.fixture
def paced(kafka: ServiceSettings) -> ServiceSettings:
    return kafka.model_copy(update={"backoff_initial": INITIAL, "backoff_max": MOST})


async def for_a_while(holds: Callable[[], bool]) -> None:
    """Until the server has been away as long as it shall, and what the fault does is there to be seen."""
    begun = time.monotonic()
    await until(lambda: time.monotonic() - begun >= AWAY and holds(), AWAY + 20)


async def taken(house: House, numbers: range) -> None:
    for number in numbers:
        answer = await house.submit(str(number))
        assert answer.status_code == 202, answer.text


async def all_counted(house: House, number: int) -> None:
    async def counted() -> bool:
        return await house.counted() == number

    await until(counted, 60)


async def is_well(house: House) -> None:
    async def well() -> bool:
        return all((await house.ready()).values())

    await until(well, 60)


async def test_the_readers_database_is_away(
    paced: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl, retries: Retries
) -> None:
    gateway = await database_url("gateway")
    async with (
        line_to_database(await database_url("learning")) as (line, learning),
        running_house(paced, publisher, gateway, learning) as house,
    ):
        await taken(house, range(10))
        await all_counted(house, 10)
        await line.cut()
        await taken(house, range(10, 30))
        await for_a_while(lambda: ("RETRIES", "learning", "feedback-analysed") in retries.made)
        checks = await house.ready()
        assert not checks["learning database"]
        assert checks["gateway database"]
        await line.mend()
        await all_counted(house, 30)
        await is_well(house)
        assert await house.dead_letters() == []
        assert retries.are_bounded(), retries.made


async def test_the_gateways_database_is_away(
    paced: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl, retries: Retries
) -> None:
    learning = await database_url("learning")
    async with (
        line_to_database(await database_url("gateway")) as (line, gateway),
        running_house(paced, publisher, gateway, learning) as house,
    ):
        await taken(house, range(10))
        await all_counted(house, 10)
        await line.cut()
        refused = await house.submit("away")
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"] == "5"
        await for_a_while(lambda: ("RELAY_FAULTS", "transient") in retries.made)
        live = await house.http.get("/health/live")
        ready = await house.http.get("/health/ready")
        assert (live.status_code, ready.status_code) == (200, 503)
        assert not ready.json()["checks"]["database"]
        await line.mend()
        await is_well(house)
        await taken(house, range(10, 20))
        await all_counted(house, 20)
        assert await house.dead_letters() == []
        assert retries.are_bounded(), retries.made


async def test_the_bucket_is_away(stage: Stage) -> None:
    async with line_to_http(stage.bucket.endpoint) as (line, endpoint):
        store = ObjectStore(endpoint, stage.bucket.access_key, stage.bucket.secret_key, "away-for-a-while")
        await store.ensure()
        await line.cut()
        begun = time.monotonic()
        with pytest.raises(TransientFault, match=r"the bucket away-for-a-while at .* does not answer"):
            await store.ensure()
        assert not await store.is_up()
        assert time.monotonic() - begun < 20, "a caller is told soon, and decides itself how long it waits"
        await line.mend()
        assert await store.is_up()


@pytest.mark.skipif(not REAL, reason="the embedded broker forgets everything when it ends (decision 3)")
async def test_the_broker_is_away(
    tmp_path_factory: pytest.TempPathFactory,
    database_url: DatabaseUrl,
    retries: Retries,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = tmp_path_factory.mktemp("kafka")
    broker = apache.running_kafka(own)
    settings = ServiceSettings(
        kafka_bootstrap=(await broker.__aenter__()).bootstrap, backoff_initial=INITIAL, backoff_max=MOST
    )
    gateway, learning = await database_url("gateway"), await database_url("learning")
    try:
        async with (
            running_publisher(settings, "test") as publisher,
            running_house(settings, publisher, gateway, learning) as house,
        ):
            await taken(house, range(10))
            await all_counted(house, 10)
            await broker.__aexit__(None, None, None)
            caplog.clear()
            begun = time.monotonic()
            await taken(house, range(10, 30))

            async def told() -> bool:
                return not (await house.ready())["learning broker"]

            await until(told, 60)
            await for_a_while(lambda: True)
            checks = await house.ready()
            assert checks["learning database"]
            assert checks["gateway outbox"], "what is taken in waits, and may wait for minutes"
            tried = sum("Unable connect to node" in line.getMessage() for line in caplog.records)
            assert tried / (time.monotonic() - begun) < CLIENTS * 2 / KAFKA_PAUSE, "Kafka's own clients are not hot"
            broker = apache.running_kafka(own)
            await broker.__aenter__()
            await all_counted(house, 30)
            await is_well(house)
            assert await house.dead_letters() == []
            assert all(len(times) <= retries.most(times[-1] - times[0] + MOST) for times in retries.made.values())
    finally:
        await broker.__aexit__(None, None, None)
