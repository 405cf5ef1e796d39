"""The broker of the compose file without its container: set up by the image's own code from our configuration."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from deploy.servers.child import Command, completed, running
from deploy.servers.ports import free_ports, listens
from shared.settings import ServiceSettings
from tests.servers import kafka
from tests.unit.deployment_files import ROOT, containers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Deployed:
    """The broker, and what the job `accounts` runs against it."""

    def __init__(self, jars: Path, folder: Path) -> None:
        self.clients, self.controller, self.local = free_ports(3)
        self._jars, self._folder = jars, folder

    def java(self, main: str, *arguments: str | Path) -> Command:
        logging = f"-Dlog4j2.configurationFile={ROOT / 'tests' / 'servers' / 'log4j2.yaml'}"
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging, "-cp", f"{self._jars}/*"]
        cluster = {"CLUSTER_ID": containers()["kafka"]["environment"]["CLUSTER_ID"]}
        return Command(
            f"Apache Kafka ({main})", [*java, main, *arguments], self._folder / "log", self._folder, env=cluster
        )

    async def set_up(self) -> Path:
        """What the image does before it starts the broker; the ports are the only difference."""
        text = (ROOT / "deploy" / "kafka" / "server.properties").read_text(encoding="utf-8")
        for ours, theirs in (("9092", self.clients), ("9093", self.controller), ("9094", self.local)):
            text = text.replace(ours, str(theirs))
        text = text.replace("/var/lib/kafka/data", str(self._folder / "data")).replace("://kafka:", "://127.0.0.1:")
        folders = {name: self._folder / name for name in ("default", "mounted", "final")}
        for folder in folders.values():
            await asyncio.to_thread(folder.mkdir)
        (folders["default"] / "server.properties").touch()
        for name in ("log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / name).write_bytes((ROOT / "tests" / "servers" / "log4j2.yaml").read_bytes())
        (folders["mounted"] / "server.properties").write_text(text, encoding="utf-8")
        given = [word for name, folder in folders.items() for word in (f"--{name}-configs-dir", folder)]
        await completed(self.java("kafka.docker.KafkaDockerWrapper", "setup", *given))
        return folders["final"] / "server.properties"

    def give_accounts(self, passwords: dict[str, str]) -> None:
        """Run `deploy/kafka/accounts.sh` as the job does."""
        tool = self._folder / "kafka-configs.sh"
        argv = [shlex.quote(str(word)) for word in self.java("kafka.admin.ConfigCommand").argv]
        tool.write_text(f'#!/bin/bash\nexec {" ".join(argv)} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
        given = {f"HEED_{account.upper()}_KAFKA_PASSWORD": password for account, password in passwords.items()}
        where = {"KAFKA_BIN": str(self._folder), "KAFKA_LOCAL": f"127.0.0.1:{self.local}", "PATH": os.environ["PATH"]}
        script = ["bash", str(ROOT / "deploy" / "kafka" / "accounts.sh")]
        done = subprocess.run(script, env=where | given, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert not any(password in done.stdout + done.stderr for password in passwords.values())

    def account(self, name: str, password: str) -> ServiceSettings:
        return ServiceSettings(
            kafka_bootstrap=f"127.0.0.1:{self.clients}",
            kafka_security="sasl_plaintext",
            kafka_username=f"heed-{name}",
            kafka_password=SecretStr(password),
        )


@asynccontextmanager
async def running_deployed_kafka(folder: Path) -> AsyncIterator[Deployed]:
    """The broker until the block ends; it has no account yet."""
    broker = Deployed(await asyncio.to_thread(kafka.prepared), folder)
    properties = await broker.set_up()

    async def up() -> bool:
        return await listens(broker.clients) and await listens(broker.local)

    async with running(replace(broker.java("kafka.Kafka", properties), port=broker.clients), up, patience=240):
        yield broker
