"""The same feedback on a calm day: what readings, counters and pages must be, computed from scratch.

The newest version of each piece goes through the analysis service's reader and the learning service itself, once, in
one order, on an empty database. Whatever the faults did to the installation, it must end in the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import asyncpg
from pydantic import SecretStr
from sqlalchemy import make_url

from deploy.provision import provision
from deploy.sample.feedback import CATALOGUE
from services.analysis.app import build_reader
from services.analysis.events import analysed, submission
from services.analysis.reader import Reading as Read
from services.analysis.settings import AnalysisSettings
from services.learning.app import running
from services.learning.settings import LearningSettings
from shared.events import FeedbackWithdrawn
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_WITHDRAWN
from tests.chaos.burst import NOW
from tests.chaos.observed import learnt
from tests.doubles import RememberingPublisher, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date
    from uuid import UUID

    from shared.events import Event, FeedbackSubmitted
    from tests.chaos.house import Access
    from tests.chaos.observed import CounterKey, Page, Reading

E = TypeVar("E", bound="Event")

AT_ONCE = 200

DATABASE = "heed_calm"


@dataclass(frozen=True, slots=True)
class Calm:
    """What must be."""

    readings: dict[UUID, Reading]
    counters: dict[CounterKey, int]
    pages: dict[tuple[str, date], Page]


async def calm(access: Access, submitted: Sequence[FeedbackSubmitted], withdrawn: Iterable[UUID]) -> Calm:
    """Read and learn all of it on a database made for that, which is dropped again.

    Args:
        access: whose database server is used.
        submitted: the newest version of what was not withdrawn.
        withdrawn: ids.
    """
    admin = await asyncpg.connect(access.database)
    await admin.execute(f"CREATE DATABASE {DATABASE}")
    try:
        own = make_url(access.database).set(drivername="postgresql+asyncpg", database=DATABASE)
        passwords = {"learning": access.password} if access.password else {}
        urls = await provision(own.render_as_string(hide_password=False), ["learning"], passwords)
        await _learn(urls["learning"], submitted, withdrawn)
        there = await asyncpg.connect(own.set(drivername="postgresql").render_as_string(hide_password=False))
        try:
            return Calm(*await learnt(there))
        finally:
            await there.close()
    finally:
        await admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        await admin.close()


async def _learn(url: str, submitted: Sequence[FeedbackSubmitted], withdrawn: Iterable[UUID]) -> None:
    settings = LearningSettings(database_url=SecretStr(url), catalogue=CATALOGUE, summary_quiet=3600)
    gone = [FeedbackWithdrawn(feedback_id=identity, withdrawn_at=NOW) for identity in withdrawn]
    async with running(settings, RememberingPublisher()) as service:
        consumers = {consumer.topic.name: consumer for consumer in service.consumers}
        for read in _read(submitted):
            await consumers[FEEDBACK_ANALYSED.name].handle([raw(event, FEEDBACK_ANALYSED.name) for event in read])
        for forgotten in _batches(gone):
            await consumers[FEEDBACK_WITHDRAWN.name].handle(
                [raw(event, FEEDBACK_WITHDRAWN.name) for event in forgotten]
            )
        await service.publishing.settle()


def _read(submitted: Sequence[FeedbackSubmitted]) -> Iterator[Sequence[Event]]:
    reader = build_reader(AnalysisSettings(analysis_threads=1, allow_list_file=CATALOGUE))
    for batch in _batches(submitted):
        readings = reader.read([submission(event) for event in batch])
        assert all(isinstance(reading, Read) for reading in readings), "a text that was submitted cannot be read"
        yield [analysed(event, reading, NOW) for event, reading in zip(batch, readings, strict=True)]  # type: ignore[arg-type]


def _batches(events: Sequence[E]) -> Iterator[Sequence[E]]:
    for start in range(0, len(events), AT_ONCE):
        yield events[start : start + AT_ONCE]
