"""Servers that come back where they were, so that a test may end one under its clients and start it again."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.servers.child import Command, Probe, running, running_on_free_ports


@asynccontextmanager
async def running_on_kept_ports(
    directory: Path, count: int, command: Callable[[Sequence[int]], Command], ready: Callable[[Sequence[int]], Probe]
) -> AsyncIterator[Sequence[int]]:
    """Run a command on ports chosen at the first start on this directory, and kept for the next; yields the ports."""
    kept = directory / "ports"
    if kept.exists():
        ports: Sequence[int] = [int(word) for word in kept.read_text().split()]
        async with running(command(ports), ready(ports)):
            yield ports
        return
    async with running_on_free_ports(count, command, ready) as ports:
        kept.write_text(" ".join(map(str, ports)))
        yield ports
