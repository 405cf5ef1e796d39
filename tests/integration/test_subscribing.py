"""The subscriber that the README shows, run as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.create_topics import create_topics
from services.learning.outgoing import Unsent
from services.learning.sending import records, tombstones
from shared.topics import TEAM_SUMMARIES
from tests.unit.learning_samples import TEAM, page

if TYPE_CHECKING:
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = pytest.mark.integration

README = Path(__file__).parents[2] / "README.md"
TOPIC = TEAM_SUMMARIES.named(team_id=TEAM.id)


def example() -> str:
    section = README.read_text(encoding="utf-8").partition("## Subscribe")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found.group(1)


def test_the_example_is_as_short_as_it_is_said_to_be() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 15
    assert TOPIC in example()


async def test_the_readmes_subscriber_gets_a_page_and_that_it_was_taken_back(
    kafka: ServiceSettings, publisher: KafkaPublisher, tmp_path: Path
) -> None:
    await create_topics(kafka, [TEAM.id], themes=[])
    unsent = Unsent(page())
    await publisher.send([records(unsent)[-1], tombstones(unsent)[-1]])
    board = tmp_path / "board.py"
    board.write_text(example().replace(TOPIC, kafka.kafka_prefix + TOPIC), encoding="utf-8")

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(board),
        env={**os.environ, "HEED_KAFKA_BOOTSTRAP": kafka.kafka_bootstrap},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        printed = ""
        async with asyncio.timeout(60):
            while "taken back" not in printed:
                line = await process.stdout.readline()
                assert line, printed
                printed += line.decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    assert unsent.summary.text in printed
    assert printed.endswith("A page was taken back.\n")
