"""PostgreSQL's disk is full: the gateway says 503, keeps nothing by halves, and goes on once there is room.

And the embedded bucket makes do with a small disk. A file system of its own, small and in memory, is filled to the last
byte; to mount one takes root.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from minio import Minio
from urllib3 import PoolManager

from deploy.provision import provision
from deploy.servers import running_bucket, running_database
from tests.integration.conftest import ONCE_ONLY
from tests.integration.house import House, running_house
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SIZE = "192m"
WORDS = "The nurses were kind and explained every step. " * 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    where = tmp_path / "disk"
    where.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "heed-test", str(where)]
    if os.geteuid() != 0 or subprocess.run(["mount", *options], check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes root")
    try:
        yield where
    finally:
        ctypes.CDLL(None).umount2(os.fsencode(where), 2)  # MNT_DETACH: also while something still ends there


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte is free inside."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()


async def submitted_until_full(house: House) -> list[str]:
    """Source ids that were taken before the first 503; a page of the table has room for a few."""
    taken: list[str] = []
    for number in range(2_000):
        answer = await house.submit(f"full-{number}", f"{number} {WORDS}")
        if answer.status_code == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["type"] == "urn:heed:problem:unavailable"
            assert "kind" not in answer.text
            return taken
        assert answer.status_code == 202, answer.text
        taken.append(f"full-{number}")
    raise AssertionError("the disk is not full")


async def test_a_full_disk_is_told_and_outlived(disk: Path, kafka: ServiceSettings, publisher: KafkaPublisher) -> None:
    async with running_database(disk, durable=False) as server:
        urls = await provision(server.url, ["gateway", "learning"])
        async with running_house(kafka, publisher, urls["gateway"], urls["learning"]) as house:
            assert (await house.submit("before")).status_code == 202
            with filled(disk):
                taken = await submitted_until_full(house)
                assert (await house.http.get("/health/live")).status_code == 200
                again = [(await house.submit(f"again-{number}", WORDS)).status_code for number in range(3)]
                assert set(again) <= {202, 503}

            async def takes() -> bool:
                return (await house.submit("after")).status_code == 202

            await until(takes, 60)
            expected = 2 + len(taken) + again.count(202)

            async def all_counted() -> bool:
                return await house.counted() == expected and all((await house.ready()).values())

            await until(all_counted, 60)
            assert await house.dead_letters() == []
            retried = [await house.submit(f"again-{number}", WORDS) for number in range(3)]
            assert {answer.status_code for answer in retried} == {202}


@ONCE_ONLY
async def test_the_embedded_bucket_takes_writes_for_many_buckets_on_a_small_disk(disk: Path) -> None:
    async with running_bucket(disk) as bucket:
        once = PoolManager(retries=False)
        store = Minio(bucket.address, bucket.access_key, bucket.secret_key, secure=bucket.secure, http_client=once)

        def written(name: str) -> str:
            store.make_bucket(name)
            return str(store.put_object(name, "clip", io.BytesIO(b"frames"), 6).bucket_name)

        names = [f"bucket-{number}" for number in range(40)]
        assert [await asyncio.to_thread(written, name) for name in names] == names
