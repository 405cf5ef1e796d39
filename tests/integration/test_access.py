"""Access on real Kafka: each service may do what the registry says, and is told in one line what it may not."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
from aiokafka.protocol.admin import DeleteAclsRequest
from pydantic import SecretStr

from deploy.access import Operation, Outcome, Resource, Rule, _create, grant_access
from deploy.admin import admin_client
from deploy.create_topics import create_topics
from shared.consumer import BatchConsumer
from shared.errors import HeedError, TransientFault
from shared.member import consuming
from shared.publisher import record, running_publisher
from shared.service import Running
from shared.topics import (
    DEAD_LETTERS,
    FEEDBACK_ANALYSED,
    FEEDBACK_SUBMITTED,
    FEEDBACK_SUMMARISED,
    FEEDBACK_WITHDRAWN,
    THEME_DIGESTS,
    Topic,
)
from tests.doubles import RememberingPublisher, submitted
from tests.unit.digest_samples import WAITING, theme_digest
from tests.unit.learning_samples import analysed
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from aiokafka.admin import AIOKafkaAdminClient

    from deploy.servers import Broker
    from deploy.servers.endpoints import GuardedListener
    from shared.consumer import Delivery
    from shared.settings import ServiceSettings

    Account = Callable[[str], ServiceSettings]

pytestmark = pytest.mark.integration

GRANTING = "deploy.create_topics --grant-access"


@pytest.fixture
def guarded(broker: Broker) -> GuardedListener:
    if broker.guarded is None:
        pytest.skip("this broker has no listener that asks for a login")
    return broker.guarded


@pytest.fixture
def account(guarded: GuardedListener, kafka: ServiceSettings) -> Account:
    """`account(name)`: the settings that a service, or the newcomer, logs in with."""

    def settings(name: str) -> ServiceSettings:
        username = name if name in guarded.passwords else f"heed-{name}"
        login = {
            "kafka_bootstrap": guarded.bootstrap,
            "kafka_security": "sasl_plaintext",
            "kafka_username": username,
            "kafka_password": SecretStr(guarded.passwords[username]),
        }
        return kafka.model_copy(update=login)

    return settings


@pytest.fixture
async def granted(account: Account, kafka: ServiceSettings) -> Account:
    """The same, once access is granted."""
    await grant_access(kafka, ["unrouted"], themes=[WAITING])
    return account


class Effect:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def __call__(self, deliveries: Sequence[Delivery[Any]]) -> None:
        self.events += [delivery.event for delivery in deliveries]


def reading(service: str, topic: Topic, settings: ServiceSettings, effect: Effect) -> BatchConsumer[Any]:
    publisher = RememberingPublisher()
    return BatchConsumer(service=service, topic=topic, effect=effect, publisher=publisher, settings=settings)


async def test_what_the_gateway_submits_analysis_reads_and_answers(granted: Account) -> None:
    effect = Effect()
    gateway, analysis = granted("gateway"), granted("analysis")
    async with running_publisher(gateway, "gateway") as publisher:
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "gateway")])
    async with consuming([reading("analysis", FEEDBACK_SUBMITTED, analysis, effect)], analysis) as loop:
        await until(lambda: effect.events == [submitted()])
        assert loop.alive()
    async with running_publisher(analysis, "analysis") as publisher:
        await publisher.send([record(FEEDBACK_ANALYSED, analysed(), "analysis")])


async def test_what_analysis_has_read_is_committed(granted: Account) -> None:
    effect, again = Effect(), Effect()
    analysis = granted("analysis")
    async with running_publisher(granted("gateway"), "gateway") as publisher:
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(1), "gateway")])
        async with consuming([reading("analysis", FEEDBACK_SUBMITTED, analysis, effect)], analysis):
            await until(lambda: len(effect.events) == 1)
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(2), "gateway")])
        async with consuming([reading("analysis", FEEDBACK_SUBMITTED, analysis, again)], analysis):
            await until(lambda: again.events != [])
    assert again.events == [submitted(2)]


async def themes_read(
    service: str, beside: Topic, settings: ServiceSettings, digests: int
) -> tuple[list[Any], set[str]]:
    """What a service reads of themes, once it is so many digests, and the topics that it was given."""
    effect = Effect()
    consumers = [reading(service, topic, settings, effect) for topic in (beside, THEME_DIGESTS)]
    async with consuming(consumers, settings) as loop:
        assert loop.subscriber is not None
        client = loop.subscriber.consumer
        assert client is not None
        await until(lambda: bool(client.assignment()) and len(effect.events) == digests)
        assert loop.alive()
        return effect.events, {each.topic.removeprefix(settings.kafka_prefix) for each in client.assignment()}


async def test_the_portal_reads_a_theme_that_learning_writes_and_another_service_does_not_see_it(
    granted: Account, kafka: ServiceSettings
) -> None:
    """Kafka shows an account only what it may read, and that is how the topics of a family are found."""
    await create_topics(kafka, ["unrouted"], themes=[WAITING])
    async with running_publisher(granted("learning"), "learning") as publisher:
        await publisher.send([record(THEME_DIGESTS, theme_digest(), "learning", slug=WAITING)])
    events, topics = await themes_read("portal", FEEDBACK_WITHDRAWN, granted("portal"), 1)
    assert events == [theme_digest()]
    assert topics == {FEEDBACK_WITHDRAWN.name, THEME_DIGESTS.named(slug=WAITING)}
    assert await themes_read("gateway", FEEDBACK_ANALYSED, granted("gateway"), 0) == ([], {FEEDBACK_ANALYSED.name})


async def test_the_gateway_cannot_read_what_it_submits_and_its_health_tells(
    granted: Account, caplog: pytest.LogCaptureFixture
) -> None:
    effect = Effect()
    settings = granted("gateway")
    async with running_publisher(settings, "gateway") as publisher:
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "gateway")])
    consumers = [reading("gateway", FEEDBACK_SUBMITTED, settings, effect)]
    async with consuming(consumers, settings) as loop:
        service = Running(consumers, loop=loop)

        async def unready() -> bool:
            return not (await service.readiness())["consumer"]

        await until(unready)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5, "it stops at once"
    assert effect.events == []
    told = [line.getMessage() for line in caplog.records if line.name == "shared.polling"]
    assert told
    assert all("denies access to heed-gateway (TopicAuthorizationFailedError" in line for line in told)
    assert all(GRANTING in line for line in told)


@pytest.mark.parametrize("topic", [FEEDBACK_SUBMITTED, FEEDBACK_SUMMARISED], ids=lambda topic: topic.name)
async def test_a_restricted_topic_of_others_is_not_even_seen(topic: Topic, granted: Account) -> None:
    service = "learning" if topic is FEEDBACK_SUBMITTED else "analysis"
    settings = granted(service)
    with pytest.raises(TransientFault, match=f"denies access to heed-{service} .*{topic.name}.*{GRANTING}"):
        await asyncio.wait_for(consuming([reading(service, topic, settings, Effect())], settings).__aenter__(), 20)


async def test_a_service_does_not_read_as_another_ones_group(granted: Account) -> None:
    settings = granted("analysis")
    consumer = reading("learning", FEEDBACK_SUBMITTED, settings, Effect())
    with pytest.raises(TransientFault, match=r"denies access to heed-analysis \(GroupAuthorizationFailedError"):
        await asyncio.wait_for(consuming([consumer], settings).__aenter__(), 20)


@pytest.mark.parametrize("topic", [FEEDBACK_ANALYSED.name, DEAD_LETTERS["analysis"].name])
async def test_a_record_for_a_topic_of_others_is_kept_and_told(topic: str, granted: Account) -> None:
    submission = record(FEEDBACK_SUBMITTED, submitted(), "gateway")
    async with running_publisher(granted("gateway"), "gateway") as publisher:
        stray = type(submission)(topic, submission.key, submission.value)
        with pytest.raises(TransientFault, match=f"denies access to heed-gateway .*{topic}.*{GRANTING}"):
            await asyncio.wait_for(publisher.send([stray]), 20)
        await publisher.send([submission])


async def test_without_any_access_a_producer_says_so(account: Account) -> None:
    with pytest.raises(TransientFault, match=f"denies access to newcomer .*{GRANTING}"):
        await asyncio.wait_for(running_publisher(account("newcomer"), "newcomer").__aenter__(), 20)


async def test_a_wrong_password_ends_a_service_at_once_in_one_line(
    guarded: GuardedListener, kafka: ServiceSettings
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.stoppable_service",
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "HEED_KAFKA_BOOTSTRAP": guarded.bootstrap,
            "HEED_KAFKA_PREFIX": kafka.kafka_prefix,
            "HEED_KAFKA_SECURITY": "sasl_plaintext",
            "HEED_KAFKA_USERNAME": "heed-analysis",
            "HEED_KAFKA_PASSWORD": "open-sesame",
            "HEED_HTTP_PORT": "0",
        },
    )
    _, told = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    line = told.decode().splitlines()[-1]
    assert f"Kafka at {guarded.bootstrap} refuses the login of heed-analysis; check HEED_KAFKA_USERNAME" in line
    assert b"open-sesame" not in told
    assert b"Traceback" not in told


async def test_granting_again_changes_nothing_and_a_new_team_gets_its_rules(
    guarded: GuardedListener, kafka: ServiceSettings
) -> None:
    first = await grant_access(kafka, ["ed"], themes=[])
    again = await grant_access(kafka, ["ed", "ward-7"], themes=[])
    assert {became for _, became in first} == {Outcome.GRANTED}
    assert {rule for rule, became in again if became is Outcome.UNCHANGED} == {rule for rule, _ in first}
    assert {rule.name for rule, became in again if became is Outcome.GRANTED} == {
        f"{kafka.kafka_prefix}team-ward-7-summaries"
    }


async def test_somebody_else_who_may_read_is_named_and_left(guarded: GuardedListener, kafka: ServiceSettings) -> None:
    name = kafka.kafka_prefix + FEEDBACK_SUBMITTED.name
    curious = Rule("User:curious", Resource.TOPIC, name, Operation.READ)
    async with admin_client(kafka) as admin:
        await _create(admin, curious)

    async def named() -> bool:
        return (curious, Outcome.FOREIGN) in await grant_access(kafka, [], themes=[])

    await until(named)
    assert await named(), "it is still there"


async def test_who_is_no_administrator_grants_nothing(granted: Account) -> None:
    with pytest.raises(HeedError, match="does not let heed-gateway grant access; log in as an administrator"):
        await grant_access(granted("gateway"), [])


async def test_a_broker_without_an_authorizer_is_told_in_one_line(broker: Broker, kafka: ServiceSettings) -> None:
    if broker.guarded is not None:
        pytest.skip("this broker has one")
    with pytest.raises(HeedError, match="no authorizer") as told:
        await grant_access(kafka, [])
    assert "\n" not in str(told.value)


async def test_the_command_grants_after_it_has_made_the_topics(guarded: GuardedListener, broker: Broker) -> None:
    prefix = f"c{time.monotonic_ns():x}-"
    arguments = ["--bootstrap", broker.bootstrap, "--prefix", prefix, "--grant-access"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.create_topics", *arguments, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    lines = told.decode().splitlines()
    assert process.returncode == 0
    assert f"created    {prefix}feedback-submitted" in lines
    assert f"granted    User:heed-analysis READ topic {prefix}feedback-submitted" in lines
    assert f"granted    User:heed-analysis READ group {prefix}analysis" in lines
    assert not any(password in told.decode() for password in guarded.passwords.values())


async def test_access_taken_away_from_a_running_service_is_told_by_its_health(
    granted: Account, kafka: ServiceSettings
) -> None:
    settings = granted("analysis")
    consumers = [reading("analysis", FEEDBACK_SUBMITTED, settings, Effect())]
    async with consuming(consumers, settings) as loop:
        assert loop.alive()
        async with admin_client(kafka) as admin:
            await _delete(admin, kafka.kafka_prefix + FEEDBACK_SUBMITTED.name)
        await until(lambda: not loop.alive())


async def _delete(admin: AIOKafkaAdminClient, topic: str) -> None:
    """Every ACL of a topic."""
    everything, literal = 1, 3
    await admin._send_request(DeleteAclsRequest(Resource.TOPIC, topic, literal, None, None, Operation.ANY, everything))
