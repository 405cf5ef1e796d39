"""A page that is out says what was withdrawn since, and the next one is held: the one that is out is taken back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from services.learning.readings import tombstone
from shared.errors import InvalidRecord, TransientFault
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import database, rows, shared_url
from tests.integration.test_learning_publishing import TOPIC, Desk, month
from tests.unit.learning_samples import CATALOGUE, analysed, identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.publisher import Record

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

HELD = CATALOGUE.replace("Harbour maternity team", "What patients told us")
"""A team with a name like a heading: the page of every other one would name it, and is held."""

PRIVATE = "They held my hand through the whole of that long night."


async def published(database: AsyncEngine) -> RememberingPublisher:
    """A page is out that quotes what will be withdrawn; who sent it."""
    desk = Desk(database)
    await desk.take(*month(12, quote_ok=False), analysed(99, text=PRIVATE))
    await desk.publishing.settle()
    assert PRIVATE in desk.published()[0].text
    return desk.publisher


def newest(publisher: RememberingPublisher) -> dict[tuple[str, bytes | None], bytes | None]:
    """What a compacted topic keeps: the newest value of each key."""
    return {(record.topic, record.key): record.value for record in publisher.sent}


async def held(database: AsyncEngine, publisher: RememberingPublisher) -> Desk:
    """The service anew, with rules that hold every page of the team."""
    desk = Desk(database, HELD)
    desk.publisher = publisher
    desk.publishing = desk.another(publisher)
    return desk


async def test_a_withdrawal_takes_back_what_no_new_revision_can_replace(
    database: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = await published(database)
    desk = await held(database, publisher)
    await desk.readings.take([tombstone(identifier(99))])
    with caplog.at_level(logging.ERROR):
        await desk.publishing.settle()

    kept = newest(publisher)
    assert kept["learning-summaries", b"riverside-emergency:2026-06-01"] is None
    assert kept["page-sources", b"riverside-emergency:2026-06-01"] is None
    assert kept[TOPIC, b"2026-06-01"] is None
    assert PRIVATE not in str(await rows(database, "SELECT page::text FROM page"))
    assert "summary taken back: team riverside-emergency, period 2026-06-01" in caplog.text
    assert await desk.publishing.pending() == 0

    sent = len(publisher.sent)
    await desk.publishing.settle()
    assert len(publisher.sent) == sent, "once is enough"


async def test_an_edit_takes_it_back_too(database: AsyncEngine) -> None:
    publisher = await published(database)
    desk = await held(database, publisher)
    await desk.take(analysed(99, text="Something else entirely.", version=2))
    await desk.publishing.settle()
    assert newest(publisher)[TOPIC, b"2026-06-01"] is None


async def test_what_takes_nothing_away_leaves_the_page_out(database: AsyncEngine) -> None:
    publisher = await published(database)
    desk = await held(database, publisher)
    await desk.take(*month(12, start=200))
    await desk.publishing.settle()
    assert await desk.pages.summaries(held=True)
    assert newest(publisher)[TOPIC, b"2026-06-01"] is not None


async def test_a_withdrawal_after_the_page_was_held_for_another_reason_takes_it_back(database: AsyncEngine) -> None:
    publisher = await published(database)
    desk = await held(database, publisher)
    await desk.readings.mark_all_due()
    await desk.publishing.settle()
    assert newest(publisher)[TOPIC, b"2026-06-01"] is not None
    await desk.readings.take([tombstone(identifier(99))])
    await desk.publishing.settle()
    assert newest(publisher)[TOPIC, b"2026-06-01"] is None


async def test_it_comes_back_without_the_words_once_it_is_no_longer_held(database: AsyncEngine) -> None:
    publisher = await published(database)
    desk = await held(database, publisher)
    await desk.readings.take([tombstone(identifier(99))])
    await desk.publishing.settle()

    mended = Desk(database)
    await mended.readings.mark_all_due()
    await mended.publishing.settle()

    (page,) = mended.published(TOPIC)
    assert page.revision == 3
    assert page.heard.responses == 10
    assert PRIVATE not in page.text


async def test_a_page_too_large_for_its_topic_is_taken_back_as_well(database: AsyncEngine) -> None:
    class TooLarge(RememberingPublisher):
        async def send(self, records: Sequence[Record]) -> None:
            if any(record.value and record.topic != "summaries-held" for record in records):
                raise InvalidRecord("record_too_large")
            await super().send(records)

    await published(database)
    desk = Desk(database)
    desk.publisher = TooLarge()
    await desk.readings.take([tombstone(identifier(99))])
    await desk.another(desk.publisher).settle()
    assert [(record.topic, record.value) for record in desk.publisher.sent][:3] == [
        ("learning-summaries", None),
        ("page-sources", None),
        (TOPIC, None),
    ]


async def test_a_broker_that_is_away_delays_it_and_no_more(database: AsyncEngine) -> None:
    await published(database)
    desk = await held(database, RememberingPublisher(away=1))
    await desk.readings.take([tombstone(identifier(99))])
    with pytest.raises(TransientFault):
        await desk.publishing.settle()
    assert await desk.publishing.pending() == 2, "to be taken back, and to be told of as held"
    await desk.publishing.settle()
    assert newest(desk.publisher)[TOPIC, b"2026-06-01"] is None


async def test_a_replaced_page_is_forgotten_as_replaced(database: AsyncEngine) -> None:
    publisher = await published(database)
    first = Desk(database)
    await first.readings.take([tombstone(identifier(99))])
    await first.publishing.settle()
    assert len(first.published(TOPIC)) == 1
    desk = await held(database, publisher)
    await desk.readings.mark_all_due()
    await desk.publishing.settle()
    assert newest(publisher)[TOPIC, b"2026-06-01"] is not None, "revision 2 is out, and nothing was withdrawn since"
