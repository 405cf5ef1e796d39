"""One server's place in a data directory, held by one process at a time."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import HeedError

_SECONDS_FOR_ORPHANS = 10.0
_SECONDS_FOR_A_HOLDER = 1.0
_LONGEST_TEMPORARY_DIRECTORY = 60  # a Unix socket's whole path may have 103 bytes on macOS, 107 on Linux


@dataclass(frozen=True, slots=True)
class Place:
    """A claimed directory, the log beside it, and the lock that the server's child shares."""

    directory: Path
    log: Path
    lock: int


@asynccontextmanager
async def claimed(data_dir: Path, name: str) -> AsyncIterator[Place]:
    """Make `data_dir/name` and hold it against every other process, or say in one line who has it.

    Children inherit the lock, so it is free only when the last of them has ended, whatever killed their parent.
    """
    place = _opened(data_dir, name)
    try:
        await _take(place.lock, place.directory)
        yield place
    finally:
        os.close(place.lock)


def _opened(data_dir: Path, name: str) -> Place:
    directory = data_dir.expanduser().absolute() / name
    log = directory.parent / "logs" / f"{name}.log"
    try:
        for path in (directory.parent, log.parent, directory):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"cannot use {directory}: {error.strerror}: name a directory that you may write as --data-dir"
        raise HeedError(message) from None
    return Place(directory, log, lock)


@contextmanager
def short_directory(place: Place) -> Iterator[Path]:
    """Make a temporary directory for Unix sockets, its path short however long the data directory's is.

    One that a killed run left behind is removed first.
    """
    record = place.directory / "sockets"
    if record.exists():
        shutil.rmtree(record.read_text(), ignore_errors=True)
    parent = tempfile.gettempdir()
    if len(parent) > _LONGEST_TEMPORARY_DIRECTORY:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes it safe
    directory = Path(tempfile.mkdtemp(prefix="heed-", dir=parent))
    record.write_text(str(directory))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _take(lock: int, directory: Path) -> None:
    begun = asyncio.get_running_loop().time()
    while not _taken(lock):
        holder = _holder(lock)
        orphaned = holder is not None and not _alive(holder)
        patience = _SECONDS_FOR_ORPHANS if orphaned else _SECONDS_FOR_A_HOLDER
        if asyncio.get_running_loop().time() > begun + patience:
            who = "by servers left over from an earlier run" if orphaned else f"by process {holder or 'unknown'}"
            raise HeedError(f"{directory} is in use {who}: end it first, or name another directory as --data-dir")
        await asyncio.sleep(0.02)
    os.truncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> int | None:
    text = os.pread(lock, 20, 0)
    return int(text) if text.isdigit() else None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
