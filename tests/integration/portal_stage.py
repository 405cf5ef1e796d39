"""The portal on the stage's PostgreSQL, and browsers of people who are signed in."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from services.portal.app import SCHEMA, running
from services.portal.people import Grant
from services.portal.sessions import SessionStore
from services.portal.settings import PortalSettings
from shared.database import engine
from tests.doubles import RememberingPublisher, raw
from tests.unit.portal_examples import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine
    from starlette.types import ASGIApp

    from shared.events import Event
    from shared.service import Running

ADDRESS = "http://portal"


@dataclass(frozen=True, slots=True)
class Stage:
    """A portal at work."""

    service: Running
    app: ASGIApp
    database: AsyncEngine
    publisher: RememberingPublisher
    address: str = ADDRESS

    def browser(self) -> httpx.AsyncClient:
        """One that follows no redirect by itself."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=("192.0.2.1", 1)), base_url=self.address, timeout=30
        )

    async def signed_in(self, *teams: str, roles: tuple[str, ...] = (), subject: str = "somebody") -> httpx.AsyncClient:
        """A browser of somebody of these teams and roles."""
        grant = Grant(subject, frozenset(teams), frozenset(roles))
        cookie = await SessionStore(self.database).begin(grant, datetime.now(UTC) + timedelta(hours=1))
        browser = self.browser()
        browser.cookies.set("heed-session" if self.address == ADDRESS else "__Host-heed-session", cookie)
        return browser

    async def receive(self, *events: Event) -> None:
        """Hand events to the consumer that reads them, as records."""
        for consumer in self.service.consumers:
            read = consumer.topic.event
            assert read is not None
            mine = [event for event in events if isinstance(event, read)]
            await consumer.handle([raw(event, consumer.topic.name.format_map(vars(event))) for event in mine])


@asynccontextmanager
async def running_portal(url: str, folder: Path, **given: Any) -> AsyncIterator[Stage]:
    """A portal on an empty schema of that URL, with the samples' catalogue."""
    path = folder / "teams.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    settings = PortalSettings(
        database_url=SecretStr(url), catalogue=path, **{"portal_url": ADDRESS, "relay_poll": 0.05, **given}
    )
    publisher = RememberingPublisher()
    database = engine(url, SCHEMA, pool_size=2)
    try:
        async with running(settings, publisher) as service:
            assert service.app is not None
            yield Stage(service, service.app, database, publisher, settings.portal_url)
    finally:
        await database.dispose()


def form_token(html: str) -> str:
    """What the first form of a page carries."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', html)
    assert found is not None, "no form on this page"
    return found[1]
