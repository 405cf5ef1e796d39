from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import services
from shared.topics import DAY_MS, DEAD_LETTERS, LEARNING_SUMMARIES, THEME_DIGESTS, TOPICS, Cleanup, Topic

SERVICES = {module.name for module in pkgutil.iter_modules(services.__path__)}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_is_told_in_full(topic: Topic) -> None:
    name = re.sub(r"\{(team_id|slug)\}", "x", topic.name)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name), "hyphens only: Kafka mixes up . and _"
    assert topic.description.endswith(".")
    assert len(topic.description) > 20
    assert topic.key
    assert 1 <= topic.partitions <= 12


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_producers_and_consumers_are_services_of_this_house(topic: Topic) -> None:
    assert topic.producers, "a topic that nobody writes"
    assert set(topic.producers) | set(topic.consumers) <= SERVICES


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_retention_fits_the_cleanup(topic: Topic) -> None:
    if topic.cleanup is Cleanup.COMPACT:
        assert topic.retention_ms is None
    else:
        assert topic.retention_ms is not None
        assert DAY_MS <= topic.retention_ms <= 30 * DAY_MS


def test_every_service_has_dead_letters_and_nothing_else_does() -> None:
    assert set(DEAD_LETTERS) == SERVICES


def test_dead_letters_of_raw_text_are_kept_no_longer_than_raw_text() -> None:
    for service, letters in DEAD_LETTERS.items():
        read = [topic for topic in TOPICS if service in topic.consumers]
        if any(topic.name == "feedback-submitted" for topic in read):
            assert letters.restricted
            assert (letters.retention_ms or 0) <= min(topic.retention_ms or 0 for topic in read if topic.restricted)


def test_a_dead_letter_topic_takes_the_largest_record_and_its_headers() -> None:
    for service, letters in DEAD_LETTERS.items():
        for topic in TOPICS:
            if service in topic.consumers:
                assert letters.largest_record >= topic.largest_record + 64 * 1024


@pytest.mark.parametrize(
    ("topic", "name", "part"),
    [
        (THEME_DIGESTS, "theme-feeling-safe-digests", "feeling-safe"),
        (THEME_DIGESTS, "theme--digests", None),
        (THEME_DIGESTS, "x-theme-feeling-safe-digests", None),
        (THEME_DIGESTS, "theme-feeling-safe-digests-v2", None),
        (THEME_DIGESTS, "team-feeling-safe-summaries", None),
        (LEARNING_SUMMARIES, "learning-summaries", ""),
        (LEARNING_SUMMARIES, "learning-summaries-v2", None),
    ],
)
def test_a_name_is_of_one_topic_or_family(topic: Topic, name: str, part: str | None) -> None:
    assert topic.part_of(name) == part


@pytest.mark.parametrize("family", [topic for topic in TOPICS if topic.is_family], ids=lambda topic: topic.name)
def test_no_other_topic_is_taken_for_one_of_a_family(family: Topic) -> None:
    others = [name for topic in TOPICS if topic is not family for name in topic.names(["ed"], ["parking"])]
    assert [name for name in others if family.part_of(name) is not None] == []


def test_names_and_event_types_are_unique() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    types = {topic.event: topic.event.ce_type for topic in TOPICS if topic.event}
    assert len(set(types.values())) == len(types)


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_that_the_registry_names_can_be_started(service: str) -> None:
    importlib.import_module(f"services.{service}.app")
