"""Takes rows the whole way through a running trial stack: fed, read, summarised, accounted for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.connection import trial_settings
from deploy.dead_letters import DeadLetterTopics
from deploy.embedded import INTEGRATION
from deploy.feed import FeedReport, feed
from deploy.film import hand_in_sample
from services.learning.catalogue import UNROUTED
from shared.errors import HeedError
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import date
    from uuid import UUID

    from deploy.embedded import Stack
    from deploy.formats.rows import Row
    from services.learning.pages import Page
    from services.learning.store import TeamCount, UnroutedGroup

LOOK_AGAIN = 0.5
SOONEST = 0.05
"""Seconds between looks at how far the reading is: at most, and when it should be at its end."""

SILENCE = 2.0
"""Seconds without progress after which the dead letters are looked at."""

PATIENCE = 60.0
"""Seconds without progress after which the run is given up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the rows, and what the installation holds now.

    Attributes:
        report: what the gateway made of the rows.
        analysed: of the accepted ids, those read and counted.
        dead_lettered: of the accepted ids, those that no service could read.
        urgent: of the accepted ids, those that a person should look at.
        pages: newest revision of every page, held ones included.
        teams: counts by team of the catalogue.
        unrouted: what no team receives.
        seconds: from the first row to the last page.
    """

    report: FeedReport
    analysed: int
    dead_lettered: int
    urgent: int
    pages: list[Page]
    teams: dict[str, TeamCount]
    unrouted: list[UnroutedGroup]
    seconds: float

    @property
    def accepted(self) -> int:
        """Distinct pieces of feedback that the gateway holds, from this run or an earlier one."""
        return len(self.report.feedback_ids)

    @property
    def adds_up(self) -> bool:
        """Whether each accepted piece was read or is a dead letter, and nothing is both."""
        return self.accepted == self.analysed + self.dead_lettered

    def as_json(self) -> dict[str, object]:
        """The contract of `heed demo --json`."""
        return {
            "rows": self.report.rows,
            "accepted": self.accepted,
            "known_already": self.report.duplicates,
            "skipped": dict(sorted(self.report.reasons.items())),
            "analysed": self.analysed,
            "dead_lettered": self.dead_lettered,
            "urgent": self.urgent,
            "summaries": sum(not page.held for page in self.pages),
            "held": sum(bool(page.held) for page in self.pages),
            "seconds": round(self.seconds, 2),
            "items_per_second": round(self.accepted / self.seconds, 1),
            "teams": {team: {"n": count.n, "periods": count.periods} for team, count in self.teams.items()},
            "unrouted": sum(group.readings for group in self.unrouted),
        }


class Followed:
    """Tells how far a run is: `sent` and `read` pieces of feedback, `pages` still to write."""

    def sent(self, count: int) -> None:
        """So many are accepted."""

    def read(self, count: int, of: int) -> None:
        """So many of the accepted are read."""

    def pages(self) -> None:
        """All are read; the pages are being written."""


async def run(stack: Stack, rows: Iterable[Row], followed: Followed, film_of: date | None = None) -> Outcome:
    """Feed the rows, wait until each is read or dead-lettered and every page that is due is out.

    Args:
        stack: where to.
        rows: of written feedback.
        followed: is told how far it is.
        film_of: the day of the sample's film, which is handed in beside them; None: none is.

    Raises:
        HeedError: nothing moved for a minute, or the film was not taken.
    """
    started = time.monotonic()
    report = await feed(rows, url=stack.gateway_url, key=stack.key, progress=_told(followed))
    if film_of is not None:
        report.feedback_ids.add(await hand_in_sample(stack.gateway_url, stack.key, INTEGRATION, film_of))
        report.accepted += 1
    ids = report.feedback_ids
    dead = await _settled(stack, ids, followed)
    followed.pages()
    await stack.learning.settle()
    seconds = time.monotonic() - started
    readings = stack.learning.readings
    counts, tally = await readings.counts(), await readings.tally(ids)
    return Outcome(
        report=report,
        analysed=tally.read,
        dead_lettered=dead,
        urgent=tally.urgent,
        pages=await stack.learning.pages.summaries(),
        teams={team: count for team, count in counts.items() if team != UNROUTED},
        unrouted=await readings.unrouted(),
        seconds=seconds,
    )


def _told(followed: Followed) -> Callable[[FeedReport], None]:
    return lambda report: followed.sent(len(report.feedback_ids))


async def _settled(stack: Stack, ids: Collection[UUID], followed: Followed) -> int:
    """Wait until every id is read or a dead letter; return how many are dead letters."""
    started = moved = time.monotonic()
    read = 0
    while True:
        looked = time.monotonic()
        now = (await stack.learning.readings.tally(ids)).read
        if now > read:
            read, moved = now, time.monotonic()
            followed.read(read, len(ids))
        if read == len(ids):
            return 0
        silent = time.monotonic() - moved
        if silent > SILENCE:
            dead = await _dead_letters(stack)
            if read + dead >= len(ids):
                return dead
        if silent > PATIENCE:
            raise HeedError(
                f"{len(ids) - read} of {len(ids)} accepted pieces of feedback were not read within {PATIENCE:.0f} s; "
                "they are kept: start again with the same --data-dir, or see its logs"
            )
        end = moved + (moved - started) * (len(ids) - read) / max(read, 1)
        cost = time.monotonic() - looked
        await asyncio.sleep(min(LOOK_AGAIN, max(SOONEST, 5 * cost, end - time.monotonic())))


async def _dead_letters(stack: Stack) -> int:
    """Distinct records on the way from gateway to summary that no service could read."""
    settings = trial_settings(ServiceSettings, stack.stage.broker.bootstrap)
    found = await DeadLetterTopics(settings).read(["analysis", "learning", "media"])
    return len({letter.origin for letter in found.waiting()})
