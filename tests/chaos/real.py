"""The real stage: every service as its own process, on Apache Kafka, MinIO and PostgreSQL.

A member that ends by itself is started again, as an orchestrator would.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from pydantic import SecretStr
from sqlalchemy import make_url

from deploy.create_topics import create_topics
from deploy.provision import provision
from deploy.sample.feedback import CATALOGUE
from deploy.servers.child import Command, running
from deploy.servers.ports import free_ports, http_ok
from services.gateway.app import migrate_database, open_database
from services.gateway.integrations import add_integration
from services.gateway.settings import GatewaySettings
from services.learning.catalogue import read as read_catalogue
from shared.repeating import background
from shared.settings import ServiceSettings
from tests.chaos.flow import Flow
from tests.chaos.house import Access, Failing, comes_true
from tests.chaos.plan import ONCE, Kind
from tests.chaos.progress import say
from tests.chaos.servers import OBJECT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from deploy.servers.watch import Watch
    from tests.chaos.ledger import Ledger
    from tests.chaos.plan import Fault, Targets
    from tests.chaos.servers import Servers

STATEFUL = ("gateway", "learning", "media", "portal")

MEMBERS = {
    "gateway": "gateway",
    "analysis-1": "analysis",
    "analysis-2": "analysis",
    "learning": "learning",
    "media": "media",
    "portal": "portal",
}
"""Services by member."""

TARGETS: Targets = {
    **dict.fromkeys(MEMBERS, (*ONCE, Kind.OUTLAST)),
    **dict.fromkeys(("broker", "postgresql", "bucket"), ONCE),
}

INTEGRATION = "chaos"
PSEUDONYM_KEY = "for tests only, and long enough for a key"

PASSWORD = "for tests only"

STOP_LIMIT = 30.0
"""Seconds from SIGTERM to the end of a member."""

_ROOT = Path(__file__).parents[2]


def as_they_are(service: str) -> Sequence[str]:
    """What runs a service: its own `__main__`."""
    return ["-m", f"services.{service}"]


class RealHouse:
    """One installation on the servers, under a prefix and with a database of its own.

    Args:
        environment: of every member, by service.
        ports: of every member's HTTP side.
        launch: arguments of the interpreter that run a service.
    """

    name = "real"
    targets = TARGETS

    def __init__(
        self,
        *,
        servers: Servers,
        prefix: str,
        url: str,
        environment: Mapping[str, Mapping[str, str]],
        key: str,
        launch: Callable[[str], Sequence[str]],
    ) -> None:
        self._servers = servers
        self._prefix = prefix
        self._url = url
        self._environment = environment
        self._key = key
        self._launch = launch
        self._ports = dict(zip(MEMBERS, free_ports(len(MEMBERS)), strict=True))
        self._logs = servers.directory / f"{prefix}logs"
        self.members = {member: Failing(member, self._starting(member)) for member in MEMBERS}
        self._down: set[str] = set()

    @property
    def gateway(self) -> tuple[str, str, str]:
        """See `House`."""
        return f"http://127.0.0.1:{self._ports['gateway']}", self._key, INTEGRATION

    def access(self) -> Access:
        """See `House`."""
        files = list(self._servers.directory.glob("*/*.log"))
        plain = make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        return Access(plain, PASSWORD, self._servers.broker.bootstrap, self._prefix, embedded=False, logs=files)

    async def strike(self, fault: Fault) -> None:
        """See `House`."""
        server = self._servers.failing.get(fault.target)
        target = server or self.members[fault.target]
        self._down.add(fault.target)
        try:
            await target.strike(fault.kind, fault.lasts)
        finally:
            self._down.discard(fault.target)

    async def recovered(self, ledger: Ledger, patience: float) -> bool:
        """Every member says it is ready, the bucket answers, and nothing waits anywhere."""
        flow = Flow(self.access())

        async def is_over() -> bool:
            return await self._ready() and await flow.is_over()

        if await comes_true(is_over, patience):
            return True
        say(f"not recovered after {patience:.0f} s: {await self._why(flow)}")
        return False

    async def _ready(self) -> bool:
        answers = await asyncio.gather(*(http_ok(port, "/health/ready") for port in self._ports.values()))
        return all(answers) and await self._servers.bucket_is_whole()

    async def _why(self, flow: Flow) -> str:
        silent = [name for name, port in self._ports.items() if not await http_ok(port, "/health/ready")]
        return f"not ready: {', '.join(silent) or 'none'}; waiting: {flow.waiting}"

    def _starting(self, member: str) -> Callable[[Watch], AbstractAsyncContextManager[int]]:
        service = MEMBERS[member]

        def start(watch: Watch) -> AbstractAsyncContextManager[int]:
            command = Command(
                name=member,
                argv=[sys.executable, *self._launch(service)],
                log=self._logs / f"{member}.log",
                cwd=_ROOT,
                env={**self._environment[service], "HEED_HTTP_PORT": str(self._ports[member])},
                stop=[(signal.SIGTERM, STOP_LIMIT)],
            )
            return running(command, _at_once, watch=watch)

        return start

    async def supervise(self) -> None:
        """Start again what ended by itself."""
        while True:
            for name, member in self.members.items():
                if name not in self._down and (ended := member.watch.ended()):
                    say(f"{name} ended by itself: {ended.what}")
                    await member.stopped()
                    await member.started()
            await asyncio.sleep(0.2)


async def _at_once() -> bool:
    return True


@asynccontextmanager
async def real_house(
    servers: Servers, prefix: str, launch: Callable[[str], Sequence[str]] = as_they_are
) -> AsyncIterator[RealHouse]:
    """Start every member on the servers; on the way out, stop them."""
    (servers.directory / f"{prefix}logs").mkdir()
    name = prefix.replace("-", "_") + "heed"
    admin = make_url(servers.database.url)
    connection = await asyncpg.connect(admin.set(drivername="postgresql").render_as_string(hide_password=False))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = admin.set(database=name).render_as_string(hide_password=False)
    urls = await provision(url, STATEFUL, dict.fromkeys(STATEFUL, PASSWORD))
    settings = ServiceSettings(kafka_bootstrap=servers.broker.bootstrap, kafka_prefix=prefix)
    await create_topics(settings, read_catalogue(CATALOGUE).team_ids)
    environment = _environment(servers, prefix, urls)
    house = RealHouse(
        servers=servers,
        prefix=prefix,
        url=url,
        environment=environment,
        key=await _key(urls["gateway"]),
        launch=launch,
    )
    for member in house.members.values():
        await member.started()
    try:
        async with background(house.supervise, "chaos-supervisor"):
            yield house
    finally:
        await asyncio.gather(*(member.stopped() for member in house.members.values()))


def _environment(servers: Servers, prefix: str, urls: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Small batches and short pauses: more moments to be struck in, and less time to wait for."""
    common = {
        "HEED_KAFKA_BOOTSTRAP": servers.broker.bootstrap,
        "HEED_KAFKA_PREFIX": prefix,
        "HEED_BATCH_RECORDS": "16",
        "HEED_BACKOFF_MAX": "2",
        "HEED_LOG_LEVEL": "DEBUG",
    }
    return {
        "gateway": {
            **common,
            "HEED_DATABASE_URL": urls["gateway"],
            "HEED_PSEUDONYM_KEY": PSEUDONYM_KEY,
            "HEED_RELAY_BATCH": "20",
        },
        "analysis": {**common, "HEED_ANALYSIS_THREADS": "1", "HEED_ALLOW_LIST_FILE": str(CATALOGUE)},
        "learning": {
            **common,
            "HEED_DATABASE_URL": urls["learning"],
            "HEED_CATALOGUE": str(CATALOGUE),
            "HEED_SUMMARY_QUIET": "0.5",
            "HEED_SUMMARY_MAX_DELAY": "5",
        },
        "media": {
            **common,
            "HEED_DATABASE_URL": urls["media"],
            "HEED_S3_ENDPOINT": servers.bucket.endpoint,
            "HEED_S3_ACCESS_KEY": servers.bucket.access_key,
            "HEED_S3_SECRET_KEY": servers.bucket.secret_key,
            "HEED_S3_BUCKET": OBJECT,
        },
        "portal": {**common, "HEED_DATABASE_URL": urls["portal"], "HEED_CATALOGUE": str(CATALOGUE)},
    }


async def _key(url: str) -> str:
    settings = GatewaySettings(database_url=SecretStr(url), pseudonym_key=SecretStr(PSEUDONYM_KEY))
    database = open_database(settings)
    try:
        await migrate_database(database)
        return await add_integration(database, INTEGRATION, (), datetime.now(UTC))
    finally:
        await database.dispose()
