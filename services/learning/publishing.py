"""Writes pages that are due and sends what is written; after a crash at any point, again from the rows alone.

Order: write (one transaction), send the page and mark it (another), send the list of what it includes and mark that. A
crash in between sends the same revision again under the same id.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.learning import checker, summaries
from services.learning.catalogue import UNROUTED, identity
from services.learning.pages import Page, Writing
from services.learning.patterns import Rebase
from services.learning.periods import MONTHLY
from services.learning.records import NO_RECORDS, TeamRecords
from services.learning.sending import Sending
from services.learning.voices import Contacts
from shared import telemetry
from shared.errors import TransientFault
from shared.repeating import background
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from services.learning.catalogue import Catalogue
    from services.learning.pages import Material, PageStore
    from services.learning.periods import Calendar
    from services.learning.quotes import Candidate
    from services.learning.readings import Measure
    from services.learning.summaries import Composed
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Pages written in one transaction, at most."""


class Editor:
    """Writes one page, checks it, and decides between publishing and holding."""

    def __init__(self, catalogue: Catalogue, clock: Callable[[], datetime], calendar: Calendar) -> None:
        self._catalogue = catalogue
        self._names = tuple(team.name for team in catalogue.teams)
        self._clock = clock
        self._calendar = calendar

    def write(self, material: Material, newest: Page | None) -> Writing:
        """The page, as a new revision only if it says or does anything else than the newest one."""
        page = self._page(material, revision=newest.summary.revision + 1 if newest else 1)
        changed = newest is None or _differs(page, newest)
        adds_sources = False
        if not changed and newest is not None:
            adds_sources = newest.sources is None
            page = replace(newest, sources=page.sources) if adds_sources else newest
        # Feedback that no team receives is in nobody's summary yet, and its receipt must not say so.
        return Writing(
            page,
            include=not page.held and material.team_id != UNROUTED,
            changed=changed,
            adds_sources=adds_sources,
            closes_at=self._calendar.closing(material.period, self._clock()),
        )

    def _page(self, material: Material, revision: int) -> Page:
        allowed = self._catalogue.allow_list
        if not self._calendar.has(material.period):
            # From before the installation's periods were changed: what is out of it is taken back.
            return self._empty(material, revision, "other_period at page")
        try:
            made = self._composed(material.counts, material.candidates, material, revision)
        except Exception as error:
            # One team's odd data must not keep every other team's page waiting.
            log.exception("a summary could not be written: team %s, period %s", material.team_id, material.period)
            return self._empty(material, revision, f"not_written:{type(error).__name__} at page")
        held = tuple(str(violation) for violation in checker.check(made.summary, self._names, allowed))
        return Page(made.summary, held, sources=made.sources)

    def _empty(self, material: Material, revision: int, reason: str) -> Page:
        made = self._composed({}, (), replace(material, history={}), revision)
        return Page(made.summary, (reason,), sources=made.sources)

    def _composed(
        self, counts: Mapping[Measure, int], candidates: Sequence[Candidate], material: Material, revision: int
    ) -> Composed:
        return summaries.compose(
            identity(self._catalogue, material.team_id),
            material.period,
            counts,
            candidates,
            revision=revision,
            generated_at=self._clock(),
            team_names=self._names,
            allowed=self._catalogue.allow_list,
            kind=self._calendar.kind,
            provisional=self._calendar.closing(material.period, self._clock()) is not None,
            history=material.history,
            records=self._records(material),
        )

    def _records(self, material: Material) -> TeamRecords:
        """What the team recorded of itself, in the catalogue and in the portal.

        A commitment whose words break a rule is left out: it must not keep the page from its team.
        """
        team = next((team for team in self._catalogue.teams if team.id == material.team_id), None)
        if team is None:
            return NO_RECORDS
        return TeamRecords(
            targets={target.theme: target.percent for target in team.targets},
            rebases=tuple(Rebase(phase.period, phase.reason) for phase in team.phases),
            contacts={period: Contacts(care.total, care.groups) for period, care in team.contacts.items()},
            commitments=tuple(
                made
                for made in material.commitments
                if checker.may_be_told(made, self._names, self._catalogue.allow_list)
            ),
        )


def _differs(page: Page, newest: Page) -> bool:
    """Whether it is another page: of another's words, too, so that one revision never has two lists of sources."""
    return (
        page.held != newest.held
        or newest.sources not in (None, page.sources)
        or summaries.content_of(page.summary) != summaries.content_of(newest.summary)
    )


class Publishing:
    """Keeps published pages in step with the readings.

    Args:
        pages: where pages are kept.
        publisher: how they are sent.
        catalogue: whose pages they are.
        quiet: seconds without any new reading after which pages are written: a long import writes each page seldom.
        max_delay: seconds after which a page is written even under constant change.
        clock: tells the time that pages are dated with.
        calendar: what a period is, and when one closes.
    """

    def __init__(
        self,
        pages: PageStore,
        publisher: Publisher,
        catalogue: Catalogue,
        *,
        quiet: float,
        max_delay: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        calendar: Calendar = MONTHLY,
    ) -> None:
        self._pages = pages
        self._sending = Sending(pages, publisher)
        self._editor = Editor(catalogue, clock, calendar)
        self._calendar = calendar
        self._quiet = quiet
        self._max_delay = max_delay
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._healthy = True

    def use(self, catalogue: Catalogue) -> None:
        """Write pages by another catalogue from now on."""
        self._editor = Editor(catalogue, self._clock, self._calendar)

    async def settle(self) -> None:
        """Write and send everything that is due now, quiet or not; what another member is sending is left to it.

        Raises:
            TransientFault: the database, the broker or a team's topic is away; what is left stays due.
        """
        await self._round(quiet=0.0, max_delay=0.0, patient=False)
        if self._sending.waiting:
            raise TransientFault(f"summaries wait for {', '.join(self._sending.waiting)}; is the topic there?")

    async def pending(self) -> int:
        """How many pages are still to be written, pages to be published and lists to be sent."""
        return await self._pages.pending()

    async def healthy(self) -> bool:
        """Whether the last round of `keeping_up` did its work."""
        return self._healthy

    def keeping_up(self) -> AbstractAsyncContextManager[object]:
        """Write and send in the background while inside."""
        return background(self._forever, "learning-publishing")

    async def _forever(self) -> None:
        while True:
            try:
                await self._round(quiet=self._quiet, max_delay=self._max_delay)
                self._healthy = True
            except TransientFault as fault:
                self._healthy = False
                log.warning("summaries wait: %s", fault)
            except Exception:
                # Readiness shows it and the next round tries again: nothing is lost, the rows still say what is due.
                self._healthy = False
                log.exception("summaries could not be written or sent")
            await asyncio.sleep(max(self._quiet / 4, 0.05) if self._healthy else max(self._quiet, 1.0))

    async def _round(self, *, quiet: float, max_delay: float, patient: bool = True) -> None:
        async with self._one_at_a_time:
            while True:
                writings = await self._pages.write_due(
                    self._editor.write, quiet=quiet, max_delay=max_delay, limit=AT_ONCE, now=self._clock()
                )
                for writing in writings:
                    _tell(writing)
                if len(writings) < AT_ONCE:
                    break
            # Most rounds have nothing to send: one look instead of a transaction for each kind of it.
            if self._sending.waiting or await self._pages.pending():
                await self._sending.everything(patient=patient)


def _tell(writing: Writing) -> None:
    """Say in log and metrics what an operator must know; never a word of a page."""
    page = writing.page
    if writing.changed and page.held:
        telemetry.count(Metric.SUMMARIES, 1, {"outcome": "held"})
        log.error(
            "summary held: team %s, period %s: %s", page.summary.team_id, page.summary.period, "; ".join(page.held)
        )
