"""A server as a child process: started, waited for, stopped, and never left behind."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pwd import struct_passwd

from deploy.servers.ports import free_ports, holds
from deploy.servers.watch import ServerEnded, Watch
from shared.errors import HeedError

Probe = Callable[[], Awaitable[bool]]

_ATTEMPTS = 5
_CLASH = re.compile(r"addr(ess)?\s*(already\s*)?in\s*use|port \d+ .*not available", re.IGNORECASE)
_TELLING = re.compile(r"error|fatal|panic|cannot|failed|exception|not available", re.IGNORECASE)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class PortClash(HeedError):  # noqa: N818 - an event, met by choosing again
    """Another process took a chosen port first: choose again."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. The environment is made anew, so that no stray variable of the caller's configures a server.

    It counts as ready only once it holds `port` itself: another process may have been quicker to take it.
    Of its log, only what matches `quotable` is repeated when it ends later: that can hold no patient's words.
    """

    name: str
    argv: Sequence[str | Path]
    log: Path
    cwd: Path
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    user: struct_passwd | None = None
    locks: Sequence[int] = ()
    stop: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),)
    orphaned: signal.Signals = signal.SIGKILL
    quotable: re.Pattern[str] | None = None


@asynccontextmanager
async def running(
    command: Command, ready: Probe, patience: float = 60.0, watch: Watch | None = None
) -> AsyncIterator[int]:
    """Run the command from when it is ready until the block ends; yields its process id.

    `watch` notices if it ends before.

    On Linux the child also ends when this process dies, even by SIGKILL. Strictly, when the *thread* that entered
    ends: enter on the thread that lives as long as the servers shall.

    Raises:
        PortClash: it ended because a port was taken.
        HeedError: it ended, or was not ready in time; the line names its log.
    """
    start = command.log.stat().st_size if command.log.exists() else 0
    process = _started(command)
    try:
        deadline = asyncio.get_running_loop().time() + patience
        while not (await ready() and (command.port is None or holds(process.pid, command.port))):
            if process.poll() is not None:
                raise _failure(command, start, process.returncode)
            if asyncio.get_running_loop().time() > deadline:
                raise HeedError(f"{command.name} was not ready within {patience:.0f} s: see {command.log}")
            await asyncio.sleep(0.02)
        with (watch or Watch()).over(lambda: _end(command, start, process)):
            yield process.pid
    finally:
        await _stopped(process, command.stop)


@asynccontextmanager
async def running_on_free_ports(
    count: int,
    command: Callable[[Sequence[int]], Command],
    ready: Callable[[Sequence[int]], Probe],
    watch: Watch | None = None,
) -> AsyncIterator[Sequence[int]]:
    """Run a command on ports chosen here, choosing again where another process was quicker; yields the ports."""
    async with AsyncExitStack() as stack:
        for attempt in range(1, _ATTEMPTS + 1):
            ports = free_ports(count)
            try:
                await stack.enter_async_context(running(command(ports), ready(ports), watch=watch))
                break
            except PortClash:
                if attempt == _ATTEMPTS:
                    raise
        yield ports


async def completed(command: Command, patience: float = 120.0) -> None:
    """Run a command that ends by itself, such as initdb; a failure is one line that names its log."""
    start = command.log.stat().st_size if command.log.exists() else 0
    process = _started(command)
    try:
        await asyncio.to_thread(process.wait, patience)
    except subprocess.TimeoutExpired:
        raise HeedError(f"{command.name} had not ended after {patience:.0f} s: see {command.log}") from None
    finally:
        await _stopped(process, command.stop)
    if process.returncode != 0:
        raise _failure(command, start, process.returncode)


def _started(command: Command) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def end_with_parent() -> None:
        if _LIBC is None:
            return
        armed = _LIBC.prctl(_PR_SET_PDEATHSIG, int(command.orphaned)) == 0
        if not armed or os.getppid() != parent:
            os._exit(127)

    account = command.user
    with command.log.open("ab") as log:
        try:
            return subprocess.Popen(  # noqa: S603 - our own argument lists, no shell
                [str(part) for part in command.argv],
                cwd=command.cwd,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **command.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=command.locks,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                # Its own session: Ctrl-C reaches the services first, and they still have their servers to finish with.
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - two system calls; it must run after the change of user
            )
        except OSError as error:
            raise HeedError(f"{command.name} cannot start: {command.argv[0]}: {error.strerror}") from None


async def _stopped(process: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    try:
        for number, seconds in signals:
            if process.poll() is not None:
                return
            process.send_signal(number)
            try:
                await asyncio.to_thread(process.wait, seconds)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _failure(command: Command, start: int, status: int) -> HeedError:
    with command.log.open("rb") as log:
        log.seek(start)
        said = [line.strip() for line in log.read(65_536).decode(errors="replace").splitlines() if line.strip()]
    text = next((line for line in said if _TELLING.search(line)), said[-1] if said else "it said nothing")
    kind = PortClash if any(_CLASH.search(line) for line in said) else HeedError
    return kind(f"{command.name} ended at once ({_told(status)}): {text[:200]}: see {command.log}")


def _end(command: Command, start: int, process: subprocess.Popen[bytes]) -> ServerEnded | None:
    """Whether the process, which should be running, has ended, and how."""
    status = process.poll()
    if status is None:
        return None
    said: list[str] = []
    if command.quotable is not None:
        with command.log.open("rb") as log:
            log.seek(max(start, log.seek(0, os.SEEK_END) - 65_536))
            said = command.quotable.findall(log.read().decode(errors="replace"))
    text = f": {said[-1].strip()[:200]}" if said else ""
    return ServerEnded(f"{command.name} ended ({_told(status)}){text}", command.log)


def _told(status: int) -> str:
    return f"status {status}" if status >= 0 else signal.Signals(-status).name
