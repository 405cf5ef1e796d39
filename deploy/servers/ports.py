"""Ports on 127.0.0.1: choosing free ones, and asking whether a server answers at one."""

import asyncio
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from shared.errors import HeedError

# Below every usual ephemeral range, so that no outgoing connection takes a port between choosing and binding it.
_PORTS = range(15_000, 32_000)
_LISTENING = "0A"


def free_ports(count: int) -> list[int]:
    """Distinct ports that nothing on 127.0.0.1 held a moment ago."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if _is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise HeedError(f"no {count} free ports on 127.0.0.1 between {_PORTS.start} and {_PORTS.stop}: end what holds them")


def _is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def listens(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections at the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def http_ok(port: int, path: str) -> bool:
    """Whether a GET from 127.0.0.1 answers 200 within two seconds."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with closing(writer):
                writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
    except (OSError, TimeoutError):
        return False


def holds(process: int, port: int) -> bool:
    """Whether the process itself listens at the port; taken on trust where there is no /proc to ask."""
    if sys.platform != "linux":
        return True
    listening = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    with suppress(OSError):
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                if str(descriptor.readlink()) in listening:
                    return True
    return False


def _listening_sockets(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
