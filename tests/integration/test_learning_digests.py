from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.learning.catalogue import parse
from services.learning.digest_store import DigestStore
from services.learning.digesting import Digesting
from services.learning.pages import PageStore
from services.learning.periods import Calendar
from services.learning.publishing import Publishing
from services.learning.readings import reading_of, tombstone
from services.learning.store import ReadingStore
from shared.cloudevents import decode
from shared.digests import ThemeDigest
from shared.errors import TransientFault
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import database, rows, shared_url
from tests.unit.learning_samples import NOON, WAITING, analysed, identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.publisher import Record

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

TOPIC = "theme-timeliness-of-care-digests"
TEAMS = "\n".join(
    ["teams:"]
    + [f"  - {{id: {name}, name: Team {name}, organisation: O, match: [{{unit: {name}}}]}}" for name in ("a", "b", "c")]
)


class WithoutTopic(RememberingPublisher):
    """As a broker that lacks one topic."""

    async def send(self, records: Sequence[Record]) -> None:
        if any(record.topic == "theme-parking-digests" for record in records):
            raise TransientFault("no such topic; this is a test")
        await super().send(records)


class Desk:
    """A service's parts for pages and digests around one database."""

    def __init__(self, database: AsyncEngine, catalogue: str = TEAMS) -> None:
        self.readings = ReadingStore(database)
        self.store = DigestStore(database)
        self.publisher = RememberingPublisher()
        self.calendar = Calendar("month", timedelta(days=7))
        self.teams = parse(catalogue, "teams.yaml")
        pages = PageStore(database)
        self.pages = Publishing(pages, RememberingPublisher(), self.teams, quiet=0, max_delay=0, clock=lambda: NOON)
        self.digesting = self.another(self.publisher)

    def another(self, publisher: RememberingPublisher) -> Digesting:
        return Digesting(self.store, publisher, self.teams, calendar=self.calendar, clock=lambda: NOON)

    async def take(self, *themes: str, n: int = 12) -> None:
        events = [
            (analysed(100 * t + number, label=4, themes=themes or [WAITING], quote_ok=False), team)
            for t, team in enumerate("abc")
            for number in range(n)
        ]
        await self.readings.take([reading_of(event, team) for event, team in events])

    async def settle(self) -> None:
        await self.pages.settle()
        await self.digesting.everything(patient=False)

    def sent(self, topic: str = TOPIC) -> list[ThemeDigest | None]:
        return [
            decode(ThemeDigest, record.value, record.headers) if record.value is not None else None
            for record in self.publisher.on(topic)
        ]


async def test_what_three_teams_hear_goes_to_the_themes_topic(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take()
    await desk.settle()
    await desk.settle()

    assert {record.key for record in desk.publisher.sent} == {b"2026-06-01"}
    assert [made and (made.raised, made.revision, made.provisional) for made in desk.sent()] == [(35, 1, True)]
    assert "Team" not in str(desk.sent())
    assert await desk.digesting.pending() == 0


async def test_a_digest_that_may_no_longer_be_shown_is_taken_back(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take()
    await desk.settle()

    await desk.readings.take([tombstone(identifier(200 + number)) for number in range(12)])
    await desk.settle()
    await desk.settle()

    assert [made is None for made in desk.sent()] == [False, True]
    assert desk.publisher.on(TOPIC)[-1].key == b"2026-06-01"
    assert await desk.store.digests() == []
    assert await desk.digesting.pending() == 0


async def test_what_was_never_out_is_not_taken_back(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take()
    await desk.pages.settle()
    with pytest.raises(ValueError, match="broken"):
        await desk.store.write_due(lambda *_: (_ for _ in ()).throw(ValueError("broken")), "abc", limit=9, now=NOON)
    await desk.readings.take([tombstone(identifier(200 + number)) for number in range(12)])
    await desk.settle()

    assert desk.publisher.sent == []


async def test_a_team_that_takes_no_part_is_not_counted(database: AsyncEngine) -> None:
    desk = Desk(database, TEAMS.replace("match: [{unit: c}]", "match: [{unit: c}], opt_in: {theme_digests: false}"))
    await desk.take()
    await desk.settle()

    assert desk.publisher.sent == []


async def test_a_theme_without_a_topic_keeps_no_others_back(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take(WAITING, "Parking")
    await desk.pages.settle()
    lacking = WithoutTopic()

    await desk.another(lacking).everything()

    assert [record.topic for record in lacking.sent] == [TOPIC]
    assert await desk.digesting.pending() == 1
    await desk.digesting.everything()
    assert [record.topic for record in desk.publisher.sent] == ["theme-parking-digests"]


async def test_two_members_send_each_digest_once(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take()
    await desk.pages.settle()

    await asyncio.gather(desk.digesting.everything(), desk.another(desk.publisher).everything())
    await desk.digesting.everything()

    assert len(desk.publisher.sent) == 1


async def test_a_broker_that_forgot_gets_the_same_again(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take()
    await desk.settle()

    await desk.store.republish_all()
    await desk.settle()

    assert len({record.headers[0] for record in desk.publisher.sent}) == 1
    assert len(desk.publisher.sent) == 2


async def test_no_query_of_a_digest_looks_at_readings(database: AsyncEngine) -> None:
    from services.learning import digest_store

    for name in ("_COUNTERS", "_NEWEST", "_CLAIM", "_WAITING", "_PENDING"):
        assert " reading" not in getattr(digest_store, name).text
    assert await rows(database, "SELECT * FROM due_digest") == []
