"""Apache Kafka 4, one KRaft node, from its Maven artefacts."""

import asyncio
import base64
import hashlib
import re
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.servers.child import Command, PortClash, completed, running
from deploy.servers.endpoints import Broker
from deploy.servers.ports import free_ports, listens
from shared.errors import HeedError
from tests.servers.cache import cached

_HERE = Path(__file__).parent
_POM = _HERE / "pom.xml"
_HEAP = "-Xmx384m"
_ATTEMPTS = 3
_PORT = re.compile(r"^listeners=PLAINTEXT://127\.0\.0\.1:(\d+)", re.MULTILINE)
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/records
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=6000
controller.quorum.election.timeout.ms=500
"""


def missing() -> list[str]:
    """The commands that are needed and not installed."""
    return [name for name in ("java", "mvn") if shutil.which(name) is None]


def prepared() -> Path:
    """The folder of the broker's jars, resolved once by Maven for each content of pom.xml."""
    return cached(f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}", _resolve)


def _resolve(draft: Path) -> None:
    goal = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
    argv = ["mvn", "--batch-mode", "--quiet", "--file", str(_POM), goal, f"-DoutputDirectory={draft}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not any(draft.glob("kafka_*.jar")):
        raise HeedError(f"mvn could not fetch the jars of {_POM.name}: {(done.stdout + done.stderr).strip()[-300:]}")


@asynccontextmanager
async def running_kafka(directory: Path) -> AsyncIterator[Broker]:
    """Run the broker until the block ends.

    Entering it again on the same directory starts it on the same port with the records it had, so that a test may
    stop a broker under its clients and bring it back.
    """
    jars = await asyncio.to_thread(prepared)
    properties = directory / "server.properties"
    known = properties.exists()
    async with AsyncExitStack() as stack:
        for attempt in range(_ATTEMPTS):
            if not known:
                await _formatted(jars, directory, properties)
            port = int(_PORT.findall(properties.read_text())[0])
            try:
                await stack.enter_async_context(_running(jars, directory, properties, port))
                break
            except PortClash:
                if known or attempt == _ATTEMPTS - 1:
                    raise
        yield Broker(f"127.0.0.1:{port}")


async def _formatted(jars: Path, directory: Path, properties: Path) -> None:
    broker, controller = free_ports(2)
    shutil.rmtree(directory / "records", ignore_errors=True)
    text = _PROPERTIES.format(broker=broker, controller=controller, directory=directory)
    await asyncio.to_thread(properties.write_text, text)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    arguments = ["format", "--standalone", "--cluster-id", cluster, "--config", str(properties)]
    await completed(_command(jars, directory, "kafka.tools.StorageTool", *arguments))


def _command(jars: Path, directory: Path, main: str, *arguments: str | Path) -> Command:
    logging = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.yaml'}"
    # The first compiler tier alone and the plain collector: half the start time, and tests have two cores to share.
    java = ["java", _HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging, "-cp", f"{jars}/*", main]
    return Command(f"Apache Kafka ({main})", [*java, *arguments], directory / "kafka.log", directory)


def _running(jars: Path, directory: Path, properties: Path, port: int) -> AbstractAsyncContextManager[int]:
    command = _command(jars, directory, "kafka.Kafka", properties)
    return running(replace(command, port=port), lambda: listens(port))
