"""One comment's whole way, from HTTP to a team's topic and back to its receipt, on the stage's real servers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from deploy.create_topics import create_topics
from deploy.sample.feedback import CATALOGUE
from services.analysis.app import running as running_analysis
from services.analysis.settings import AnalysisSettings
from services.gateway.app import running as running_gateway
from services.gateway.integrations import add_integration
from services.gateway.settings import GatewaySettings
from services.learning.app import running as running_learning
from services.learning.settings import LearningSettings
from shared.cloudevents import decode
from shared.database import engine
from shared.events import Event, FeedbackAnalysed, FeedbackUrgent
from shared.service import at_work
from shared.summaries import LearningSummary
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_URGENT, TEAM_SUMMARIES
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

TEAM = "riverside-emergency"
PLANTED = "the lighthouse keeper waved from platform nine"
"""A sentence that stands nowhere else, so that it can be searched for."""

WORDS = (
    "The nurses were kind and explained everything.",
    "We waited three hours before anyone saw us.",
    "Lovely friendly staff, nothing was too much trouble.",
    "The waiting room was cold and there was nowhere to sit.",
)


@dataclass
class House:
    """Everything at work, and ways to look at it."""

    http: httpx.AsyncClient
    settings: ServiceSettings
    seen: dict[str, list[Any]] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)

    async def submit(self, source_id: str, text: str, **fields: Any) -> dict[str, Any]:
        body = {
            "kind": "comment",
            "source_id": source_id,
            "channel": "survey",
            "text": text,
            "question_type": "nonspecific",
            "occurred_at": "2026-05-12",
            "about": {"organisation": "Riverside Hospitals", "service": "Emergency department"},
            "consent": {"quote": True},
            **fields,
        }
        answer = await self.http.post("/v1/feedback", json=body)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def journey(self, receipt: str) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/feedback/{receipt}")
        told: dict[str, Any] = answer.json()
        return told

    def events(self, topic: str) -> list[Any]:
        return self.seen.get(topic, [])

    async def watch(self) -> None:
        """Read every topic that leaves the analysis service or learning."""
        models: dict[str, type[Event]] = {
            FEEDBACK_ANALYSED.name: FeedbackAnalysed,
            FEEDBACK_URGENT.name: FeedbackUrgent,
            TEAM_SUMMARIES.named(team_id=TEAM): LearningSummary,
        }
        async with AIOKafkaConsumer(
            *(self.settings.kafka_prefix + name for name in models),
            bootstrap_servers=self.settings.kafka_bootstrap,
            auto_offset_reset="earliest",
        ) as consumer:
            async for record in consumer:
                name = record.topic.removeprefix(self.settings.kafka_prefix)
                self.seen.setdefault(name, []).append(decode(models[name], record.value, record.headers))
                self.raw.append(record.value)


@pytest.fixture
async def house(kafka: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl) -> AsyncIterator[House]:
    await create_topics(kafka, [TEAM])
    gateway_url, learning_url = await database_url("gateway"), await database_url("learning")
    given = kafka.model_dump(exclude_unset=True)
    learning = LearningSettings(
        database_url=SecretStr(learning_url), catalogue=CATALOGUE, summary_quiet=0.05, summary_max_delay=0.5, **given
    )
    gateway = GatewaySettings(database_url=SecretStr(gateway_url), pseudonym_key=SecretStr("k" * 32), **given)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(at_work(running_learning, learning, publisher))
        await stack.enter_async_context(at_work(running_analysis, AnalysisSettings(**given), publisher))
        service = await stack.enter_async_context(at_work(running_gateway, gateway, publisher))
        database = engine(gateway_url, "gateway", pool_size=1)
        key = await add_integration(database, "survey", (), datetime.now(UTC))
        await database.dispose()
        assert service.app is not None
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(service.app),
                base_url="http://gateway",
                headers={"Authorization": f"Bearer {key}"},
            )
        )
        house = House(http, kafka)
        watching = asyncio.create_task(house.watch())
        yield house
        watching.cancel()


def newest(house: House) -> LearningSummary | None:
    pages = house.events(TEAM_SUMMARIES.named(team_id=TEAM))
    return max(pages, key=lambda page: page.revision, default=None)


def says(house: House, words: str) -> bool:
    page = newest(house)
    return page is not None and words in page.text


async def test_from_a_submission_to_a_team_and_back_to_the_receipt(house: House) -> None:
    told = [await house.submit(str(number), WORDS[number % len(WORDS)]) for number in range(40)]
    receipts = [each["receipt"] for each in told]

    async def all_summarised() -> bool:
        return all([(await house.journey(receipt))["state"] == "summarised" for receipt in receipts])

    await until(all_summarised, 60)
    journey = await house.journey(receipts[0])
    assert journey["summarised"] == [{"team_id": TEAM, "period": "2026-05-01"}]
    await until(lambda: says(house, "about 40 responses"))
    page = newest(house)
    assert page is not None
    assert page.period.isoformat() == "2026-05-01"


async def test_names_and_numbers_stop_at_the_analysis_service(house: House) -> None:
    await house.submit("1", "Sister Bernadette rang me on 07700 900123 and my NHS number is 943 476 5919.")
    await until(lambda: bool(house.events(FEEDBACK_ANALYSED.name)), 60)
    (event,) = house.events(FEEDBACK_ANALYSED.name)
    text = event.segments[0].text
    assert "[name]" in text
    assert "[phone]" in text
    for leaked in (b"Bernadette", b"900123", b"943 476 5919"):
        assert not any(leaked in value for value in house.raw)


async def test_an_edit_replaces_and_is_not_counted_twice(house: House) -> None:
    for number in range(20):
        await house.submit(str(number), WORDS[0])
    again = await house.submit("0", WORDS[1])
    assert (again["version"], again["duplicate"]) == (2, False)
    assert (await house.submit("0", WORDS[1]))["duplicate"] is True
    await until(lambda: any(event.version == 2 for event in house.events(FEEDBACK_ANALYSED.name)), 60)
    await until(lambda: says(house, "about 20 responses"), 60)
    assert len(house.events(FEEDBACK_ANALYSED.name)) == 21


async def test_a_withdrawal_leaves_no_word_and_no_count(house: House) -> None:
    mine = await house.submit("mine", f"So kind and friendly, {PLANTED}.")
    for number in range(17):
        await house.submit(str(number), WORDS[0])
    await until(lambda: says(house, "about 20 responses"), 60)
    answer = await house.http.delete(f"/v1/feedback/{mine['receipt']}")
    assert answer.status_code == 202
    await until(lambda: says(house, "about 15 responses"), 60)
    after = newest(house)
    assert after is not None
    assert PLANTED not in after.text
    assert PLANTED not in after.model_dump_json()
    assert (await house.journey(mine["receipt"]))["state"] == "withdrawn"
    refused = await house.http.post(
        "/v1/feedback",
        json={
            "kind": "comment",
            "source_id": "mine",
            "channel": "survey",
            "text": "Here it is once more.",
            "occurred_at": "2026-05-12",
            "about": {"organisation": "Riverside Hospitals"},
        },
    )
    assert refused.status_code == 409


async def test_what_a_person_must_see_goes_to_a_person(house: House) -> None:
    told = await house.submit("1", f"I want to kill myself and {PLANTED}.")
    await until(lambda: bool(house.events(FEEDBACK_URGENT.name)), 60)
    (event,) = house.events(FEEDBACK_URGENT.name)
    assert str(event.feedback_id) == told["feedback_id"]
    assert "lexicon:suicide" in event.reasons
    assert PLANTED not in event.model_dump_json()
    await until(lambda: bool(house.events(FEEDBACK_ANALYSED.name)), 60)
    assert house.events(FEEDBACK_ANALYSED.name)[0].quote_ok is False
