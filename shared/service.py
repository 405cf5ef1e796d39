"""Starts a service from its environment and serves its HTTP side: one `__main__` for the whole house."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
import uvloop

from shared import telemetry
from shared.errors import HeedError, TransientFault, UsageError
from shared.member import consuming
from shared.publisher import running_publisher
from shared.repeating import background
from shared.settings import ServiceSettings, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence

    from shared.consumer import BatchConsumer
    from shared.member import GroupMember
    from shared.publisher import Publisher

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)

AWAY_LIMIT = 30.0
"""Seconds of one transient fault after which a service calls itself not ready."""

COLLECT_AFTER = 10_000
"""New objects after which Python looks for cycles among them, instead of 700.

Events are read and written as many small objects without cycles. Looking through them took a fifth of all CPU time.
"""

START_LIMIT = 60.0
"""Seconds that a starting service waits for its broker and its database."""


@dataclass(slots=True)
class Running:
    """A service at work.

    Attributes:
        consumers: what it reads.
        checks: what must hold for it to be ready, beside its consumers.
        app: its HTTP side, if it has one of its own.
        works_without_kafka: it starts and goes on while no broker answers, and is no less ready by that alone; a check
            of its own tells.
        warnings: what a person should see to although the service does its work: one line each, without any words.
    """

    consumers: Sequence[BatchConsumer[Any]] = ()
    checks: Mapping[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
    app: AsgiApp | None = None
    works_without_kafka: bool = False
    warnings: Callable[[], Awaitable[list[str]]] | None = None
    loop: GroupMember | None = None

    async def readiness(self) -> dict[str, bool]:
        """Each check by name."""
        results = {name: await check() for name, check in self.checks.items()}
        if self.loop is not None:
            results |= await self.loop.checks()
            if self.works_without_kafka:
                del results["broker"]
        for consumer in self.consumers:
            away = consumer.away_since
            waiting = away is not None and time.monotonic() - away > AWAY_LIMIT
            results[f"reads {consumer.topic.name}"] = not consumer.halted and not waiting
        return results


class HealthApp:
    """`/health/live`: the process answers. `/health/ready`: it also gets its work done."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/health/live":
            await _answer(send, 200, {"status": "ok"})
        elif scope["path"] == "/health/ready":
            checks = await self._running.readiness()
            ready = all(checks.values())
            answer: dict[str, object] = {"status": "ok" if ready else "not ready", "checks": checks}
            if self._running.warnings is not None:
                answer["warnings"] = await self._running.warnings()
            await _answer(send, 200 if ready else 503, answer)
        else:
            await _answer(send, 404, {"status": "no such page"})


async def _answer(send: Send, status: int, body: dict[str, object]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@asynccontextmanager
async def at_work(
    running: Callable[[S, Publisher], AbstractAsyncContextManager[Running]], settings: S, publisher: Publisher
) -> AsyncIterator[Running]:
    """Start a service and its consumer loop.

    Raises:
        TransientFault: the broker or the database does not answer.
    """
    async with running(settings, publisher) as service:
        if not service.consumers:
            yield service
            return
        async with AsyncExitStack() as stack:
            stack.enter_context(seldom_collecting())
            try:
                service.loop = await stack.enter_async_context(consuming(service.consumers, settings))
            except TransientFault:
                if not service.works_without_kafka:
                    raise
                await stack.enter_async_context(background(lambda: _read_later(service, settings), "kafka-group"))
            yield service


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for unreachable cycles seldom, and never among what is there already: modules, settings, the model."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _read_later(service: Running, settings: ServiceSettings) -> None:
    """Join the group once a broker answers, and read until cancelled."""
    while True:
        try:
            async with consuming(service.consumers, settings) as service.loop:
                await asyncio.Event().wait()
        except HeedError as fault:
            log.warning("reading waits: %s", fault)
            await asyncio.sleep(settings.backoff_max)


async def _serve(
    name: str, settings: S, running: Callable[[S, Publisher], AbstractAsyncContextManager[Running]]
) -> None:
    async with (
        running_publisher(settings, f"heed-{name}", patient=True) as publisher,
        at_work(running, settings, publisher) as service,
    ):
        config = uvicorn.Config(
            service.app or HealthApp(service),
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        await _Server(config).serve()


class _Server(uvicorn.Server):
    """Returns after SIGTERM or SIGINT; uvicorn's own sends itself the signal again, which ends the process there."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        _on_stop(lambda: self.handle_exit(signal.SIGTERM, None))
        yield


def _on_stop(then: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, then)


async def _serve_when_possible(
    name: str, settings: S, running: Callable[[S, Publisher], AbstractAsyncContextManager[Running]]
) -> None:
    """Wait for broker and database while they start too; after that, their absence is an error."""
    task = asyncio.current_task()
    assert task is not None
    deadline = time.monotonic() + START_LIMIT
    while True:
        _on_stop(task.cancel)  # until the HTTP side is there to be told
        try:
            return await _serve(name, settings, running)
        except TransientFault:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(1)


def run(name: str, settings: type[S], running: Callable[[S, Publisher], AbstractAsyncContextManager[Running]]) -> None:
    """Run a service until SIGTERM or SIGINT, and then end it in order: the batch in hand is finished or given back.

    The process exits with 2 for wrong settings and 1 for a failure, one line each.
    """
    try:
        loaded = load(settings)
        telemetry.configure_logging(loaded.log_level)
        telemetry.configure(name, loaded.otlp_endpoint)
        with suppress(asyncio.CancelledError):
            uvloop.run(_serve_when_possible(name, loaded, running))
    except UsageError as error:
        sys.exit(_told(name, error, 2))
    except HeedError as error:
        sys.exit(_told(name, error, 1))


def _told(name: str, error: HeedError, code: int) -> int:
    sys.stderr.write(f"heed {name}: {error}\n")
    return code
