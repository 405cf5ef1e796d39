"""A recording of half a gigabyte from its sender to clean files: gateway and media service, each a process of its own.

What matters is their memory: the gateway never has a byte of the file, the media service a piece at a time. An item is
a megabyte; the gateway's row goes from the declaration to the answer that it is complete, with the sender's upload to
the bucket in between, and the media service's from there until the receipt says `accepted`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import tempfile
import time
import wave
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from deploy.connection import trial_settings
from deploy.create_topics import create_topics
from deploy.provision import provision
from deploy.servers import embedded_stage
from deploy.servers.ports import free_ports
from services.gateway.integrations import add_integration
from shared.database import engine
from shared.healthcheck import trouble
from shared.objects import ObjectStore
from shared.settings import ServiceSettings
from tests.bench.machine import PROC
from tests.bench.measurement import Measurement, Report
from tests.processes import children
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from deploy.servers import Stage
    from tests.bench.plan import Plan

ROUNDS = 2
MEGABYTE = 1_000_000
BUCKET = "heed-media"
SAMPLES_A_SECOND, BYTES_A_SAMPLE = 192_000, 4
"""Of sound in two channels of 16 bits: half a gigabyte is eleven minutes."""

LIMIT = 300.0
"""Seconds for one upload, and for one check."""


@dataclass(slots=True)
class Service:
    """A service's process, and the most memory that was seen of those it started."""

    process: int
    children_mb: float = 0.0

    def look(self) -> None:
        """See to the processes that it has now."""
        found = [_status(child, "VmHWM") for child in children(self.process).values()]
        self.children_mb = max([self.children_mb, *found])

    def peak_mb(self) -> float:
        """Largest resident memory of its own so far, in 10^6 bytes."""
        return _status(self.process, "VmHWM")

    def cpu_seconds(self) -> float:
        """Of the process, and of those it started and has seen the end of."""
        fields = (PROC / str(self.process) / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Row:
    """What one service's row is made of."""

    rates: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def measured(self, name: str, service: Service, megabytes: int) -> Measurement:
        """The row."""
        done = megabytes * len(self.rates)
        return Measurement(name, tuple(self.rates), cpu_ms=self.cpu * 1000 / done, peak_mb=service.peak_mb())


def measure(plan: Plan) -> Report:
    """Upload and check as often as `ROUNDS` says."""
    if not PROC.exists():
        return Report((Measurement("upload_gateway", left_out="another process's memory is known on Linux only"),))
    return asyncio.run(_measured(plan.upload_megabytes))


async def _measured(megabytes: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="heed-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        clip = folder / "clip.wav"
        _record(clip, megabytes)
        async with embedded_stage(folder, durable=False) as stage:
            await create_topics(trial_settings(ServiceSettings, stage.broker.bootstrap), ["unrouted"])
            bucket = stage.bucket
            store = ObjectStore(bucket.endpoint, bucket.access_key, bucket.secret_key, BUCKET)
            await store.ensure()
            await store.keep_versions()
            urls = await provision(stage.database.url, ["gateway", "media"])
            ports = free_ports(2)
            async with (
                _serving("gateway", ports[0], _environment(stage, urls["gateway"]), folder) as gateway,
                _serving("media", ports[1], _environment(stage, urls["media"]), folder) as media,
            ):
                database = engine(urls["gateway"], "gateway", pool_size=1)
                key = await add_integration(database, "bench", (), datetime.now(UTC))
                await database.dispose()
                headers = {"Authorization": f"Bearer {key}"}
                url = f"http://127.0.0.1:{ports[0]}"
                async with httpx.AsyncClient(base_url=url, headers=headers, timeout=LIMIT, trust_env=False) as http:
                    return await _rounds(http, clip, megabytes, gateway, media)


async def _rounds(http: httpx.AsyncClient, clip: Path, megabytes: int, gateway: Service, media: Service) -> Report:
    with clip.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        declared_file = {"kind": "audio", "content_type": "audio/wav", "size": file.tell(), "sha256": checksum}
    sending, checking = Row(), Row()
    for number in range(ROUNDS):
        began, spent = time.perf_counter(), gateway.cpu_seconds()
        receipt = await _sent(http, clip, declared_file, f"clip-{number}")
        sending.rates.append(megabytes / (time.perf_counter() - began))
        sending.cpu += gateway.cpu_seconds() - spent
        began, spent = time.perf_counter(), media.cpu_seconds()
        await _accepted(http, receipt, media)
        checking.rates.append(megabytes / (time.perf_counter() - began))
        checking.cpu += media.cpu_seconds() - spent
    rows = (
        sending.measured("upload_gateway", gateway, megabytes),
        checking.measured("upload_media", media, megabytes),
    )
    note = f"a recording of {megabytes} MB; the process that decodes it had {media.children_mb:.0f} MB at most"
    return Report(rows, notes=(note,))


async def _sent(http: httpx.AsyncClient, clip: Path, media: Mapping[str, object], source_id: str) -> str:
    """Declare, upload, complete; returns the receipt."""
    declared = await http.post(
        "/v1/media",
        json={
            "source_id": source_id,
            "channel": "bench",
            "occurred_at": "2026-03-01",
            "about": {"organisation": "Riverside Hospitals"},
            "media": media,
            "consent": {"bystanders": "nobody", "staff": "nobody"},
        },
    )
    assert declared.status_code == 201, declared.text
    ticket = declared.json()
    form = ticket["upload"]["recording"]
    with clip.open("rb") as file:
        async with httpx.AsyncClient(timeout=LIMIT, trust_env=False) as bucket:
            stored = await bucket.post(form["url"], data=form["fields"], files={"file": file})
    assert stored.status_code == 201, stored.text
    done = await http.post(f"/v1/media/{ticket['media_id']}/complete")
    assert done.status_code == 202, done.text
    receipt: str = ticket["receipt"]
    return receipt


async def _accepted(http: httpx.AsyncClient, receipt: str, media: Service) -> None:
    async def checked() -> bool:
        media.look()
        told = (await http.get(f"/v1/feedback/{receipt}")).json()["media"]
        assert told["state"] in {"uploaded", "accepted"}, told
        return bool(told["state"] == "accepted")

    await until(checked, seconds=LIMIT)


def _record(path: Path, megabytes: int) -> None:
    """Noise, so that nothing on the way can make it smaller."""
    with wave.open(str(path), "wb") as clip:
        clip.setnchannels(2)
        clip.setsampwidth(2)
        clip.setframerate(SAMPLES_A_SECOND)
        clip.setnframes(megabytes * MEGABYTE // BYTES_A_SAMPLE)
        for _ in range(megabytes):
            clip.writeframesraw(os.urandom(MEGABYTE))


def _environment(stage: Stage, database: str) -> dict[str, str]:
    return {
        "HEED_KAFKA_BOOTSTRAP": stage.broker.bootstrap,
        "HEED_KAFKA_EMBEDDED": "true",
        "HEED_DATABASE_URL": database,
        "HEED_PSEUDONYM_KEY": "k" * 32,
        "HEED_S3_ENDPOINT": stage.bucket.endpoint,
        "HEED_S3_ACCESS_KEY": stage.bucket.access_key,
        "HEED_S3_SECRET_KEY": stage.bucket.secret_key,
        "HEED_S3_BUCKET": BUCKET,
    }


@asynccontextmanager
async def _serving(name: str, port: int, environment: Mapping[str, str], folder: Path) -> AsyncIterator[Service]:
    """The service in a process of its own, from when its health check is content."""
    given = {**os.environ, **environment, "HEED_HTTP_PORT": str(port), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", f"services.{name}"]
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, env=given, stdout=log, stderr=log)
    try:
        await until(lambda: process.returncode is not None or trouble(port) is None, seconds=120)
        assert process.returncode is None, (folder / f"{name}.log").read_text(encoding="utf-8")
        yield Service(process.pid)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


def _status(process: int, name: str) -> float:
    """A line of `/proc/…/status` in 10^6 bytes; 0 for a process that has ended."""
    try:
        lines = (PROC / str(process) / "status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:")), 0.0)
