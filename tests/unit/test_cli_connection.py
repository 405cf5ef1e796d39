"""How commands find an installation: never parts of two, never a stack that is gone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.connection import (
    STACK_FILE,
    StackFile,
    database_url,
    default_data_dir,
    find_installation,
    read_stack_file,
    remove_stack_file,
    write_stack_file,
)
from shared.errors import HeedError, UsageError


def stack(pid: int | None = None) -> StackFile:
    return StackFile(
        gateway_url="http://127.0.0.1:8080",
        kafka_bootstrap="127.0.0.1:9",
        gateway_database_url="postgresql+asyncpg://g",
        learning_database_url="postgresql+asyncpg://l",
        media_database_url="postgresql+asyncpg://m",
        portal_database_url="postgresql+asyncpg://p",
        portal_url="http://127.0.0.1:8081",
        gateway_key="heed_key",
        catalogue="/c.yaml",
        pid=os.getpid() if pid is None else pid,
    )


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_stack_file_reads_as_it_was_written(tmp_path: Path) -> None:
    write_stack_file(tmp_path, stack())
    assert read_stack_file(tmp_path) == stack()


def test_a_stack_file_is_its_owners_only_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_stack_file(tmp_path, stack())
    assert stat.S_IMODE((tmp_path / STACK_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [STACK_FILE]


def test_a_stack_that_was_killed_is_not_running(tmp_path: Path) -> None:
    write_stack_file(tmp_path, stack(dead_pid()))
    assert read_stack_file(tmp_path) is None
    assert not find_installation(tmp_path, {}).running


def test_a_stack_that_stopped_is_not_running(tmp_path: Path) -> None:
    write_stack_file(tmp_path, stack())
    remove_stack_file(tmp_path)
    remove_stack_file(tmp_path)
    assert read_stack_file(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "\x00"])
def test_a_damaged_stack_file_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / STACK_FILE).write_text(content)
    with pytest.raises(HeedError, match="was not written by this version"):
        read_stack_file(tmp_path)


def test_a_data_dir_wins_over_the_environment(tmp_path: Path) -> None:
    write_stack_file(tmp_path, stack())
    found = find_installation(tmp_path, {"HEED_KAFKA_BOOTSTRAP": "kafka:9092"})
    assert found.kafka_bootstrap == "127.0.0.1:9"
    assert found.kafka().kafka_embedded


def test_a_real_installation_is_told_by_the_environment_alone(tmp_path: Path) -> None:
    (tmp_path / "heed").mkdir()
    write_stack_file(tmp_path / "heed", stack())
    found = find_installation(None, {"HEED_KAFKA_BOOTSTRAP": "kafka:9092", "XDG_DATA_HOME": str(tmp_path)})
    assert found.kafka_bootstrap == "kafka:9092"
    assert found.gateway_url is None
    with pytest.raises(UsageError, match="HEED_GATEWAY_URL is not set"):
        found.need("gateway_url")
    assert not found.kafka().kafka_embedded


def test_the_default_is_the_trial_stack_of_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / "heed").mkdir()
    write_stack_file(tmp_path / "heed", stack())
    assert find_installation(None, {"XDG_DATA_HOME": str(tmp_path)}).gateway_url == "http://127.0.0.1:8080"


def test_a_relative_xdg_directory_counts_as_unset() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "here"}) == Path.home() / ".local/share/heed"


def test_a_key_alone_speaks_to_the_trial_stack(tmp_path: Path) -> None:
    write_stack_file(tmp_path, stack())
    assert find_installation(tmp_path, {"HEED_GATEWAY_KEY": "mine"}).gateway_key == "mine"
    assert find_installation(None, {"HEED_GATEWAY_KEY": "mine", "XDG_DATA_HOME": str(tmp_path)}).data_dir is not None


def test_a_trial_stacks_broker_is_not_changed_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEED_KAFKA_PREFIX", "other-")
    write_stack_file(tmp_path, stack())
    assert find_installation(tmp_path, {}).kafka().kafka_prefix == ""


def test_no_stack_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no stack is running in .*; start one with `heed up`"):
        find_installation(tmp_path, {}).need("gateway_url")


async def test_a_directory_without_data_starts_no_database(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no Heed data; run `heed demo`"):
        async with database_url(find_installation(tmp_path, {}), "learning"):
            raise AssertionError("a database was started")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib would block just the same
