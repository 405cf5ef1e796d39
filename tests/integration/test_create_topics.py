"""Topics on a real broker: made once, mended where they differ, never re-partitioned."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.admin import admin_client
from deploy.create_topics import (
    SET_ON_TOPIC,
    Change,
    check_topics,
    create_topics,
    existing_topics,
    until_led,
    wanted_topics,
)
from shared.errors import TransientFault, UsageError
from shared.settings import ServiceSettings
from shared.themes import SLUGS
from shared.topics import FEEDBACK_SUBMITTED, TOPICS

if TYPE_CHECKING:
    from deploy.servers import Broker

pytestmark = pytest.mark.integration

on_kafka = pytest.mark.skipif(
    os.environ.get("HEED_TEST_STAGE") != "real", reason="the embedded broker cannot alter settings"
)


@pytest.fixture
def settings(broker: Broker) -> ServiceSettings:
    return ServiceSettings(kafka_bootstrap=broker.bootstrap, kafka_prefix=f"t{uuid4().hex[:10]}-")


async def make(settings: ServiceSettings, name: str, partitions: int, configs: dict[str, str]) -> None:
    async with admin_client(settings) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        await until_led(admin, [name])


async def configs_of(settings: ServiceSettings, topic: str) -> dict[str, str]:
    async with admin_client(settings) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries = answer.resources[0][4]
    embedded_source = 5
    return {name: value for name, value, _, source, *_ in entries if source in {SET_ON_TOPIC, embedded_source}}


async def test_every_topic_of_the_registry_and_of_the_teams_is_made(settings: ServiceSettings) -> None:
    outcomes = await create_topics(settings, ["ed", "maternity"], themes=["parking"])
    assert {outcome.change for outcome in outcomes} == {Change.CREATED}
    assert await existing_topics(settings) == {topic.name for topic in TOPICS if not topic.is_family} | {
        "team-ed-summaries",
        "team-maternity-summaries",
        "theme-parking-digests",
    }


async def test_topics_get_the_registrys_partitions_and_settings(settings: ServiceSettings) -> None:
    await create_topics(settings, [])
    name = settings.kafka_prefix + FEEDBACK_SUBMITTED.name
    async with admin_client(settings) as admin:
        (described,) = await admin.describe_topics([name])
    assert len(described["partitions"]) == FEEDBACK_SUBMITTED.partitions
    assert FEEDBACK_SUBMITTED.creation_settings().items() <= (await configs_of(settings, name)).items()


async def test_a_second_run_changes_nothing_and_a_new_team_gets_its_topic(settings: ServiceSettings) -> None:
    await create_topics(settings, ["ed"])
    outcomes = {outcome.topic: outcome.change for outcome in await create_topics(settings, ["ed", "ward-7"])}
    assert outcomes.pop(f"{settings.kafka_prefix}team-ward-7-summaries") is Change.CREATED
    assert set(outcomes.values()) == {Change.UNCHANGED}


async def test_looking_only_tells_what_is_missing_and_makes_nothing(settings: ServiceSettings) -> None:
    outcomes = await check_topics(settings, ["ed"])
    assert {outcome.change for outcome in outcomes} == {Change.MISSING}
    assert len(outcomes) == len([name for topic in TOPICS for name in topic.names(["ed"], SLUGS)])
    assert await existing_topics(settings) == set()


async def test_too_few_partitions_are_told_and_left(settings: ServiceSettings) -> None:
    name = settings.kafka_prefix + FEEDBACK_SUBMITTED.name
    wanted = next(topic for topic in wanted_topics([], prefix=settings.kafka_prefix) if topic.name == name)
    await make(settings, wanted.name, 1, wanted.settings)
    outcomes = {outcome.topic: outcome for outcome in await create_topics(settings, [])}
    assert outcomes[wanted.name].change is Change.DIFFERS
    assert "1 partitions, the registry says 6" in outcomes[wanted.name].detail


async def test_a_setting_that_differs_is_told(settings: ServiceSettings) -> None:
    name = settings.kafka_prefix + FEEDBACK_SUBMITTED.name
    configs = FEEDBACK_SUBMITTED.creation_settings() | {"retention.ms": "1000"}
    await make(settings, name, FEEDBACK_SUBMITTED.partitions, configs)
    outcomes = {outcome.topic: outcome for outcome in await check_topics(settings, [])}
    assert outcomes[name].change is Change.DIFFERS
    assert "retention.ms should be 604800000" in outcomes[name].detail
    assert (await configs_of(settings, name))["retention.ms"] == "1000"


@on_kafka
async def test_a_setting_that_differs_is_mended_and_an_operators_own_kept(settings: ServiceSettings) -> None:
    name = settings.kafka_prefix + FEEDBACK_SUBMITTED.name
    configs = FEEDBACK_SUBMITTED.creation_settings() | {"retention.ms": "1000", "segment.ms": "3600000"}
    await make(settings, name, FEEDBACK_SUBMITTED.partitions, configs)
    outcomes = {outcome.topic: outcome.change for outcome in await create_topics(settings, [])}
    assert outcomes[name] is Change.ALTERED
    async with asyncio.timeout(10):  # Kafka tells of an altered setting a little later
        while (mended := await configs_of(settings, name))["retention.ms"] == "1000":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (mended["retention.ms"], mended["segment.ms"]) == ("604800000", "3600000")


@on_kafka
async def test_more_replicas_than_brokers_are_refused_in_one_line(settings: ServiceSettings) -> None:
    with pytest.raises(UsageError, match="ask for fewer replicas"):
        await create_topics(settings, [], replication=9)


async def test_a_team_id_that_cannot_name_a_topic_is_refused(settings: ServiceSettings) -> None:
    with pytest.raises(UsageError, match="cannot name a topic"):
        await create_topics(settings, ["ward 7"])


async def test_no_broker_is_told_in_one_line() -> None:
    with pytest.raises(TransientFault, match=r"no Kafka broker answers at 127\.0\.0\.1:1 "):
        await create_topics(ServiceSettings(kafka_bootstrap="127.0.0.1:1"), [])


def test_three_replicas_ask_for_two_in_sync() -> None:
    assert {topic.settings.get("min.insync.replicas") for topic in wanted_topics([], 3)} == {"2"}
    assert {topic.settings.get("min.insync.replicas") for topic in wanted_topics([], 1)} == {None}
