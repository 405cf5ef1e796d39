"""`heed dlq`: list, show and replay dead letters."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, find_installation
from deploy.dead_letters import (
    DeadLetter,
    DeadLetters,
    DeadLetterTopics,
    Fate,
    Position,
    original_headers,
    planned,
)
from shared.dead_letters import PREFIX
from shared.errors import UsageError
from shared.publisher import running_publisher
from shared.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.settings import ServiceSettings

LEFT = {Fate.LOOPING, Fate.NOTHING_TO_SEND, Fate.TOO_LARGE, Fate.GONE}


@click.group()
def command() -> None:
    """List, show and replay dead letters.

    A dead letter is a record that a service could not read and no retry could mend. It is kept, with its bytes and the
    reason, in the topic SERVICE-dlq: 7 days where it may hold a patient's words, else 30.
    """


service_option = click.option(
    "--service", type=click.Choice(sorted(DEAD_LETTERS)), help="Only this service's. Default: every service's."
)


@command.command("list")
@service_option
@click.option("--each", is_flag=True, help="One line for each dead letter, with its id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@data_dir_option
def list_(service: str | None, each: bool, as_json: bool, data_dir: Path | None) -> None:
    """Count dead letters by service and reason."""
    topics = _topics(find_installation(data_dir).kafka())
    found = asyncio.run(topics.read([service] if service else None))
    rows = _each(found) if each else _grouped(found)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif rows:
        click.echo(aligned(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        click.echo("no dead letters")
    for topic, count in sorted(found.foreign.items()):
        click.echo(f"heed: {topic} holds {count} record(s) that Heed did not write; they are left alone", err=True)


@command.command()
@click.argument("position", metavar="ID")
@click.option("--payload", is_flag=True, help="Write the record's bytes too. They may hold a patient's own words.")
@data_dir_option
def show(position: str, payload: bool, data_dir: Path | None) -> None:
    """Show one dead letter: ID is topic/partition/offset, as `heed dlq list --each` prints it."""
    where = Position.parse(position)
    record = asyncio.run(_topics(find_installation(data_dir).kafka()).record(where))
    before = original_headers(record)
    ours = [item for item in record.headers if item not in before]
    told = [("id", str(where)), *((name.removeprefix(PREFIX), _text(value)) for name, value in ours)]
    told += [("key", _text(record.key)), ("bytes", "(none)" if record.value is None else str(len(record.value)))]
    told += [("header", f"{name}: {_text(value)}") for name, value in before]
    for name, value in told:
        click.echo(f"{name:<10}{value}")
    if payload:
        click.echo("heed: what follows may hold a patient's own words: do not copy it elsewhere", err=True)
        click.echo(record.value or b"")


def _text(value: bytes | None) -> str:
    return "(none)" if value is None else value.decode(errors="backslashreplace")


@command.command("replay")
@click.argument("positions", metavar="[ID]...", nargs=-1)
@service_option
@click.option("--reason", help="Replay those with this reason.")
@click.option("--all", "everything", is_flag=True, help="Replay every one that waits.")
@click.option("--force", is_flag=True, help="Replay also what a replay has not mended before.")
@click.option("--dry-run", is_flag=True, help="Only say what would be replayed.")
@data_dir_option
def replay_(
    *,
    positions: tuple[str, ...],
    service: str | None,
    reason: str | None,
    everything: bool,
    force: bool,
    dry_run: bool,
    data_dir: Path | None,
) -> None:
    """Send dead letters back to the topics they came from, once the cause is mended.

    Bytes, key and headers are the original ones; heed-replay-of is added. What was replayed before is left alone, so
    the same call may be made again. Exit code 1 if some had to be left.
    """
    if sum((bool(positions), reason is not None, everything)) != 1:
        raise UsageError("say which dead letters to replay: ids, or --reason, or --all (only one of them)")
    wanted = {Position.parse(position) for position in positions}
    outcome = asyncio.run(
        _replay(find_installation(data_dir).kafka(), service, wanted, reason, force=force, dry_run=dry_run)
    )
    for letter, fate in outcome:
        if fate in LEFT:
            click.echo(f"heed: {letter.id} left: {fate} ({letter.reason}){_advice(fate)}", err=True)
    counts = Counter(fate for _, fate in outcome)
    told = ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items())) or "nothing to replay"
    click.echo(f"would be: {told}" if dry_run else told)
    if LEFT & set(counts):
        click.get_current_context().exit(1)


def _advice(fate: Fate) -> str:
    return "; mend the cause, then use --force" if fate is Fate.LOOPING else ""


def _topics(settings: ServiceSettings) -> DeadLetterTopics:
    return DeadLetterTopics(settings)


async def _replay(
    settings: ServiceSettings,
    service: str | None,
    wanted: set[Position],
    reason: str | None,
    *,
    force: bool,
    dry_run: bool,
) -> Sequence[tuple[DeadLetter, Fate]]:
    topics = _topics(settings)
    found = await topics.read([service] if service else None)
    chosen = [letter for letter in found.letters if _is_chosen(letter, wanted, reason)]
    absent = wanted - {letter.id for letter in chosen}
    if absent:
        raise UsageError(f"there is no dead letter {min(absent)}; `heed dlq list --each` shows those that are kept")
    if dry_run:
        return planned(chosen, found.replayed, force=force)
    async with running_publisher(settings, "heed-dlq") as publisher:
        return await topics.replay(publisher, chosen, found.replayed, force=force)


def _is_chosen(letter: DeadLetter, wanted: set[Position], reason: str | None) -> bool:
    if wanted:
        return letter.id in wanted
    return reason is None or letter.reason == reason


def _each(found: DeadLetters) -> list[dict[str, object]]:
    return [
        {
            "id": str(letter.id),
            "service": letter.service,
            "reason": letter.reason,
            "time": letter.time.isoformat(timespec="seconds"),
            "from": str(letter.origin),
            "bytes": letter.size,
            "state": _state(letter, found),
        }
        for letter in found.letters
    ]


def _state(letter: DeadLetter, found: DeadLetters) -> str:
    if letter.id in found.replayed:
        return "replayed"
    return "died again" if letter.looping else "waiting"


def _grouped(found: DeadLetters) -> list[dict[str, object]]:
    groups: dict[tuple[str, str], list[DeadLetter]] = defaultdict(list)
    for letter in found.letters:
        groups[letter.service, letter.reason].append(letter)
    return [
        {
            "service": service,
            "reason": reason,
            "count": len(letters),
            "waiting": sum(letter.id not in found.replayed for letter in letters),
            "newest": max(letter.time for letter in letters).isoformat(timespec="seconds"),
        }
        for (service, reason), letters in sorted(groups.items())
    ]
