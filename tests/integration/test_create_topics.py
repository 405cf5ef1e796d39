"""Topics on a real broker: made once, mended where they differ, never re-partitioned."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.create_topics import (
    SET_ON_TOPIC,
    Change,
    admin_client,
    check_topics,
    create_topics,
    existing_topics,
    until_led,
    wanted_topics,
)
from shared.errors import TransientFault, UsageError
from shared.topics import FEEDBACK_SUBMITTED, TOPICS

if TYPE_CHECKING:
    from deploy.servers import Broker

pytestmark = pytest.mark.integration

on_kafka = pytest.mark.skipif(
    os.environ.get("HEED_TEST_STAGE") != "real", reason="the embedded broker cannot alter settings"
)


@pytest.fixture
def bootstrap(broker: Broker) -> str:
    return broker.bootstrap


@pytest.fixture
def prefix() -> str:
    return f"t{uuid4().hex[:10]}-"


async def make(bootstrap: str, name: str, partitions: int, settings: dict[str, str]) -> None:
    async with admin_client(bootstrap) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
        await until_led(admin, [name])


async def settings_of(bootstrap: str, topic: str) -> dict[str, str]:
    async with admin_client(bootstrap) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries = answer.resources[0][4]
    embedded_source = 5
    return {name: value for name, value, _, source, *_ in entries if source in {SET_ON_TOPIC, embedded_source}}


async def test_every_topic_of_the_registry_and_of_the_teams_is_made(bootstrap: str, prefix: str) -> None:
    outcomes = await create_topics(bootstrap, ["ed", "maternity"], prefix=prefix)
    assert {outcome.change for outcome in outcomes} == {Change.CREATED}
    assert await existing_topics(bootstrap, prefix) == {topic.name for topic in TOPICS if not topic.is_family} | {
        "team-ed-summaries",
        "team-maternity-summaries",
    }


async def test_topics_get_the_registrys_partitions_and_settings(bootstrap: str, prefix: str) -> None:
    await create_topics(bootstrap, [], prefix=prefix)
    name = prefix + FEEDBACK_SUBMITTED.name
    async with admin_client(bootstrap) as admin:
        (described,) = await admin.describe_topics([name])
    assert len(described["partitions"]) == FEEDBACK_SUBMITTED.partitions
    assert FEEDBACK_SUBMITTED.creation_settings().items() <= (await settings_of(bootstrap, name)).items()


async def test_a_second_run_changes_nothing_and_a_new_team_gets_its_topic(bootstrap: str, prefix: str) -> None:
    await create_topics(bootstrap, ["ed"], prefix=prefix)
    outcomes = {
        outcome.topic: outcome.change for outcome in await create_topics(bootstrap, ["ed", "ward-7"], 1, prefix)
    }
    assert outcomes.pop(f"{prefix}team-ward-7-summaries") is Change.CREATED
    assert set(outcomes.values()) == {Change.UNCHANGED}


async def test_looking_only_tells_what_is_missing_and_makes_nothing(bootstrap: str, prefix: str) -> None:
    outcomes = await check_topics(bootstrap, ["ed"], prefix)
    assert {outcome.change for outcome in outcomes} == {Change.MISSING}
    assert len(outcomes) == len(TOPICS)
    assert await existing_topics(bootstrap, prefix) == set()


async def test_too_few_partitions_are_told_and_left(bootstrap: str, prefix: str) -> None:
    wanted = next(topic for topic in wanted_topics([], prefix=prefix) if topic.name.endswith(FEEDBACK_SUBMITTED.name))
    await make(bootstrap, wanted.name, 1, wanted.settings)
    outcomes = {outcome.topic: outcome for outcome in await create_topics(bootstrap, [], prefix=prefix)}
    assert outcomes[wanted.name].change is Change.DIFFERS
    assert "1 partitions, the registry says 6" in outcomes[wanted.name].detail


async def test_a_setting_that_differs_is_told(bootstrap: str, prefix: str) -> None:
    name = prefix + FEEDBACK_SUBMITTED.name
    settings = FEEDBACK_SUBMITTED.creation_settings() | {"retention.ms": "1000"}
    await make(bootstrap, name, FEEDBACK_SUBMITTED.partitions, settings)
    outcomes = {outcome.topic: outcome for outcome in await check_topics(bootstrap, [], prefix)}
    assert outcomes[name].change is Change.DIFFERS
    assert "retention.ms should be 604800000" in outcomes[name].detail
    assert (await settings_of(bootstrap, name))["retention.ms"] == "1000"


@on_kafka
async def test_a_setting_that_differs_is_mended_and_an_operators_own_kept(bootstrap: str, prefix: str) -> None:
    name = prefix + FEEDBACK_SUBMITTED.name
    settings = FEEDBACK_SUBMITTED.creation_settings() | {"retention.ms": "1000", "segment.ms": "3600000"}
    await make(bootstrap, name, FEEDBACK_SUBMITTED.partitions, settings)
    outcomes = {outcome.topic: outcome.change for outcome in await create_topics(bootstrap, [], prefix=prefix)}
    assert outcomes[name] is Change.ALTERED
    async with asyncio.timeout(10):  # Kafka tells of an altered setting a little later
        while (mended := await settings_of(bootstrap, name))["retention.ms"] == "1000":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (mended["retention.ms"], mended["segment.ms"]) == ("604800000", "3600000")


@on_kafka
async def test_more_replicas_than_brokers_are_refused_in_one_line(bootstrap: str, prefix: str) -> None:
    with pytest.raises(UsageError, match="ask for fewer replicas"):
        await create_topics(bootstrap, [], replication=9, prefix=prefix)


async def test_a_team_id_that_cannot_name_a_topic_is_refused(bootstrap: str, prefix: str) -> None:
    with pytest.raises(UsageError, match="cannot name a topic"):
        await create_topics(bootstrap, ["ward 7"], prefix=prefix)


async def test_no_broker_is_told_in_one_line() -> None:
    with pytest.raises(TransientFault, match=r"no Kafka broker answers at 127\.0\.0\.1:1 "):
        await create_topics("127.0.0.1:1", [])


def test_three_replicas_ask_for_two_in_sync() -> None:
    assert {topic.settings.get("min.insync.replicas") for topic in wanted_topics([], 3)} == {"2"}
    assert {topic.settings.get("min.insync.replicas") for topic in wanted_topics([], 1)} == {None}
