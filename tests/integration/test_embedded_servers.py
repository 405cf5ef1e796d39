"""The embedded servers keep their promises: loopback only, gone with their parent, data back after any end."""

import asyncio
import io
import os
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio

from deploy.servers import Broker, Bucket, Database, embedded_stage, running_broker, running_bucket, running_database
from deploy.servers.ports import http_ok, listens
from shared.errors import HeedError
from tests.integration.conftest import ONCE_ONLY

pytestmark = [pytest.mark.integration, ONCE_ONLY]

_REPOSITORY = Path(__file__).resolve().parents[2]
_KILLED = """
import asyncio, sys
from pathlib import Path
from deploy.servers import embedded_stage
from tests.integration.test_embedded_servers import written
from tests.integration.conftest import ONCE_ONLY

async def main():
    async with embedded_stage(Path(sys.argv[1])) as stage:
        await written(stage.bucket, stage.database)
        print(stage.broker.bootstrap, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def store(bucket: Bucket) -> Minio:
    return Minio(bucket.address, bucket.access_key, bucket.secret_key, secure=bucket.secure)


def put(bucket: Bucket) -> None:
    store(bucket).make_bucket("kept")
    store(bucket).put_object("kept", "clip", io.BytesIO(b"frames"), 6)


def got(bucket: Bucket) -> bytes:
    return bytes(store(bucket).get_object("kept", "clip").read())


async def connected(database: Database) -> asyncpg.Connection:
    return await asyncpg.connect(database.url.replace("+asyncpg", ""))


async def written(bucket: Bucket, database: Database) -> None:
    put(bucket)
    connection = await connected(database)
    await connection.execute("create table kept (word text primary key)")
    await connection.execute("insert into kept values ('durable')")
    await connection.close()


async def word(database: Database) -> str:
    connection = await connected(database)
    try:
        return str(await connection.fetchval("select word from kept"))
    finally:
        await connection.close()


async def round_trip(broker: Broker) -> list[bytes]:
    topic = f"topic-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer,
        AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest") as consumer,
    ):
        for value in (b"one", b"two"):
            await producer.send_and_wait(topic, value)
        async with asyncio.timeout(10):
            return [(await consumer.getone()).value for _ in range(2)]


async def test_broker_carries_records_and_ends_with_its_block(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as broker:
        assert await round_trip(broker) == [b"one", b"two"]
    assert not await listens(int(broker.bootstrap.split(":")[1]))


async def test_bucket_keeps_objects_and_keys_across_a_restart(tmp_path: Path) -> None:
    async with running_bucket(tmp_path) as first:
        put(first)
    async with running_bucket(tmp_path) as second:
        assert got(second) == b"frames"
    assert (second.access_key, second.secret_key) == (first.access_key, first.secret_key)
    assert stat.S_IMODE((tmp_path / "bucket" / "s3.json").stat().st_mode) == 0o600


async def test_no_port_of_the_bucket_shows_an_object_without_the_keys(tmp_path: Path) -> None:
    async with running_bucket(tmp_path) as bucket:
        put(bucket)
        ports = [int(port) for port in (tmp_path / "bucket" / "ports").read_text().split()]
        doors = [(port, path) for port in ports for path in ("/kept/clip", "/buckets/kept/clip", "/1,01")]
        assert not any(await asyncio.gather(*(http_ok(port, path) for port, path in doors)))
        assert got(bucket) == b"frames"


async def test_database_keeps_its_rows_across_a_restart(tmp_path: Path) -> None:
    async with running_database(tmp_path, durable=False) as database:
        connection = await connected(database)
        await connection.execute("create table kept as select 'durable' as word")
        await connection.close()
    async with running_database(tmp_path, durable=False) as database:
        assert await word(database) == "durable"


async def test_database_log_holds_no_row(tmp_path: Path) -> None:
    async with running_database(tmp_path, durable=False) as database:
        connection = await connected(database)
        await connection.execute("create table kept (word text primary key)")
        await connection.execute("insert into kept values ('Margaret')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("insert into kept values ('Margaret')")
        await connection.close()
    log = (tmp_path / "logs" / "database.log").read_text()
    assert "duplicate key" in log
    assert "Margaret" not in log


async def test_a_deep_data_directory_still_gets_a_socket(tmp_path: Path) -> None:
    async with running_database(tmp_path / ("deep" * 30), durable=False) as database:
        connection = await connected(database)
        assert await connection.fetchval("select 1") == 1
        await connection.close()


async def test_data_of_another_postgresql_is_refused_in_one_line(tmp_path: Path) -> None:
    async with running_database(tmp_path, durable=False):
        pass
    (tmp_path / "database" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(HeedError, match=r"written by PostgreSQL 17 and \d+ is installed") as refusal:
        await running_database(tmp_path).__aenter__()
    assert "\n" not in str(refusal.value)


async def test_a_second_user_of_a_data_directory_is_told_who_has_it(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as broker:
        with pytest.raises(HeedError, match=f"broker is in use by process {os.getpid()}") as refusal:
            await embedded_stage(tmp_path).__aenter__()
        assert "\n" not in str(refusal.value)
        assert await listens(int(broker.bootstrap.split(":")[1]))


def started_and_killed(data_dir: Path) -> tuple[str, list[Path]]:
    """Have another process start the stage, write to it and die; returns its broker and its socket directories."""
    parent = subprocess.Popen([sys.executable, "-c", _KILLED, data_dir], stdout=subprocess.PIPE, cwd=_REPOSITORY)
    try:
        assert parent.stdout is not None
        bootstrap = parent.stdout.readline().decode().strip()
        return bootstrap, [Path(path.read_text()) for path in data_dir.glob("*/sockets")]
    finally:
        parent.kill()
        parent.communicate()


async def test_a_killed_parent_takes_its_servers_along_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    bootstrap, left = await asyncio.to_thread(started_and_killed, tmp_path)
    # The stage starts only once every child has let go of its lock, that is, has ended.
    async with embedded_stage(tmp_path) as stage:
        assert not await listens(int(bootstrap.split(":")[1])) or stage.broker.bootstrap == bootstrap
        assert got(stage.bucket) == b"frames"
        assert await word(stage.database) == "durable"
    assert len(left) == 2
    assert not any(map(Path.exists, left))
