"""The `heed` command: finds the subcommand, runs it, and turns every failure into one line and an exit code.

Exit codes: 0 done, 1 failure, 2 bad use, 130 Ctrl-C. Results go to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import sys
import traceback
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.errors import HeedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

COMMANDS = {
    "demo": (
        "deploy.commands.demo",
        "Run the whole pipeline on the bundled sample, or on a file of yours, and show a team's page.",
    ),
    "up": ("deploy.commands.up", "Serve the trial stack in one process until Ctrl-C, and say how to reach it."),
    "sign-in": ("deploy.commands.sign_in", "Print a link that signs in to the portal, once and soon."),
    "import": ("deploy.commands.importing", "Feed a file of comments into a running stack."),
    "analyse": ("deploy.commands.analyse", "Read comments from a file and write what the model makes of them."),
    "chart": ("deploy.commands.chart", "Draw one control chart from JSON: limits, rules and icons, as JSON."),
    "summaries": ("deploy.commands.summaries", "Show the teams' pages."),
    "urgent": (
        "deploy.commands.urgent",
        "List what a person should look at today, and say that somebody has taken it on.",
    ),
    "media": (
        "deploy.commands.media",
        "List the recordings that wait for a person, and say what was decided about one.",
    ),
    "deliveries": ("deploy.commands.deliveries", "List pages that could not be delivered, and have them tried again."),
    "corrections": ("deploy.commands.corrections", "Write what team members corrected, as training data."),
    "relearn": (
        "deploy.commands.relearn",
        "Read stored words again with the model that is installed now, and count by what it says.",
    ),
    "topics": ("deploy.commands.topics", "List every topic: who writes it, who reads it, how long it is kept."),
    "doctor": ("deploy.commands.doctor", "Check an installation and say what to do about each problem."),
    "integrations": ("deploy.commands.integrations", "Add, list and revoke the keys of those who submit feedback."),
    "dlq": ("deploy.commands.dlq", "List, show and replay dead letters."),
    "secrets": (
        "deploy.commands.secrets",
        "Write a .env with fresh secrets for docker compose; a file that is there stays as it is.",
    ),
}
"""Name → (module, its line in `heed --help`). A table, so that help needs none of the modules; a test compares both."""

HOUSE = ("shared.", "services.", "deploy.")


class LazyGroup(click.Group):
    """Imports a subcommand's module when it is called, not before: `heed --help` loads no broker client, no model."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table: the first thing to try comes first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module and take its `command`."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table's lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `heed demo`. `heed COMMAND --help` tells the rest.",
)
@click.version_option(version("heed"), prog_name="heed")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a failure, and log lines.")
def heed() -> None:
    """Listen to what patients say about their care and hand teams learning, never blame."""


def main() -> None:
    """Run `heed` with the process's arguments and exit."""
    if sys.stdout is None:  # closed by the caller (`>&-`), which asks for no output, not for a failure
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a page's emoji must not fail on an old terminal
    sys.exit(run(heed, sys.argv[1:]))


def run(command: click.Command, arguments: Sequence[str], name: str = "heed") -> int:
    """Run a command line; whatever goes wrong becomes one line on stderr.

    Args:
        command: what to run.
        arguments: without the program's name; `--debug` may stand anywhere before a `--`.
        name: how the program calls itself.

    Returns:
        The exit code: 0 done, 1 failure, 2 bad use, 130 stopped by Ctrl-C.
    """
    debug, arguments = _without_debug(arguments)
    _quieten(debug)
    try:
        result = command.main(args=list(arguments), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return 2
    except click.Abort:
        return 130
    except BrokenPipeError:
        _drop_stdout()
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort is what this function is for
        if debug:
            traceback.print_exc()
        line, code = told(error)
        click.echo(f"heed: {line}", err=True)
        return code
    return result if isinstance(result, int) else 0


def told(error: BaseException) -> tuple[str, int]:
    """The one line for a failure, without a patient's words, and its exit code."""
    cause = _heart(error)
    if isinstance(cause, click.ClickException):
        where = f"; see `{cause.ctx.command_path} --help`" if isinstance(cause, click.UsageError) and cause.ctx else ""
        return _one_line(cause.format_message()).rstrip(".") + where, cause.exit_code
    if isinstance(cause, HeedError):
        return _one_line(str(cause)), 2 if isinstance(cause, UsageError) else 1
    if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "the disk is full; make room and run it again", 1
    if isinstance(cause, OSError) and cause.filename is not None and cause.strerror:
        return f"{cause.filename}: {cause.strerror.lower()}; check the path and who may use it", 1
    return f"unexpected {type(cause).__name__} in {_where(cause)}; run again with --debug for the traceback", 1


def _without_debug(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Take `--debug` from wherever it stands: the hint to add it is read at the end of a line already typed."""
    mine = list(arguments)
    end = mine.index("--") if "--" in mine else len(mine)
    return "--debug" in mine[:end], [word for word in mine[:end] if word != "--debug"] + mine[end:]


def _quieten(debug: bool) -> None:
    """Keep libraries from writing beside the one line; a command that serves configures its own logging."""
    if debug:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        return
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _heart(error: BaseException) -> BaseException:
    """Out of a task group's bundle, the failure a person can act on, else the first."""
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, HeedError)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _where(error: BaseException) -> str:
    """The innermost module of ours on the way to the error, else the innermost at all."""
    modules = [_module(step) for step in _steps(error.__traceback__)]
    ours = [name for name in modules if name.startswith(HOUSE) and name != __name__]
    return (ours or modules or ["heed"])[-1]


def _steps(step: TracebackType | None) -> Iterator[TracebackType]:
    while step is not None:
        yield step
        step = step.tb_next


def _module(step: TracebackType) -> str:
    return str(step.tb_frame.f_globals.get("__name__", "?"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _drop_stdout() -> None:
    """Nobody reads stdout any more: let the interpreter's last flush go nowhere instead of failing aloud."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
