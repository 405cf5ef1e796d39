"""A service as its own process: what it does when it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from shared.publisher import record
from shared.topics import FEEDBACK_SUBMITTED
from tests.doubles import submitted
from tests.integration.offsets import committed

if TYPE_CHECKING:
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = pytest.mark.integration


async def started(kafka: ServiceSettings, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.stoppable_service",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "HEED_KAFKA_BOOTSTRAP": kafka.kafka_bootstrap,
            "HEED_KAFKA_PREFIX": kafka.kafka_prefix,
            "HEED_KAFKA_EMBEDDED": str(kafka.kafka_embedded),
            "HEED_HTTP_PORT": "0",
            **variables,
        },
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_batch_in_hand_is_finished_and_committed_before_the_end(
    stop: signal.Signals, kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    process = await started(kafka)
    try:
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"begun\n"
        process.send_signal(stop)
        told, log = await asyncio.wait_for(process.communicate(b"end\n"), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert told.split() == [b"ended", b"stopped"]
    assert process.returncode == 0
    assert b"Traceback" not in log
    assert await committed(kafka) == 1


async def test_a_batch_that_does_not_end_in_time_is_handed_back(
    kafka: ServiceSettings, publisher: KafkaPublisher
) -> None:
    process = await started(kafka, "stuck", HEED_SHUTDOWN_GRACE="1")
    try:
        await publisher.send([record(FEEDBACK_SUBMITTED, submitted(), "test")])
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"begun\n"
        process.send_signal(signal.SIGTERM)
        told, log = await asyncio.wait_for(process.communicate(), 10)
    finally:
        if process.returncode is None:
            process.kill()
    assert told.split() == [b"stopped"]
    assert process.returncode == 0
    assert b"Traceback" not in log
    assert await committed(kafka) == 0, "the next member gets it"
