"""What a service may do on Kafka is what the topic registry says, and nothing else."""

from __future__ import annotations

import pytest

from deploy.access import Acl, Operation, Resource, Rule, foreign_readers, principal, rules
from shared.themes import SLUGS
from shared.topics import DEAD_LETTERS, FEEDBACK_SUBMITTED, TOPICS, Topic

TEAMS = ("ed", "unrouted")
SERVICES = sorted({service for topic in TOPICS for service in (*topic.producers, *topic.consumers)})
RESTRICTED = [topic for topic in TOPICS if topic.restricted]

LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3


def names(topic: Topic) -> set[str]:
    return set(topic.names(TEAMS, SLUGS))


def granted(service: str, resource: Resource, operation: Operation) -> set[str]:
    return {
        rule.name
        for rule in rules(TEAMS)
        if (rule.principal, rule.resource, rule.operation) == (principal(service), resource, operation)
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_what_the_registry_says(service: str) -> None:
    written = {name for topic in TOPICS if service in topic.producers for name in names(topic)}
    read = {name for topic in TOPICS if service in topic.consumers for name in names(topic)}
    assert granted(service, Resource.TOPIC, Operation.WRITE) == written
    assert granted(service, Resource.TOPIC, Operation.READ) == read
    assert granted(service, Resource.TOPIC, Operation.DESCRIBE) == written | read
    assert granted(service, Resource.GROUP, Operation.READ) == ({service} if read else set())


def test_nothing_else_is_granted() -> None:
    assert {(rule.resource, rule.operation) for rule in rules(TEAMS)} == {
        (Resource.TOPIC, Operation.READ),
        (Resource.TOPIC, Operation.WRITE),
        (Resource.TOPIC, Operation.DESCRIBE),
        (Resource.GROUP, Operation.READ),
    }
    assert {rule.principal for rule in rules(TEAMS)} == {principal(service) for service in SERVICES}


def test_patients_own_words_are_for_analysis_only() -> None:
    readers = {
        rule.principal
        for rule in rules(TEAMS)
        if rule.name == FEEDBACK_SUBMITTED.name and rule.operation is Operation.READ
    }
    assert readers == {"User:heed-analysis"}


@pytest.mark.parametrize("topic", RESTRICTED, ids=lambda topic: topic.name)
def test_a_restricted_topic_is_seen_only_by_those_that_the_registry_names(topic: Topic) -> None:
    seen_by = {rule.principal for rule in rules(TEAMS) if rule.name == topic.name}
    assert seen_by == {principal(service) for service in (*topic.producers, *topic.consumers)}


@pytest.mark.parametrize("service", DEAD_LETTERS)
def test_a_service_writes_its_own_dead_letters_and_reads_none(service: str) -> None:
    about = {rule for rule in rules(TEAMS) if rule.name == DEAD_LETTERS[service].name}
    assert {(rule.principal, rule.operation) for rule in about} == {
        (principal(service), Operation.WRITE),
        (principal(service), Operation.DESCRIBE),
    }


def test_an_installations_prefix_stands_before_every_topic_and_group() -> None:
    plain = rules(TEAMS)
    assert rules(TEAMS, "north-") == [
        Rule(rule.principal, rule.resource, f"north-{rule.name}", rule.operation) for rule in plain
    ]


@pytest.mark.parametrize(
    ("name", "pattern"), [("feedback-submitted", LITERAL), ("*", LITERAL), ("feedback-", PREFIXED), ("", PREFIXED)]
)
@pytest.mark.parametrize("operation", [Operation.READ, Operation.ALL])
def test_somebody_else_who_may_read_a_restricted_topic_is_found(name: str, pattern: int, operation: Operation) -> None:
    acl = Acl(Resource.TOPIC, name, pattern, "User:curious", "*", operation, ALLOW)
    found = foreign_readers({acl}, rules(TEAMS))
    assert Rule("User:curious", Resource.TOPIC, "feedback-submitted", operation) in found


@pytest.mark.parametrize(
    "acl",
    [
        Acl(Resource.TOPIC, "feedback-submitted", LITERAL, "User:heed-analysis", "*", Operation.READ, ALLOW),
        Acl(Resource.TOPIC, "feedback-submitted", LITERAL, "User:curious", "*", Operation.READ, DENY),
        Acl(Resource.TOPIC, "feedback-submitted", LITERAL, "User:integration", "*", Operation.WRITE, ALLOW),
        Acl(Resource.TOPIC, "team-ed-summaries", LITERAL, "User:team", "*", Operation.READ, ALLOW),
        Acl(Resource.TOPIC, "team-", PREFIXED, "User:team", "*", Operation.READ, ALLOW),
        Acl(Resource.GROUP, "feedback-submitted", LITERAL, "User:curious", "*", Operation.READ, ALLOW),
    ],
    ids=["as meant", "denied", "writes", "open topic", "open topics", "a group"],
)
def test_who_reads_no_restricted_topic_or_is_meant_to_is_no_finding(acl: Acl) -> None:
    assert foreign_readers({acl}, rules(TEAMS)) == []
