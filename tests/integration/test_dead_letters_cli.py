"""`heed dlq` on a real broker, as an operator types it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from deploy.cli import heed, run
from shared.dead_letters import dead_letter
from shared.publisher import Record
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.doubles import consumed

if TYPE_CHECKING:
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from shared.topics import Topic

pytestmark = pytest.mark.integration

WORDS = "the words of a patient"


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs command lines against the installation that the environment tells of."""

    capsys: pytest.CaptureFixture[str]

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, heed, arguments)
        told = self.capsys.readouterr()
        return code, told.out, told.err


@pytest.fixture
async def shell(
    kafka: ServiceSettings,
    publisher: KafkaPublisher,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    monkeypatch.setenv("HEED_KAFKA_BOOTSTRAP", kafka.kafka_bootstrap)
    monkeypatch.setenv("HEED_KAFKA_PREFIX", kafka.kafka_prefix)
    monkeypatch.setenv("HEED_KAFKA_EMBEDDED", str(kafka.kafka_embedded))
    await publisher.send(
        [
            died("analysis", FEEDBACK_SUBMITTED, 1, "invalid_json"),
            died("analysis", FEEDBACK_SUBMITTED, 2, "effect_failed:ValueError"),
            died("learning", FEEDBACK_ANALYSED, 3, "invalid_json"),
        ]
    )
    return Shell(capsys)


def died(service: str, topic: Topic, number: int, reason: str) -> Record:
    headers = [("ce_type", b"x"), ("odd", b"\xff")]
    original = Record(topic.name, f"key-{number}".encode(), WORDS.encode(), headers)
    return dead_letter(service, topic, consumed(original, offset=number), reason)


async def test_list_counts_by_service_and_reason(shell: Shell) -> None:
    code, out, err = await shell("dlq", "list")
    assert (code, err) == (0, "")
    assert [line.split()[:4] for line in out.splitlines()] == [
        ["service", "reason", "count", "waiting"],
        ["analysis", "effect_failed:ValueError", "1", "1"],
        ["analysis", "invalid_json", "1", "1"],
        ["learning", "invalid_json", "1", "1"],
    ]


async def test_list_each_tells_ids_and_no_words(shell: Shell) -> None:
    code, out, _ = await shell("dlq", "list", "--each", "--json", "--service", "analysis")
    assert code == 0
    assert WORDS not in out
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["id"], row["from"], row["bytes"], row["state"]) for row in rows] == [
        ("analysis-dlq/0/0", "feedback-submitted/0/1", len(WORDS), "waiting"),
        ("analysis-dlq/0/1", "feedback-submitted/0/2", len(WORDS), "waiting"),
    ]


async def test_show_tells_all_but_the_words(shell: Shell) -> None:
    code, out, err = await shell("dlq", "show", "analysis-dlq/0/1")
    assert (code, err) == (0, "")
    told = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["reason", "effect_failed:ValueError"] in told
    assert ["topic", "feedback-submitted"] in told
    assert ["key", "key-2"] in told
    assert ["header", r"odd: \xff"] in told
    assert WORDS not in out


async def test_show_payload_warns_and_tells_the_words(shell: Shell) -> None:
    code, out, err = await shell("dlq", "show", "analysis-dlq/0/1", "--payload")
    assert code == 0
    assert out.endswith(f"{WORDS}\n")
    assert "a patient's own words" in err


async def test_a_replay_by_reason_leaves_the_others(shell: Shell) -> None:
    assert await shell("dlq", "replay", "--reason", "invalid_json", "--service", "analysis") == (0, "1 replayed\n", "")
    _, out, _ = await shell("dlq", "list", "--each", "--json")
    states = {row["id"]: row["state"] for row in map(json.loads, out.splitlines())}
    assert states == {
        "analysis-dlq/0/0": "replayed",
        "analysis-dlq/0/1": "waiting",
        "learning-dlq/0/0": "waiting",
    }


async def test_replaying_twice_sends_once(shell: Shell) -> None:
    assert await shell("dlq", "replay", "--all") == (0, "3 replayed\n", "")
    assert await shell("dlq", "replay", "--all") == (0, "3 already replayed\n", "")
    _, out, _ = await shell("dlq", "list")
    assert [line.split()[3] for line in out.splitlines()[1:]] == ["0", "0", "0"]


async def test_a_dry_run_sends_nothing(shell: Shell) -> None:
    assert await shell("dlq", "replay", "learning-dlq/0/0", "--dry-run") == (0, "would be: 1 replayed\n", "")
    assert await shell("dlq", "replay", "learning-dlq/0/0") == (0, "1 replayed\n", "")


async def test_an_id_that_is_not_there_replays_nothing(shell: Shell) -> None:
    code, out, err = await shell("dlq", "replay", "learning-dlq/0/0", "learning-dlq/0/9")
    assert (code, out) == (2, "")
    assert err.startswith("heed: there is no dead letter learning-dlq/0/9;")
    assert await shell("dlq", "replay", "learning-dlq/0/0") == (0, "1 replayed\n", "")


async def test_the_topic_table_tells_what_the_broker_has(shell: Shell) -> None:
    code, out, _ = await shell("topics")
    assert code == 0
    lines = {line.split()[0]: line.split()[-1] for line in out.splitlines()[1:]}
    assert lines["feedback-submitted"] == "yes"
    assert lines["team-{team_id}-summaries"] == "yes"
