"""Apache Kafka 4, one KRaft node, from its Maven artefacts.

It has two listeners: a plain one, on which everybody may do everything, and a guarded one, on which an account may do
what ACLs allow and nothing else.
"""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.servers.child import Command, PortClash, completed, running
from deploy.servers.endpoints import Broker, GuardedListener
from deploy.servers.ports import free_ports, listens
from shared.errors import HeedError
from tests.servers.cache import cached

_HERE = Path(__file__).parent
_POM = _HERE / "pom.xml"
_HEAP = "-Xmx384m"
_ATTEMPTS = 3
START_LIMIT = 180.0
"""Seconds. It takes three on an idle machine, and a minute on one that has ten other things to do."""

_ACCOUNTS = ("heed-gateway", "heed-analysis", "heed-learning", "heed-portal", "newcomer")
_PORTS = re.compile(
    r"^advertised\.listeners=PLAINTEXT://127\.0\.0\.1:(\d+),GUARDED://127\.0\.0\.1:(\d+)$", re.MULTILINE
)
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},GUARDED://127.0.0.1:{guarded},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},GUARDED://127.0.0.1:{guarded}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,GUARDED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listener.name.guarded.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.guarded.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
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
            port, guarded = (int(found) for found in _PORTS.findall(properties.read_text())[0])
            try:
                await stack.enter_async_context(_running(jars, directory, properties, port, guarded))
                break
            except PortClash:
                if known or attempt == _ATTEMPTS - 1:
                    raise
        passwords = json.loads(_passwords(directory).read_text())
        yield Broker(f"127.0.0.1:{port}", GuardedListener(f"127.0.0.1:{guarded}", passwords))


async def _formatted(jars: Path, directory: Path, properties: Path) -> None:
    broker, guarded, controller = free_ports(3)
    shutil.rmtree(directory / "records", ignore_errors=True)
    text = _PROPERTIES.format(broker=broker, guarded=guarded, controller=controller, directory=directory)
    await asyncio.to_thread(properties.write_text, text)
    passwords = {account: secrets.token_hex(16) for account in _ACCOUNTS}
    await asyncio.to_thread(_passwords(directory).write_text, json.dumps(passwords))
    # The first byte is zero, as one id in 64 would begin with a dash, and be taken for an option.
    cluster = base64.urlsafe_b64encode(bytes(1) + secrets.token_bytes(15)).decode().rstrip("=")
    arguments = ["format", "--standalone", "--cluster-id", cluster, "--config", str(properties)]
    for account, password in passwords.items():
        arguments += ["--add-scram", f"SCRAM-SHA-512=[name={account},password={password}]"]
    await completed(_command(jars, directory, "kafka.tools.StorageTool", *arguments))


def _passwords(directory: Path) -> Path:
    return directory / "passwords.json"


def _command(jars: Path, directory: Path, main: str, *arguments: str | Path) -> Command:
    logging = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.yaml'}"
    # The first compiler tier alone and the plain collector: half the start time, and tests have two cores to share.
    java = ["java", _HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging, "-cp", f"{jars}/*", main]
    return Command(f"Apache Kafka ({main})", [*java, *arguments], directory / "kafka.log", directory)


def _running(
    jars: Path, directory: Path, properties: Path, port: int, guarded: int
) -> AbstractAsyncContextManager[int]:
    command = _command(jars, directory, "kafka.Kafka", properties)

    async def up() -> bool:
        return await listens(port) and await listens(guarded)

    return running(replace(command, port=port), up, START_LIMIT)
