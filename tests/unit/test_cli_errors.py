"""Every failure is one line on stderr and an exit code; never a traceback unless asked for."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from deploy.cli import heed, run
from shared.errors import HeedError, InvalidRecord, TransientFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def failing(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


def outcome(command: click.Command, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(command, arguments)
    told = capsys.readouterr()
    assert told.out == ""
    return code, told.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("no such team"), 2, "heed: no such team\n"),
        (HeedError("the gateway\nis away"), 1, "heed: the gateway is away\n"),
        (TransientFault("no broker"), 1, "heed: no broker\n"),
        (InvalidRecord("null_value"), 1, "heed: record refused: null_value\n"),
        (ExceptionGroup("two", [ValueError("x"), HeedError("the cause")]), 1, "heed: the cause\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/y"),
            1,
            "heed: /x/y: permission denied; check the path and who may use it\n",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "heed: the disk is full; make room and run it again\n"),
    ],
)
def test_a_failure_is_one_line(error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(failing(error), capsys) == (code, line)


def test_an_unexpected_failure_tells_its_class_and_module_but_not_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = outcome(failing(ValueError("a patient's words")), capsys)
    assert code == 1
    assert line == f"heed: unexpected ValueError in {__name__}; run again with --debug for the traceback\n"


def test_debug_shows_the_traceback_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = outcome(failing(ValueError("why")), capsys, "--debug")
    assert code == 1
    assert "Traceback" in told
    assert "ValueError: why" in told


def test_debug_after_two_dashes_is_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    @click.argument("words", nargs=-1)
    def command(words: tuple[str, ...]) -> None:
        click.echo(words)

    assert run(command, ["--", "--debug"]) == 0
    assert capsys.readouterr().out == "('--debug',)\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["topics", "--nonsense"], "No such option '--nonsense'"),
        (["import"], "Missing argument 'FILE'"),
        (["import", "absent.csv", "--format", "fft"], "'absent.csv' does not exist"),
        (["import", __file__, "--format", "xls"], "'xls' is not one of 'fft', 'jsonl'"),
        (["dlq", "replay"], "say which dead letters to replay"),
        (["dlq", "replay", "--all", "--reason", "x"], "only one of them"),
        (["dlq", "show", "17"], "'17' is no dead letter's id"),
        (["dlq", "list", "--service", "kitchen"], "'kitchen' is not one of"),
        (["dlq"], "Usage: heed dlq"),
        ([], "Usage: heed"),
    ],
)
def test_bad_use_exits_with_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = outcome(heed, capsys, *arguments)
    assert code == 2
    assert told in line
    if not line.startswith("Usage"):
        assert line.startswith("heed: ")
        assert line.count("\n") == 1


def test_ctrl_c_exits_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = outcome(failing(KeyboardInterrupt()), capsys)
    assert code == 130
    assert told.strip() == ""


def spawned(program: str, **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def test_a_real_ctrl_c_during_asynchronous_work_is_quiet() -> None:
    program = """
import asyncio, signal, sys, click
from deploy.cli import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests in the background has it ignored
async def work():
    print("at work", flush=True)
    await asyncio.Event().wait()
@click.command()
def command():
    asyncio.run(work())
sys.exit(run(command, []))
"""
    process = spawned(program)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.strip() == ""


@pytest.mark.parametrize("write", ["click.echo('x' * 100_000)", "sys.stdout.write('x')"])
def test_a_reader_that_went_away_is_no_noise(write: str) -> None:
    program = f"""
import sys, click
from deploy.cli import run
@click.command()
def command():
    sys.stdin.read()
    {write}
sys.exit(run(command, []))
"""
    process = spawned(program, stdin=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, told = process.communicate(input="", timeout=30)
    assert process.returncode == 1
    assert told == ""


def test_a_closed_stdout_is_no_failure() -> None:
    program = """
import subprocess, sys
sys.exit(subprocess.run(["sh", "-c", 'exec "$0" -m deploy.cli --version >&-', sys.executable]).returncode)
"""
    process = spawned(program)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


def test_an_async_failure_in_a_task_group_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_fail(UsageError("the one to tell")))

    @click.command()
    def command() -> None:
        asyncio.run(work())

    assert outcome(command, capsys) == (2, "heed: the one to tell\n")


async def _fail(error: Exception) -> None:
    raise error


def test_libraries_do_not_write_beside_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    write: Callable[[], None] = lambda: None  # noqa: E731

    @click.command()
    def command() -> None:
        import logging
        import warnings

        logging.getLogger("aiokafka").error("Unable connect")
        warnings.warn("odd", stacklevel=1)
        write()
        raise UsageError("only this")

    assert outcome(command, capsys) == (2, "heed: only this\n")
