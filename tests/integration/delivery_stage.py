"""Deliveries on the stage's PostgreSQL, by a clock that goes when it is told, and the servers that they reach."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.portal.app import SCHEMA, migrate_database
from services.portal.channels import Channel
from services.portal.channels_apprise import AppriseChannels
from services.portal.deliveries import Frequency, Retries
from services.portal.deliveries_sender import Sender
from services.portal.deliveries_store import DeliveryStore
from services.portal.directory import Directory, Member, Team
from services.portal.people import Person
from services.portal.published import DIGESTS, PAGES, PublishedStore
from services.portal.subscriptions import SubscriptionStore, Wanted
from services.portal.subscriptions_membership import Membership
from services.portal.subscriptions_sealing import Seals
from services.portal.webhook import Webhooks, webhook_client
from services.portal.webhook_targets import Targets
from shared.consumer import Delivery
from shared.database import engine
from shared.digests import ThemeDigest
from tests.integration.webhook_receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from email.message import EmailMessage
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.summaries import LearningSummary
    from tests.integration.conftest import DatabaseUrl

KEY = SecretStr("k" * 32)
TEAM = "riverside-emergency"
SAM = Person("sam@example.nhs.uk", frozenset({TEAM}), frozenset())
SECRET = "heedwh_for-tests-only"
PORTAL = "http://portal"
LOOPBACK = [ip_network("127.0.0.0/8")]


def directory(*members: str) -> Directory:
    """One team, and who belongs to it."""
    return Directory(
        teams=(Team(id=TEAM, name="Riverside emergency team", organisation="Riverside Hospitals"),),
        members=tuple(Member(who=who, teams=frozenset({TEAM})) for who in members),
    )


@dataclass(slots=True)
class Clock:
    """A Wednesday at noon, until it is told otherwise."""

    now: datetime = datetime(2026, 6, 10, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass(slots=True)
class Deliveries:
    """All parts of the sending, wired to one database."""

    database: AsyncEngine
    webhooks: Webhooks
    mail: SecretStr | None = None
    clock: Clock = field(default_factory=Clock)
    directory: Directory = field(default_factory=lambda: directory(SAM.subject))
    retries: Retries = field(default_factory=lambda: Retries(attempts=4, first=10, longest=30))

    @property
    def store(self) -> DeliveryStore:
        return DeliveryStore(self.database)

    @property
    def subscriptions(self) -> SubscriptionStore:
        return SubscriptionStore(self.database, Seals(KEY))

    def sender(self, store: DeliveryStore | None = None, retries: Retries | None = None) -> Sender:
        """A member."""
        return Sender(
            store or self.store,
            Membership(self.database, lambda: self.directory, timedelta(days=90)),
            Seals(KEY),
            self.webhooks,
            AppriseChannels(self.mail, Targets(LOOPBACK)),
            portal=PORTAL,
            retries=retries or self.retries,
            clock=self.clock,
            draw=lambda: 0.0,
        )

    async def subscribe(
        self,
        target: str,
        channel: Channel = Channel.WEBHOOK,
        frequency: Frequency = Frequency.REVISION,
        person: Person = SAM,
        about: str = TEAM,
    ) -> UUID:
        """Somebody subscribes, an hour before noon."""
        secret = SECRET if channel is Channel.WEBHOOK else None
        wanted = Wanted(about, channel, frequency, target, secret)
        return await self.subscriptions.add(person, wanted, self.clock.now - timedelta(hours=1))

    async def publish(self, *pages: LearningSummary) -> None:
        """Pages arrive, as the consumer hands them over."""
        store = PublishedStore(self.database, PAGES, self.clock)
        await store.on_published([Delivery(page) for page in pages])

    async def publish_digests(self, *digests: ThemeDigest) -> None:
        """The same of themes' digests."""
        store = PublishedStore(self.database, DIGESTS, self.clock)
        await store.on_published([Delivery(digest) for digest in digests])

    async def take_back(self, page: LearningSummary | ThemeDigest) -> None:
        if isinstance(page, ThemeDigest):
            await PublishedStore(self.database, DIGESTS, self.clock).on_taken_back([f"{page.slug}:{page.key()}"])
        else:
            await PublishedStore(self.database, PAGES, self.clock).on_taken_back([page.key()])

    async def states(self) -> list[tuple[str, int, str, str | None]]:
        """Period, revision, state and reason of every delivery."""
        rows = await self.rows("SELECT period, revision, state, reason FROM delivery ORDER BY period, revision, id")
        return [(str(row[0]), row[1], row[2], row[3]) for row in rows]

    async def rows(self, statement: str, **given: Any) -> list[Any]:
        async with self.database.connect() as connection:
            return list((await connection.execute(text(statement), given)).all())


@asynccontextmanager
async def running_deliveries(url: str, mail: SecretStr | None = None) -> AsyncIterator[Deliveries]:
    """On an empty schema of that URL."""
    database = engine(url, SCHEMA, pool_size=10)
    try:
        await migrate_database(database)
        async with webhook_client() as client:
            yield Deliveries(database, Webhooks(Targets(LOOPBACK), client), mail)
    finally:
        await database.dispose()


@dataclass(slots=True)
class MailServer:
    """An SMTP server on loopback (RFC 5321, as much as a client needs)."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    @property
    def url(self) -> SecretStr:
        """How Apprise is told of it."""
        return SecretStr(f"mailto://127.0.0.1:{self.port}?from=heed@example.nhs.uk")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            command = line.decode().strip()
            if command.upper().startswith("RCPT TO:"):
                self.recipients.append(command.partition("<")[2].partition(">")[0])
            if command.upper() == "DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.messages.append(message_from_bytes(content[:-5], policy=policy.default))
            writer.write(b"221 bye\r\n" if command.upper() == "QUIT" else b"250 ok\r\n")
            if command.upper() == "QUIT":
                break
        writer.close()


@asynccontextmanager
async def running_mail_server() -> AsyncIterator[MailServer]:
    """Listening on a free port."""
    mail = MailServer()
    server = await asyncio.start_server(mail.serve, "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mail


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with running_mail_server() as server:
        yield server


@pytest.fixture
async def deliveries(database_url: DatabaseUrl, mail: MailServer) -> AsyncIterator[Deliveries]:
    async with running_deliveries(await database_url("portal"), mail.url) as stage:
        yield stage


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path)
    made.start()
    yield made
    made.stop()
