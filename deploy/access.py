"""What a service may do on Kafka, computed from the topic registry: it writes what it produces, reads what it consumes.

A broker that refuses what no ACL allows (`allow.everyone.if.no.acl.found=false`) so closes a restricted topic to every
account that the registry does not name. See decision 6.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from aiokafka.errors import ClusterAuthorizationFailedError, IncompatibleBrokerVersion, SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from deploy.admin import admin_client
from shared.errors import HeedError, TransientFault
from shared.themes import SLUGS
from shared.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka.admin import AIOKafkaAdminClient

    from shared.settings import ServiceSettings

AT_ONCE = 50
"""ACLs on their way together: aiokafka sends one a request."""

KNOWN_LIMIT = 30.0
"""Seconds to wait until new ACLs are known to a broker."""

NO_AUTHORIZER = (
    "this broker has no authorizer, so no access can be granted on it; set Kafka's authorizer.class.name to "
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer, or leave --grant-access out"
)


class Resource(IntEnum):
    """Kafka's codes of what an ACL is about (org.apache.kafka.common.resource.ResourceType)."""

    ANY = 1
    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """Kafka's codes of what may be done (org.apache.kafka.common.acl.AclOperation), as far as they matter here."""

    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    DESCRIBE = 8


class _Pattern(IntEnum):
    """Kafka's codes of how a resource is named (org.apache.kafka.common.resource.PatternType)."""

    ANY = 1
    LITERAL = 3
    PREFIXED = 4


_ANY_PERMISSION, _ALLOW = 1, 3
_EVERY_HOST = "*"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One thing that one account may do.

    Attributes:
        principal: the account, as Kafka writes it.
        resource: of what kind `name` is; a topic or group of exactly this name.
    """

    principal: str
    resource: Resource
    name: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.principal} {self.operation.name} {self.resource.name.lower()} {self.name}"


class Outcome(StrEnum):
    """What became of one rule."""

    GRANTED = "granted"
    UNCHANGED = "unchanged"
    FOREIGN = "foreign"
    """Found, and not the registry's: somebody else may read a restricted topic. A person must decide; it was left."""


def principal(service: str) -> str:
    """The account of a service."""
    return f"User:heed-{service}"


def rules(team_ids: Iterable[str], prefix: str = "", themes: Iterable[str] = SLUGS) -> list[Rule]:
    """All that services may do, and nothing more, by account.

    A service writes the topics it produces, its dead letters among them, reads those it consumes and commits as the
    group of its name. It may create nothing and see no other topic. An idempotent producer needs no rule of its own:
    WRITE on a topic is enough (KIP-679, Kafka 3.0).
    """
    teams, slugs = list(team_ids), list(themes)
    found: set[Rule] = set()
    for entry in TOPICS:
        for name in entry.names(teams, slugs):
            for services, operation in ((entry.producers, Operation.WRITE), (entry.consumers, Operation.READ)):
                found |= {
                    Rule(principal(service), Resource.TOPIC, prefix + name, granted)
                    for service in services
                    for granted in (operation, Operation.DESCRIBE)
                }
        found |= {
            Rule(principal(service), Resource.GROUP, prefix + service, Operation.READ) for service in entry.consumers
        }
    return sorted(found)


async def grant_access(
    settings: ServiceSettings, team_ids: Iterable[str], themes: Iterable[str] = SLUGS
) -> list[tuple[Rule, Outcome]]:
    """Bring the broker's ACLs to what the registry says; safe to run again and beside another run.

    Returns when a broker tells of every ACL: the controller answers before its brokers know of one.

    Nothing is taken away: an ACL that lets somebody else read a restricted topic is told as `Outcome.FOREIGN`.

    Raises:
        HeedError: the broker has no authorizer, or this account may not alter ACLs.
        TransientFault: no broker answers, or it does not get to know of an ACL.
    """
    if settings.kafka_embedded:  # asked for its ACLs, it sends an answer that no client can read
        raise HeedError(NO_AUTHORIZER)
    wanted = rules(team_ids, settings.kafka_prefix, themes)
    async with admin_client(settings) as admin:
        try:
            there = await _described(admin)
            missing = [rule for rule in wanted if _literal(rule) not in there]
            for start in range(0, len(missing), AT_ONCE):
                await asyncio.gather(*(_create(admin, rule) for rule in missing[start : start + AT_ONCE]))
            await _until_known(admin, missing)
        except (SecurityDisabled, IncompatibleBrokerVersion):
            raise HeedError(NO_AUTHORIZER) from None
        except ClusterAuthorizationFailedError:
            account = settings.kafka_username or "an account without a name"
            raise HeedError(f"Kafka does not let {account} grant access; log in as an administrator") from None
    outcomes = [(rule, Outcome.GRANTED if rule in missing else Outcome.UNCHANGED) for rule in wanted]
    return outcomes + [(rule, Outcome.FOREIGN) for rule in foreign_readers(there, wanted, settings.kafka_prefix)]


@dataclass(frozen=True, slots=True)
class Acl:
    """An ACL as the broker tells it, in Kafka's codes."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int

    def covers(self, topic: str) -> bool:
        """Whether it is about this topic, by its name, the start of it, or as one of all."""
        if self.resource != Resource.TOPIC:
            return False
        if self.pattern == _Pattern.PREFIXED:
            return topic.startswith(self.name)
        return self.name in {topic, "*"}


def foreign_readers(there: Iterable[Acl], wanted: Iterable[Rule], prefix: str = "") -> list[Rule]:
    """Permissions to read a restricted topic that are not among those wanted."""
    meant = set(wanted)
    reading = {Operation.READ, Operation.ALL}
    found = {
        Rule(acl.principal, Resource.TOPIC, prefix + topic.name, Operation(acl.operation))
        for acl in there
        if acl.permission == _ALLOW and acl.operation in reading
        for topic in TOPICS
        if topic.restricted and acl.covers(prefix + topic.name)
    }
    return sorted(found - meant)


def _literal(rule: Rule) -> Acl:
    return Acl(rule.resource, rule.name, _Pattern.LITERAL, rule.principal, _EVERY_HOST, rule.operation, _ALLOW)


async def _described(admin: AIOKafkaAdminClient) -> set[Acl]:
    everything = DescribeAclsRequest(Resource.ANY, None, _Pattern.ANY, None, None, Operation.ANY, _ANY_PERMISSION)
    answer = await _sent(admin, everything)
    if answer.error_code:
        raise for_code(answer.error_code)
    return {Acl(resource, name, pattern, *acl) for resource, name, pattern, acls in answer.resources for acl in acls}


async def _until_known(admin: AIOKafkaAdminClient, created: Sequence[Rule]) -> None:
    deadline = asyncio.get_running_loop().time() + KNOWN_LIMIT
    while not {_literal(rule) for rule in created} <= await _described(admin):
        if asyncio.get_running_loop().time() > deadline:
            raise TransientFault(f"Kafka did not take an ACL over within {KNOWN_LIMIT:.0f} s; see the broker's log")
        await asyncio.sleep(0.05)


async def _create(admin: AIOKafkaAdminClient, rule: Rule) -> None:
    acl = _literal(rule)
    request = CreateAclsRequest(
        acl.resource, acl.name, acl.pattern, acl.principal, acl.host, acl.operation, acl.permission
    )
    for code, _ in (await _sent(admin, request)).creation_responses:
        if code:
            raise for_code(code)


async def _sent(admin: AIOKafkaAdminClient, request: Any) -> Any:
    """Send a request that aiokafka's protocol knows and its admin client has no method for (0.14).

    Any broker will do: in KRaft it passes what alters the cluster on to the controller.
    """
    return await admin._send_request(request)
