"""`heed topics`: the topic registry, and which of its topics the broker has."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, find_installation
from deploy.create_topics import existing_topics
from shared.errors import TransientFault
from shared.topics import DAY_MS, TOPICS

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.connection import Installation
    from shared.topics import Topic


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, descriptions included.")
@data_dir_option
def command(as_json: bool, data_dir: Path | None) -> None:
    """List every topic: who writes it, who reads it, how long it is kept.

    Needs no broker; where one is told of and answers, the last column says whether it has the topic.
    """
    there = _there(find_installation(data_dir))
    entries = [_entry(topic, there) for topic in TOPICS]
    if as_json:
        for entry in entries:
            click.echo(json.dumps(entry))
        return
    headings = ["topic", "event", "key", "produced by", "read by", "partitions", "keeps", "restricted"]
    rows = [
        [
            topic.name,
            topic.event.__name__ if topic.event else "any",
            topic.key,
            ", ".join(topic.producers),
            ", ".join(topic.consumers) or "-",
            topic.partitions,
            _keeps(topic),
            "yes" if topic.restricted else "no",
        ]
        for topic in TOPICS
    ]
    if there is not None:
        headings.append("on the broker")
        for row, entry in zip(rows, entries, strict=True):
            row.append(_presence(entry["found"]))
    click.echo(aligned(headings, rows))


def _there(installation: Installation) -> set[str] | None:
    """The broker's topics; None where there is no broker to ask."""
    if installation.kafka_bootstrap is None:
        return None
    settings = installation.kafka()
    try:
        return asyncio.run(existing_topics(settings))
    except TransientFault as fault:
        click.echo(f"heed: {fault}", err=True)
        return None


def _entry(topic: Topic, there: set[str] | None) -> dict[str, object]:
    return {
        "name": topic.name,
        "description": topic.description,
        "event": topic.event.ce_type if topic.event else None,
        "key": topic.key,
        "producers": topic.producers,
        "consumers": topic.consumers,
        "partitions": topic.partitions,
        "retention_ms": topic.retention_ms,
        "cleanup": topic.cleanup.value,
        "restricted": topic.restricted,
        "found": None if there is None else _found(topic, there),
    }


def _found(topic: Topic, there: set[str]) -> list[str]:
    """Topics of the broker that this entry of the registry means: one, or a family's members."""
    pattern = re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(topic.name)))
    return sorted(name for name in there if pattern.fullmatch(name))


def _presence(found: object) -> str:
    assert isinstance(found, list)
    return "no" if not found else "yes" if len(found) == 1 else f"{len(found)} topics"


def _keeps(topic: Topic) -> str:
    return "compacted" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} d"
