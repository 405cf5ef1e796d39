"""`heed --help` is readable, tells the truth, and loads next to nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from deploy.cli import COMMANDS, heed, run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_tables_line_is_the_commands_own(name: str) -> None:
    module, line = COMMANDS[name]
    command = importlib.import_module(module).command
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    command = importlib.import_module(COMMANDS[name][0]).command
    for each in [command, *getattr(command, "commands", {}).values()]:
        assert each.help
        for parameter in each.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{each.name} {parameter.name}"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(heed, ["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {name} " in told for name in COMMANDS)


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(heed, ["--version"]) == 0
    assert capsys.readouterr().out == f"heed, version {version('heed')}\n"


def test_help_loads_no_heavy_library() -> None:
    program = (
        "import sys; from deploy.cli import heed, run; run(heed, ['--help']); "
        "print([name for name in ('pydantic', 'aiokafka', 'sqlalchemy', 'openvino', 'rich', 'httpx') "
        "if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "[]\n"
