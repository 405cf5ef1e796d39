"""What the compose file describes, run without containers: its broker, its jobs, its services, with its variables."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.access import Outcome, grant_access
from deploy.admin import admin_client
from deploy.create_topics import Change, create_topics
from deploy.servers.ports import free_ports
from shared.errors import HeedError
from shared.healthcheck import trouble
from shared.placeholder import PLACEHOLDER
from tests.integration.upload_stage import CLIP, declaration
from tests.servers import kafka, minio, postgresql
from tests.servers.deployed_kafka import Deployed, running_deployed_kafka
from tests.unit.deployment_files import ROOT, containers, environment, example, services
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.engine import URL

    from deploy.servers import Bucket

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.environ.get("HEED_TEST_STAGE") != "real" or bool(kafka.missing() or postgresql.missing() or minio.missing()),
        reason="needs Apache Kafka, PostgreSQL and MinIO: HEED_TEST_STAGE=real, java, mvn, postgresql and go",
    ),
]

ACCOUNTS = ("admin", "gateway", "analysis", "learning", "media", "portal")
PASSWORDS = {account: f"{account}-quite-a-secret" for account in ACCOUNTS}
WORDS = "The night nurse sat with my mother for an hour. Nobody told us how long it would take."


@pytest.fixture
async def deployed(tmp_path: Path) -> AsyncIterator[Deployed]:
    async with running_deployed_kafka(tmp_path) as broker:
        await asyncio.to_thread(broker.give_accounts, PASSWORDS)
        yield broker


async def test_accounts_topics_and_rights_come_to_be_as_compose_makes_them(deployed: Deployed) -> None:
    admin = deployed.account("admin", PASSWORDS["admin"])
    assert {outcome.change for outcome in await create_topics(admin, ["unrouted"])} == {Change.CREATED}
    assert {outcome for _, outcome in await grant_access(admin, ["unrouted"])} == {Outcome.GRANTED}
    for service in ACCOUNTS[1:]:
        async with admin_client(deployed.account(service, PASSWORDS[service])) as client:
            assert f"{service}-dlq" in await client.list_topics()
    with pytest.raises(HeedError, match="does not let heed-gateway grant access"):
        await grant_access(deployed.account("gateway", PASSWORDS["gateway"]), ["unrouted"])

    # A password that was changed in .env is taken over by the next start, and the old one is nobody's.
    await asyncio.to_thread(deployed.give_accounts, {"gateway": "another-one"})
    async with admin_client(deployed.account("gateway", "another-one")) as client:
        assert await client.list_topics()
    with pytest.raises(HeedError, match="refuses the login of heed-gateway"):
        async with admin_client(deployed.account("gateway", PASSWORDS["gateway"])):
            pass


class Stack:
    """Every container of ours as a process, with the environment that compose gives it."""

    def __init__(self, folder: Path, broker: Deployed, database: URL, bucket: Bucket) -> None:
        self.values = {name: f"{name.lower()}-{'x' * 32}" for name, value in example().items() if value == PLACEHOLDER}
        self._values = example() | self.values
        self._folder, self._broker, self._database, self._bucket = folder, broker, database, bucket
        self.ports = dict(zip(services(), free_ports(len(services())), strict=True))

    def environment(self, container: str) -> dict[str, str]:
        """Compose's, with the addresses of this machine instead of the containers' names."""
        address = f"@{self._database.host}:{self._database.port}/{self._database.database}"
        here = {
            "kafka:9092": f"127.0.0.1:{self._broker.clients}",
            "@postgres/heed": address,
            "heed_admin:": f"{self._database.username}:",
            "/etc/heed/catalogue.yaml": str(ROOT / "deploy" / "catalogue" / "sample.yaml"),
            "http://gateway:8080": f"http://127.0.0.1:{self.ports['gateway']}",
            "http://minio:9000": self._bucket.endpoint,
            '"HEED_S3_ACCESS_KEY": "heed"': f'"HEED_S3_ACCESS_KEY": "{self._bucket.access_key}"',
        }
        values = self._values | {
            "HEED_ADMIN_DATABASE_PASSWORD": str(self._database.password),
            "HEED_S3_SECRET_KEY": self._bucket.secret_key,
            "HEED_S3_PUBLIC_ENDPOINT": self._bucket.endpoint,
        }
        found = {"PATH": os.environ["PATH"], "HEED_HTTP_PORT": str(self.ports.get(container, 0))}
        told = json.dumps(environment(container, values))
        for theirs, ours in here.items():
            told = told.replace(theirs, ours)
        own: dict[str, str] = json.loads(told)
        return found | own

    def run(self, container: str, *arguments: str) -> str:
        """A job, or `docker compose run --rm tools …`: what it prints."""
        described = containers()[container]
        module = described.get("entrypoint", ["python", "-m", "deploy.cli"])[2]
        command = [sys.executable, "-m", module, *(arguments or described["command"])]
        given = {"env": self.environment(container), "cwd": ROOT, "timeout": 120}
        done = subprocess.run(command, **given, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    @asynccontextmanager
    async def serving(self, service: str) -> AsyncIterator[None]:
        """The service, from when its own health check is content until it has ended in order."""
        command = [sys.executable, "-m", *containers()[service]["command"]]
        with (self._folder / f"{service}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self.environment(service), stderr=log, stdout=log
            )
        try:
            await until(lambda: process.returncode is not None or trouble(self.ports[service]) is None, seconds=120)
            assert process.returncode is None, self.log(service)
            yield
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0, self.log(service)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def log(self, service: str) -> str:
        return (self._folder / f"{service}.log").read_text(encoding="utf-8")


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="heed-deployed-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        await asyncio.to_thread(folder.chmod, 0o711)  # the database's account passes through
        parts = [folder / part for part in ("kafka", "postgresql", "minio")]
        for part in parts:
            part.mkdir(mode=0o711)
        async with AsyncExitStack() as servers:
            broker = await servers.enter_async_context(running_deployed_kafka(parts[0]))
            database = await servers.enter_async_context(postgresql.running_postgresql(parts[1]))
            encryption = {"MINIO_KMS_SECRET_KEY": f"heed:{base64.b64encode(bytes(32)).decode()}"}
            bucket = await servers.enter_async_context(minio.running_minio(parts[2], encryption))
            admin = create_async_engine(database.url, isolation_level="AUTOCOMMIT")
            async with admin.connect() as connection:
                await connection.execute(text("CREATE DATABASE heed"))
            await admin.dispose()
            stack = Stack(folder, broker, make_url(database.url).set(database="heed"), bucket)
            accounts = {
                name: value for name, value in stack.environment("accounts").items() if name.startswith("HEED_")
            }
            given = {n.split("_")[1].lower(): v for n, v in accounts.items() if n.endswith("_KAFKA_PASSWORD")}
            await asyncio.to_thread(broker.give_accounts, given)
            yield stack


async def journey(http: httpx.AsyncClient, receipt: str) -> str:
    answer: dict[str, Any] = (await http.get(f"/v1/feedback/{receipt}")).json()
    return json.dumps(answer)


async def check_that_a_recording_is_looked_at(http: httpx.AsyncClient) -> None:
    """Uploaded by the gateway's user in MinIO, read and removed by the media service's: it is no picture."""
    ticket = (await http.post("/v1/media", json=declaration(kind="image", content_type="image/png"))).json()
    form = ticket["upload"]["recording"]
    async with httpx.AsyncClient(trust_env=False) as sender:
        answer = await sender.post(form["url"], data=form["fields"], files={"file": CLIP})
    assert answer.status_code == 201, answer.text
    assert (await http.post(f"/v1/media/{ticket['media_id']}/complete")).status_code == 202

    async def rejected() -> bool:
        return '"state":"rejected","reason":"wrong_type"' in (await http.get(f"/v1/feedback/{ticket['receipt']}")).text

    await until(rejected, seconds=60)


async def test_a_comment_goes_its_whole_way_through_what_compose_describes(stack: Stack) -> None:
    await asyncio.to_thread(stack.run, "topics")
    await asyncio.to_thread(stack.run, "provision")
    await asyncio.to_thread(stack.run, "bucket")
    async with AsyncExitStack() as running:
        for service in services():
            await running.enter_async_context(stack.serving(service))
        key = (await asyncio.to_thread(stack.run, "tools", "integrations", "add", "survey")).strip()
        gateway = f"http://127.0.0.1:{stack.ports['gateway']}"
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=gateway, headers=headers, trust_env=False) as http:
            comment = {"kind": "comment", "source_id": "1", "channel": "survey", "text": WORDS}
            about = {"organisation": "Riverside Hospitals", "service": "Maternity"}
            answer = await http.post("/v1/feedback", json=comment | {"occurred_at": "2026-03-01", "about": about})
            assert answer.status_code == 202, answer.text
            receipt = answer.json()["receipt"]

            async def summarised() -> bool:
                return '"summarised"' in await journey(http, receipt)

            await until(summarised, seconds=90)
            await check_that_a_recording_is_looked_at(http)
        told = await asyncio.to_thread(stack.run, "tools", "doctor")
        assert "problem" not in told, told
    for service in services():
        log = stack.log(service)
        assert "night nurse" not in log
        assert not any(value in log for value in stack.values.values())
