"""The trial stack: every service and the servers that they need, in one process, on loopback.

The services' own code runs here unchanged; only what they stand on differs. See decision 3 for what the embedded broker
cannot do and how that is made good: most of all, it forgets everything at the end, so whatever PostgreSQL knows to be
unfinished is published again at the start.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import uvicorn
from pydantic import SecretStr

from deploy.connection import StackFile, remove_stack_file, trial_settings, write_stack_file
from deploy.create_topics import create_topics
from deploy.provision import SERVICES, provision
from deploy.servers import Stage, embedded_stage
from services.analysis.app import running as running_analysis
from services.analysis.settings import AnalysisSettings
from services.gateway.app import running as running_gateway
from services.gateway.integrations import add_integration
from services.gateway.outbox import requeue_unfinished
from services.gateway.settings import GatewaySettings
from services.learning.app import LearningRunning
from services.learning.app import running as running_learning
from services.learning.catalogue import read as read_catalogue
from services.learning.settings import LearningSettings
from services.media.app import running as running_media
from services.media.settings import MediaSettings
from services.portal.app import PortalRunning
from services.portal.app import running as running_portal
from services.portal.settings import PortalSettings
from shared.database import engine
from shared.errors import HeedError, UsageError
from shared.objects import ObjectStore
from shared.publisher import running_publisher
from shared.service import Running, at_work
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from services.learning.catalogue import Catalogue
    from shared.publisher import Publisher

S = TypeVar("S", bound=ServiceSettings)

INTEGRATION = "trial"
"""The integration whose key the trial stack makes for itself."""

BUCKET = "heed-media"

SECRETS_FILE = "secrets.json"

UNHURRIED = 250
"""Milliseconds that a poll waits in services that no page waits for: what the embedded broker does to answer "nothing"
costs it, and us, milliseconds of computing."""

LAST_REQUESTS = 5
"""Seconds that requests in hand get to end in when the stack stops."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running trial stack.

    Attributes:
        gateway_url: where feedback is submitted.
        portal_url: where teams read their pages.
        key: bearer key of the integration `trial`.
        gateway: the service at work.
        analysis: and
        learning: likewise; so do the media service and the portal.
    """

    gateway_url: str
    portal_url: str
    key: str
    stage: Stage
    gateway_database_url: str
    learning_database_url: str
    media_database_url: str
    portal_database_url: str
    catalogue: Catalogue
    gateway: Running
    analysis: Running
    learning: LearningRunning
    media: Running
    portal: PortalRunning


@dataclass(frozen=True, slots=True)
class _Secrets:
    """Made once for a data directory and kept in it, readable by its owner only."""

    pseudonym_key: str
    gateway_key: str | None = None
    subscription_key: str = field(default_factory=lambda: secrets.token_hex(32))
    words_token: str = field(default_factory=lambda: secrets.token_hex(32))


@asynccontextmanager
async def running_stack(
    data_dir: Path, catalogue: Path, *, http_port: int = 0, portal_port: int = 0
) -> AsyncIterator[Stack]:
    """Start everything; on the way out, stop it in order and keep the data.

    Args:
        data_dir: holds the bucket, the database, logs and keys; made if missing.
        catalogue: the team catalogue.
        http_port: of the gateway, on 127.0.0.1; 0 takes a free one.
        portal_port: of the portal, likewise.

    Raises:
        UsageError: the catalogue is not valid, or the port is taken.
        ServerEnded: a server ended while the stack ran: the block is cancelled, and stopping takes some ten seconds.
        HeedError: a server does not start, or another process uses the directory.
    """
    teams, catalogue = read_catalogue(catalogue), _absolute(catalogue)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_bound(http_port, "--port"))
        portal_listener = stack.enter_context(_bound(portal_port, "--portal-port"))
        stage = await stack.enter_async_context(embedded_stage(data_dir))
        await stack.enter_async_context(stage.watch.guarding())
        urls = await provision(stage.database.url, SERVICES)
        on_stage = trial_settings(ServiceSettings, stage.broker.bootstrap)
        await create_topics(on_stage, ["unrouted", *(team.id for team in teams.teams)])
        bucket = stage.bucket
        await ObjectStore(bucket.endpoint, bucket.access_key, bucket.secret_key, BUCKET).ensure()
        kept = _secrets(data_dir)
        publisher = await stack.enter_async_context(stage.watch.leaving(running_publisher(on_stage, "heed-trial")))
        pipeline = _Pipeline(stage, publisher, urls, kept, catalogue)
        portal = await pipeline.start_portal(stack, _address(portal_listener), _address(listener))
        learning, analysis, media, gateway = await pipeline.start(stack)
        key = await _bring_up_to_date(urls["gateway"], learning, data_dir, kept)
        await portal.outbox.publish_again()
        url = await stack.enter_async_context(stage.watch.leaving(_serving(gateway, listener)))
        portal_url = await stack.enter_async_context(stage.watch.leaving(_serving(portal, portal_listener)))
        told = StackFile(
            gateway_url=url,
            kafka_bootstrap=stage.broker.bootstrap,
            gateway_database_url=urls["gateway"],
            learning_database_url=urls["learning"],
            media_database_url=urls["media"],
            portal_database_url=urls["portal"],
            portal_url=portal_url,
            gateway_key=key,
            catalogue=str(catalogue),
            pid=os.getpid(),
        )
        write_stack_file(data_dir, told)
        stack.callback(remove_stack_file, data_dir)
        yield Stack(
            gateway_url=url,
            portal_url=portal_url,
            key=key,
            stage=stage,
            gateway_database_url=urls["gateway"],
            learning_database_url=urls["learning"],
            media_database_url=urls["media"],
            portal_database_url=urls["portal"],
            catalogue=teams,
            gateway=gateway,
            analysis=analysis,
            learning=learning,
            media=media,
            portal=portal,
        )


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """The services, and what they are started with."""

    stage: Stage
    publisher: Publisher
    urls: dict[str, str]
    kept: _Secrets
    catalogue: Path

    async def start(self, stack: AsyncExitStack) -> tuple[LearningRunning, Running, Running, Running]:
        """Readers before writers, so that nothing waits longer than it must."""
        learning = self._settings(
            LearningSettings, database_url=SecretStr(self.urls["learning"]), catalogue=self.catalogue
        )
        analysis = self._settings(AnalysisSettings, allow_list_file=self.catalogue)
        media = self._settings(
            MediaSettings,
            database_url=SecretStr(self.urls["media"]),
            batch_timeout_ms=UNHURRIED,
            **self._bucket(),
        )
        gateway = self._settings(
            GatewaySettings,
            batch_timeout_ms=UNHURRIED,
            database_url=SecretStr(self.urls["gateway"]),
            pseudonym_key=SecretStr(self.kept.pseudonym_key),
            urgent_words_token=SecretStr(self.kept.words_token),
            **self._bucket(),
        )
        entered, leaving = stack.enter_async_context, self.stage.watch.leaving
        reading = await entered(leaving(at_work(running_learning, learning, self.publisher)))
        assert isinstance(reading, LearningRunning)
        return (
            reading,
            await entered(leaving(at_work(running_analysis, analysis, self.publisher))),
            await entered(leaving(at_work(running_media, media, self.publisher))),
            await entered(leaving(at_work(running_gateway, gateway, self.publisher))),
        )

    async def start_portal(self, stack: AsyncExitStack, url: str, gateway_url: str) -> PortalRunning:
        """The last reader of all, and so the first to start; the gateway it asks only when a patient does."""
        settings = self._settings(
            PortalSettings,
            batch_timeout_ms=UNHURRIED,
            database_url=SecretStr(self.urls["portal"]),
            catalogue=self.catalogue,
            portal_url=url,
            gateway_url=gateway_url,
            portal_subscription_key=SecretStr(self.kept.subscription_key),
            portal_private_targets="127.0.0.0/8",  # everything of the trial is on loopback: what it tells, too
            urgent_words_token=SecretStr(self.kept.words_token),
            **self._bucket(),
        )
        service = await stack.enter_async_context(
            self.stage.watch.leaving(at_work(running_portal, settings, self.publisher))
        )
        assert isinstance(service, PortalRunning)
        return service

    def _bucket(self) -> dict[str, object]:
        bucket = self.stage.bucket
        return {
            "s3_endpoint": bucket.endpoint,
            "s3_access_key": bucket.access_key,
            "s3_secret_key": SecretStr(bucket.secret_key),
            "s3_bucket": BUCKET,
        }

    def _settings(self, model: type[S], **given: object) -> S:
        return trial_settings(model, self.stage.broker.bootstrap, **given)


def _absolute(path: Path) -> Path:
    """Other commands read it from wherever they are started."""
    return path.expanduser().resolve()


async def _bring_up_to_date(url: str, learning: LearningRunning, data_dir: Path, kept: _Secrets) -> str:
    """Publish again what the broker has forgotten; return the trial integration's key."""
    gateway = engine(url, "gateway")
    try:
        finished = await learning.readings.finished()
        await requeue_unfinished(gateway, list(finished.items()))
        await learning.pages.republish_all()
        await learning.digests.republish_all()
        if kept.gateway_key is not None:
            return kept.gateway_key
        key = await add_integration(gateway, INTEGRATION, (), datetime.now(UTC))
        _keep(data_dir, replace(kept, gateway_key=key))
        return key
    finally:
        await gateway.dispose()


def _secrets(data_dir: Path) -> _Secrets:
    """The directory's own, made at its first start.

    Raises:
        HeedError: the file is damaged. A new pseudonym key would make every submission look new.
    """
    path = data_dir / SECRETS_FILE
    try:
        kept = _Secrets(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        kept = _Secrets(secrets.token_hex(32))
    except (ValueError, TypeError):
        raise HeedError(f"{path} is damaged; bring it back from a backup, or start with a new --data-dir") from None
    _keep(data_dir, kept)  # an older version's file has not got all of them
    return kept


def _keep(data_dir: Path, kept: _Secrets) -> None:
    temporary = data_dir / f".{SECRETS_FILE}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(kept), file)
    temporary.replace(data_dir / SECRETS_FILE)


class _Server(uvicorn.Server):
    """Leaves Ctrl-C to the command that runs the stack, and says when it takes requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _bound(port: int, option: str = "--port") -> Iterator[socket.socket]:
    """A socket that has the port, which is told at once to be taken if it is."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            raise UsageError(f"port {port} on 127.0.0.1 is taken; choose another with {option}") from None
        yield listener


def _address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def _serving(service: Running, listener: socket.socket) -> AsyncIterator[str]:
    """Serve on the bound socket until the block ends; yields the URL.

    Raises:
        HeedError: it ended before it took requests.
    """
    assert service.app is not None
    config = uvicorn.Config(
        service.app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=LAST_REQUESTS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    url = _address(listener)
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not server.ready.is_set():
            error = serving.exception()
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise HeedError(f"the stack cannot take requests at {url}: {why}; choose another port with --port")
        yield url
    finally:
        ready.cancel()
        server.should_exit = True
        await asyncio.wait({serving})
