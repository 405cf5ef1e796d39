"""PostgreSQL as the distribution packages it, with a password on a TCP port."""

import os
import pwd
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from deploy.servers.account import account_for, owned
from deploy.servers.child import Command, Probe, completed
from deploy.servers.endpoints import Database
from tests.servers.reopened import running_on_kept_ports

_DEBIAN = Path("/usr/lib/postgresql")
# Tests need no data after a power cut; what they promise of SIGKILL holds without fsync. It does not hold without
# synchronous commits: the server would answer before the log has left its own memory.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
}


def missing() -> list[str]:
    """What is needed and not installed."""
    return [] if _programs() else ["postgresql (apt-get install postgresql)"]


def _programs() -> Path | None:
    found = shutil.which("postgres")
    packaged = [path.parent for path in _DEBIAN.glob("*/bin/postgres")]
    newest = max(packaged, key=lambda path: int(path.parent.name), default=None)
    return newest or (Path(found).resolve().parent if found else None)


@asynccontextmanager
async def running_postgresql(directory: Path) -> AsyncIterator[Database]:
    """Run the server until the block ends; entering again on the same directory finds the data at the same address.

    As root the server runs as another account: the folders above must let it through (Debian 12's PostgreSQL 15
    goes back to its working directory by name, so that the embedded one's way round closed folders fails).
    """
    programs = _programs()
    assert programs is not None, missing()
    data, secret = directory / "data", directory / "password"
    account = account_for(data)
    if not data.exists():
        await _initialised(programs, directory, account)
    password = secret.read_text()

    def command(ports: Sequence[int]) -> Command:
        argv: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(ports[0])]
        for name, value in _SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        stop = [(signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0)]
        log = directory / "postgresql.log"
        return Command("PostgreSQL", argv, log, data, ports[0], user=account, stop=stop, orphaned=signal.SIGQUIT)

    def ready(ports: Sequence[int]) -> Probe:
        return lambda: _answers(ports[0], password)

    async with running_on_kept_ports(directory, 1, command, ready) as ports:
        yield Database(f"postgresql+asyncpg://postgres:{password}@127.0.0.1:{ports[0]}/postgres")


async def _initialised(programs: Path, directory: Path, account: pwd.struct_passwd | None) -> None:
    draft, secret = directory / "data.new", directory / "password"
    draft.mkdir(mode=0o700)
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(24))
    # initdb runs as the account: it reads the password through a descriptor, not from a folder it may not enter.
    descriptor = os.open(secret, os.O_RDONLY)
    try:
        for path in (draft, secret):
            owned(path, account)
        argv: list[str | Path] = [programs / "initdb", "-D", draft, "--username=postgres"]
        argv += ["--auth=scram-sha-256", f"--pwfile=/dev/fd/{descriptor}", "--encoding=UTF8", "--locale=C.UTF-8"]
        argv += ["--no-instructions", "--no-sync"]
        await completed(Command("initdb", argv, directory / "postgresql.log", draft, user=account, locks=[descriptor]))
    finally:
        os.close(descriptor)
    draft.rename(directory / "data")


async def _answers(port: int, password: str) -> bool:
    try:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=port, user="postgres", password=password, database="postgres", timeout=5
        )
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True
