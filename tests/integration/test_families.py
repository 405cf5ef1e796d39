"""One consumer of a family's topics on a real broker: those that are there, and one that comes later."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from deploy.create_topics import create_topics
from deploy.servers.ports import free_ports
from shared import families
from shared.consumer import BatchConsumer, Delivery
from shared.errors import TransientFault
from shared.member import consuming
from shared.publisher import Record, record
from shared.topics import FEEDBACK_WITHDRAWN, THEME_DIGESTS
from tests.unit.digest_samples import PARKING, WAITING, theme_digest
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from shared.digests import ThemeDigest
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = pytest.mark.integration

LATER = "feeling-safe"


class Reader:
    """Notes what it was told of."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.removed: list[str] = []

    async def effect(self, deliveries: Sequence[Delivery[ThemeDigest]]) -> None:
        self.read += [delivery.event.slug for delivery in deliveries]

    async def removal(self, keys: Sequence[str]) -> None:
        self.removed += keys

    async def other(self, deliveries: Sequence[Delivery[Any]]) -> None:
        raise AssertionError("nothing was withdrawn")

    def consumers(self, publisher: KafkaPublisher, settings: ServiceSettings) -> list[BatchConsumer[Any]]:
        """Of the family, beside one of a topic as every other."""
        given: dict[str, Any] = {"service": "portal", "publisher": publisher, "settings": settings}
        return [
            BatchConsumer(topic=FEEDBACK_WITHDRAWN, effect=self.other, **given),
            BatchConsumer(topic=THEME_DIGESTS, effect=self.effect, removal=self.removal, **given),
        ]


def sent(slug: str) -> Record:
    return record(THEME_DIGESTS, theme_digest(slug), "learning", slug=slug)


async def test_one_consumer_reads_every_topic_of_a_family_also_one_that_comes_later(
    kafka: ServiceSettings, publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "EVERY", 0.2)
    await create_topics(kafka, ["unrouted"], themes=[WAITING, PARKING])
    first = Reader()
    async with consuming(first.consumers(publisher, kafka), kafka) as member:
        await publisher.send([sent(WAITING), sent(PARKING)])
        await until(lambda: len(first.read) == 2)
        await create_topics(kafka, ["unrouted"], themes=[LATER])
        await publisher.send([sent(LATER), Record(sent(PARKING).topic, sent(PARKING).key, None)])
        await until(lambda: len(first.read) == 3 and len(first.removed) == 1)
        assert all((await member.checks()).values())
    assert sorted(first.read) == sorted([WAITING, PARKING, LATER]), "nothing comes twice for the new topic's sake"
    assert first.removed == [f"{PARKING}:2026-05-01"]

    second = Reader()
    await publisher.send([sent(LATER)])
    async with consuming(second.consumers(publisher, kafka), kafka):
        await until(lambda: len(second.read) == 1)
    assert second.read == [LATER], "what was read is committed, whichever topic it came from"


async def test_a_family_without_any_topic_keeps_nobody_from_reading(
    kafka: ServiceSettings, publisher: KafkaPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    async with consuming(Reader().consumers(publisher, kafka), kafka) as member:
        await until(member.alive)
        assert all((await member.checks()).values())
    assert [each.getMessage() for each in caplog.records if "theme-{slug}-digests" in each.getMessage()] == [
        "no topic theme-{slug}-digests is there yet; looked for every 60 s"
    ]


async def test_while_no_broker_answers_a_reader_of_a_family_waits_and_leaves_nothing_open(
    publisher: KafkaPublisher, kafka: ServiceSettings, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    settings = kafka.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{port}"})
    with pytest.raises(TransientFault, match="no Kafka broker answers"):
        await consuming(Reader().consumers(publisher, settings), settings).__aenter__()
    gc.collect()
    assert "Unclosed" not in caplog.text
