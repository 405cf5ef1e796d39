"""MinIO, built from its Go module: the last community source, of February 2026."""

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.servers.child import Command, Probe
from deploy.servers.endpoints import Bucket
from shared.errors import HeedError, TransientFault
from shared.objects import ObjectStore
from tests.servers.cache import cached
from tests.servers.reopened import running_on_kept_ports

_MODULE = "github.com/minio/minio"
_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"


def missing() -> list[str]:
    """The command that is needed to build MinIO and not installed."""
    return [] if shutil.which("go") else ["go"]


def prepared() -> Path:
    """The server's executable, built once (some two minutes on two cores)."""
    return cached(f"minio-{_VERSION.rpartition('-')[2]}", _build) / "minio"


def _build(draft: Path) -> None:
    # Without inlining and without C: a third less to compile, and fast enough for tests.
    argv = ["go", "install", "-trimpath", "-ldflags=-s -w", "-gcflags=all=-l", f"{_MODULE}@{_VERSION}"]
    # Elsewhere than in this repository, so that no go.mod or workspace of a folder above has a say.
    done = subprocess.run(
        argv,
        cwd=draft,
        env={**os.environ, "GOBIN": str(draft), "GOWORK": "off", "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HeedError(f"go could not build {_MODULE}@{_VERSION}: {done.stderr.strip()[-300:]}")


@asynccontextmanager
async def running_minio(directory: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Bucket]:
    """Run the server until the block ends; `settings` are more MINIO_… variables, for example notifications.

    Entering it again on the same directory finds its objects, under the same address and keys.
    """
    program = await asyncio.to_thread(prepared)
    user, password = _keys(directory / "keys")
    environment = {
        "MINIO_ROOT_USER": user,
        "MINIO_ROOT_PASSWORD": password,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": str(directory),
        **(settings or {}),
    }

    def command(ports: Sequence[int]) -> Command:
        argv: list[str | Path] = [program, "server", "--quiet", "--address", f"127.0.0.1:{ports[0]}"]
        argv += ["--console-address", f"127.0.0.1:{ports[1]}", directory / "objects"]
        return Command("MinIO", argv, directory / "minio.log", directory, ports[0], environment)

    def ready(ports: Sequence[int]) -> Probe:
        store = ObjectStore(f"http://127.0.0.1:{ports[0]}", user, password, "none")
        return lambda: _answers(store)

    async with running_on_kept_ports(directory, 2, command, ready) as ports:
        yield Bucket(f"http://127.0.0.1:{ports[0]}", user, password)


async def _answers(store: ObjectStore) -> bool:
    """Whether a signed request is answered: `/minio/health/ready` says yes while such a one still gets a 503."""
    try:
        await store.stat("nothing")
    except TransientFault:
        return False
    return True


def _keys(kept: Path) -> tuple[str, str]:
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(f"{secrets.token_hex(8)} {secrets.token_urlsafe(24)}")
    user, password = kept.read_text().split()
    return user, password
