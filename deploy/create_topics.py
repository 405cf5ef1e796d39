"""Makes every topic of the registry, as often as it is asked: creates what is missing, mends settings that differ.

`python -m deploy.create_topics` does it before the services start: none of them creates a topic.
"""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, for_code

from deploy.access import grant_access
from deploy.admin import admin_client
from deploy.cli import run
from shared.errors import HeedError, TransientFault, UsageError
from shared.settings import ServiceSettings, load
from shared.themes import SLUGS
from shared.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka.admin import AIOKafkaAdminClient

TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""Kafka's own rule (org.apache.kafka.common.internals.Topic)."""

ALREADY_EXISTS = 36
"""Kafka's error code TOPIC_ALREADY_EXISTS."""

LEADER_LIMIT = 30.0
"""Seconds to wait for the leaders of new partitions."""

SET_ON_TOPIC = 1
"""Kafka's config source DYNAMIC_TOPIC_CONFIG: set on this topic, not inherited from the broker."""


class Change(StrEnum):
    """What became of one topic."""

    CREATED = "created"
    ALTERED = "altered"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    """Only looked at, and not there."""
    DIFFERS = "differs"
    """It is not as the registry says, and a person must decide."""


@dataclass(frozen=True, slots=True)
class TopicOutcome:
    """One topic, what was done to it and, where that needs a reason, why."""

    topic: str
    change: Change
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    partitions: int
    settings: dict[str, str]


def wanted_topics(
    team_ids: Iterable[str], replication: int = 1, prefix: str = "", themes: Iterable[str] = SLUGS
) -> list[_Wanted]:
    """Every topic that the registry, the teams and the themes ask for, with the installation's prefix.

    With three replicas or more, two must have a record before it counts as sent: `acks=all` alone would be content
    with the only one left (Kafka documentation, `min.insync.replicas`).

    Raises:
        UsageError: a team id that cannot be part of a topic's name.
    """
    teams, slugs = list(team_ids), list(themes)
    durable = {"min.insync.replicas": "2"} if replication >= 3 else {}
    wanted: list[_Wanted] = []
    for entry in TOPICS:
        settings = entry.creation_settings() | durable
        wanted += [_Wanted(prefix + name, entry.partitions, settings) for name in entry.names(teams, slugs)]
    for topic in wanted:
        if not TOPIC_NAME.fullmatch(topic.name):
            raise UsageError(f"{topic.name!r} cannot name a topic; use letters, digits and hyphens in the team's id")
    return wanted


async def create_topics(
    settings: ServiceSettings, team_ids: Iterable[str], replication: int = 1, themes: Iterable[str] = SLUGS
) -> list[TopicOutcome]:
    """Bring the broker's topics to what the registry says; safe to run again and beside another run.

    Returns when every partition has a leader: Kafka answers before its brokers know of a new topic.

    Settings are altered where they differ. Partitions are never added: keys would move to other partitions and the
    versions of one piece of feedback lose their order; that is told as `Change.DIFFERS`.

    Args:
        settings: how to reach Kafka, and the prefix.
        team_ids: each gets its topic.
        replication: copies of each partition.
        themes: slugs; each gets its topic.

    Raises:
        TransientFault: no broker answers.
        UsageError: the broker has fewer members than `replication`, or a team id cannot name a topic.
    """
    wanted = wanted_topics(team_ids, replication, settings.kafka_prefix, themes)
    async with admin_client(settings) as admin:
        there = set(await admin.list_topics())
        created = await _create(admin, [topic for topic in wanted if topic.name not in there], replication)
        await until_led(admin, [topic.name for topic in wanted])
        compared = await _compare(admin, [topic for topic in wanted if topic.name not in created], alter=True)
    return [TopicOutcome(name, Change.CREATED) for name in created] + compared


async def check_topics(settings: ServiceSettings, team_ids: Iterable[str]) -> list[TopicOutcome]:
    """Say which topics are missing or differ from the registry, and change nothing.

    Raises:
        TransientFault: no broker answers.
    """
    wanted = wanted_topics(team_ids, prefix=settings.kafka_prefix)
    async with admin_client(settings) as admin:
        there = set(await admin.list_topics())
        missing = [TopicOutcome(topic.name, Change.MISSING) for topic in wanted if topic.name not in there]
        return missing + await _compare(admin, [topic for topic in wanted if topic.name in there], alter=False)


async def existing_topics(settings: ServiceSettings) -> set[str]:
    """The installation's topics on the broker, without the prefix.

    Raises:
        TransientFault: no broker answers.
    """
    prefix = settings.kafka_prefix
    async with admin_client(settings) as admin:
        return {name.removeprefix(prefix) for name in await admin.list_topics() if name.startswith(prefix)}


async def until_led(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait until every partition of the topics has a leader.

    Raises:
        TransientFault: one has none after `LEADER_LIMIT` seconds.
    """
    deadline = asyncio.get_running_loop().time() + LEADER_LIMIT
    while not await _are_led(admin, names):
        if asyncio.get_running_loop().time() > deadline:
            raise TransientFault(f"Kafka found no leader for a topic within {LEADER_LIMIT:.0f} s; see the broker's log")
        await asyncio.sleep(0.05)


async def _are_led(admin: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    # Asked about by name, a topic that is missing would be created by a broker that creates topics unasked.
    if not set(names) <= set(await admin.list_topics()):
        return False
    described = await admin.describe_topics(list(names))
    return all(
        partition["leader"] >= 0 and not partition["error_code"]
        for topic in described
        for partition in topic["partitions"]
    )


async def _create(admin: AIOKafkaAdminClient, wanted: Sequence[_Wanted], replication: int) -> list[str]:
    """Create topics; the names of those that this run, and not another one beside it, has created."""
    if not wanted:
        return []
    answer = await admin.create_topics(
        [NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.settings) for topic in wanted]
    )
    for name, code, *_ in answer.topic_errors:
        if code not in {0, ALREADY_EXISTS}:
            kind = for_code(code).__name__
            hint = "ask for fewer replicas" if kind == "InvalidReplicationFactorError" else "see the broker's log"
            raise UsageError(f"Kafka did not create {name} with {replication} replica(s): {kind}; {hint}")
    return [name for name, code, *_ in answer.topic_errors if not code]


async def _compare(admin: AIOKafkaAdminClient, wanted: Sequence[_Wanted], *, alter: bool) -> list[TopicOutcome]:
    if not wanted:
        return []
    described = await admin.describe_topics([topic.name for topic in wanted])
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in described}
    settings = await _settings(admin, [topic.name for topic in wanted])
    outcomes = []
    for topic in wanted:
        found, inherited = settings[topic.name]
        wrong = {name: value for name, value in topic.settings.items() if found.get(name, inherited.get(name)) != value}
        if wrong:
            outcomes.append(await _alter(admin, topic, found, wrong, alter=alter))
        elif partitions[topic.name] < topic.partitions:
            few = (
                f"{partitions[topic.name]} partitions, the registry says {topic.partitions}; add them while it is empty"
            )
            outcomes.append(TopicOutcome(topic.name, Change.DIFFERS, few))
        else:
            outcomes.append(TopicOutcome(topic.name, Change.UNCHANGED))
    return outcomes


async def _settings(
    admin: AIOKafkaAdminClient, names: Sequence[str]
) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """For each topic what is set on it, and what it inherits."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    settings: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for answer in answers:
        for code, _, _, name, entries in answer.resources:
            if code:
                raise HeedError(
                    f"Kafka does not tell the settings of {name}: {for_code(code).__name__}; check its ACLs"
                )
            own, inherited = settings.setdefault(name, ({}, {}))
            for setting, value, _, source, *_ in entries:
                (own if source == SET_ON_TOPIC else inherited)[setting] = value
    return settings


async def _alter(
    admin: AIOKafkaAdminClient, topic: _Wanted, found: dict[str, str], wrong: dict[str, str], *, alter: bool
) -> TopicOutcome:
    told = ", ".join(f"{name} should be {value}" for name, value in sorted(wrong.items()))
    if not alter:
        return TopicOutcome(topic.name, Change.DIFFERS, told)
    # AlterConfigs replaces all that is set on a topic; what an operator set beside ours has to go with it.
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=found | wrong)
    try:
        answers = await admin.alter_configs([resource])
    except IncompatibleBrokerVersion:
        return TopicOutcome(topic.name, Change.DIFFERS, f"{told}; this broker cannot alter settings")
    for answer in answers:
        for code, *_ in answer.resources:
            if code:
                return TopicOutcome(topic.name, Change.DIFFERS, f"{told}; Kafka refused: {for_code(code).__name__}")
    return TopicOutcome(topic.name, Change.ALTERED, told)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--bootstrap", envvar="HEED_KAFKA_BOOTSTRAP", required=True, help="Kafka bootstrap servers.")
@click.option(
    "--catalogue",
    envvar="HEED_CATALOGUE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Team catalogue: each of its teams gets a topic.",
)
@click.option("--prefix", envvar="HEED_KAFKA_PREFIX", default="", help="Before every topic's name.")
@click.option("--replication", envvar="HEED_KAFKA_REPLICATION", type=click.IntRange(1), default=1, show_default=True)
@click.option("--grant-access", "granting", is_flag=True, help="Also grant services what they need.")
def command(*, bootstrap: str, catalogue: Path | None, prefix: str, replication: int, granting: bool) -> None:
    """Create the topics of the registry, and mend the settings of those that are there."""
    settings = load(ServiceSettings, kafka_bootstrap=bootstrap, kafka_prefix=prefix)
    teams = catalogue_teams(catalogue)
    asyncio.run(_brought_up(settings, teams, replication, granting=granting))


async def _brought_up(settings: ServiceSettings, teams: Sequence[str], replication: int, *, granting: bool) -> None:
    for outcome in await create_topics(settings, teams, replication):
        click.echo(f"{outcome.change:<9}  {outcome.topic}  {outcome.detail}".rstrip())
    if granting:
        for rule, became in await grant_access(settings, teams):
            click.echo(f"{became:<9}  {rule}")


def catalogue_teams(catalogue: Path | None) -> list[str]:
    """The ids of a catalogue's teams; none without a catalogue.

    Raises:
        UsageError: the catalogue is not valid.
    """
    if catalogue is None:
        return []
    from services.learning.catalogue import read  # noqa: PLC0415 - YAML only where a catalogue is

    return list(read(catalogue).team_ids)


if __name__ == "__main__":
    sys.exit(run(command, sys.argv[1:], "python -m deploy.create_topics"))
