"""The three services at work on one broker and one database, with a stand-in for the model: for tests of faults."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from deploy.create_topics import create_topics
from deploy.dead_letters import DeadLetterTopics
from deploy.sample.feedback import CATALOGUE
from services.analysis.app import running as running_with_model
from services.analysis.handlers import SubmittedHandler
from services.analysis.reader import Reader
from services.analysis.settings import AnalysisSettings
from services.gateway.app import running as running_gateway
from services.gateway.integrations import add_integration
from services.gateway.settings import GatewaySettings
from services.learning.app import LearningRunning
from services.learning.app import running as running_learning
from services.learning.settings import LearningSettings
from shared.consumer import BatchConsumer
from shared.database import engine
from shared.service import Running, at_work
from shared.topics import FEEDBACK_SUBMITTED
from tests.analysis_doubles import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.events import FeedbackSubmitted
    from shared.publisher import Publisher
    from shared.settings import ServiceSettings

TEAM = "riverside-emergency"
CRASH = "this text crashes the model"


@dataclass(frozen=True, slots=True)
class House:
    """The services, and a client of the gateway."""

    settings: ServiceSettings
    http: httpx.AsyncClient
    gateway: Running
    analysis: Running
    learning: LearningRunning

    async def submit(self, source_id: str, text: str = "The nurses were kind.", **fields: Any) -> httpx.Response:
        """Hand in one comment about the sample's emergency department."""
        body = {
            "kind": "comment",
            "source_id": source_id,
            "channel": "survey",
            "text": text,
            "occurred_at": "2026-05-12",
            "about": {"organisation": "Riverside Hospitals", "service": "Emergency department"},
            "consent": {"quote": True},
            **fields,
        }
        return await self.http.post("/v1/feedback", json=body)

    async def counted(self) -> int:
        """Responses that learning counts for the team."""
        team = (await self.learning.readings.counts()).get(TEAM)
        return team.n if team else 0

    async def dead_letters(self) -> list[str]:
        """Reasons of all dead letters there are."""
        return [letter.reason for letter in (await DeadLetterTopics(self.settings).read()).letters]

    async def ready(self) -> dict[str, bool]:
        """The checks of all three services, by service and name."""
        services = {"gateway": self.gateway, "analysis": self.analysis, "learning": self.learning}
        return {
            f"{name} {check}": well
            for name, service in services.items()
            for check, well in (await service.readiness()).items()
        }


@asynccontextmanager
async def running_analysis(settings: ServiceSettings, publisher: Publisher) -> AsyncIterator[Running]:
    """The analysis service's own handler, around a model that crashes on `CRASH`."""
    with ThreadPoolExecutor(1) as worker:
        handler = SubmittedHandler(Reader(FakeEncoder(crash=CRASH)), worker, publisher)
        consumer: BatchConsumer[FeedbackSubmitted] = BatchConsumer(
            service="analysis",
            topic=FEEDBACK_SUBMITTED,
            effect=handler.on_feedback_submitted,
            publisher=publisher,
            settings=settings,
        )
        yield Running([consumer])


@asynccontextmanager
async def running_house(
    settings: ServiceSettings,
    publisher: Publisher,
    gateway_url: str,
    learning_url: str,
    *,
    real_model: bool = False,
) -> AsyncIterator[House]:
    """Everything at work until the block ends; with the model's stand-in, or with the model."""
    await create_topics(settings, [TEAM, "unrouted"])
    given = settings.model_dump(exclude_unset=True)
    learning = LearningSettings(
        database_url=SecretStr(learning_url), catalogue=CATALOGUE, summary_quiet=0.05, summary_max_delay=0.5, **given
    )
    gateway = GatewaySettings(
        database_url=SecretStr(gateway_url), pseudonym_key=SecretStr("k" * 32), relay_poll=0.05, **given
    )
    async with AsyncExitStack() as stack:
        reads = await stack.enter_async_context(at_work(running_learning, learning, publisher))
        assert isinstance(reads, LearningRunning)
        analysis = await stack.enter_async_context(
            at_work(running_with_model, AnalysisSettings(**given), publisher)
            if real_model
            else at_work(running_analysis, settings, publisher)
        )
        takes = await stack.enter_async_context(at_work(running_gateway, gateway, publisher))
        database = engine(gateway_url, "gateway", pool_size=1)
        key = await add_integration(database, "survey", (), datetime.now(UTC))
        await database.dispose()
        assert takes.app is not None
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(takes.app),
            base_url="http://gateway",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        yield House(settings, await stack.enter_async_context(http), takes, analysis, reads)
