"""`PageSources`: which feedback the quotes of a page are of. Restricted, and apart from the page on purpose.

Anybody in a team reads `learning-summaries` and its own `team-*-summaries`: what a quote's feedback is called must not
stand there. Only the portal reads this topic, to play a quote where it was said and to have its reading corrected.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from shared.events import NAMESPACE, CorrectedTheme, Event, Name, _Model

MOST_THEMES = 100
"""With each of its tones counted."""

LONGEST_RECORDING = 86_400
"""Seconds."""


class QuoteSource(_Model):
    """Where one quote comes from, and how its feedback was read; no words."""

    feedback_id: UUID
    version: Annotated[int, Field(ge=1)]
    """Of the feedback that was quoted."""
    sentiment: Annotated[int, Field(ge=1, le=5)]
    """1 very positive … 5 very negative: of the whole feedback, as it counts."""
    themes: Annotated[tuple[CorrectedTheme, ...], Field(max_length=MOST_THEMES)] = ()
    """Every theme that the whole feedback counts under, with each tone."""
    whole: bool = True
    """Whether the quote is all that was said; else it is a stretch of something longer."""
    media_id: UUID | None = None
    """Of the recording that the quote was said in; None: it was written."""
    content_type: Name | None = None
    """Of that recording."""
    start_seconds: Annotated[float, Field(ge=0, le=LONGEST_RECORDING)] | None = None
    """From the recording's start to where the quoted stretch begins; None: it was written, or not timed."""


class PageSources(Event):
    """The sources of one page's quotes. Whoever shows them compares the revision with the page's own first."""

    ce_type: ClassVar[str] = "heed.page.sources.v1"

    team_id: Name
    period: date
    """First day."""
    revision: Annotated[int, Field(ge=1)]
    """Of the page that the quotes stand on."""
    quotes: Annotated[tuple[QuoteSource, ...], Field(max_length=3)] = ()
    """In the order of `LearningSummary.quotes`, and as many."""
    generated_at: AwareDatetime
    """When the page was written."""

    def key(self) -> str:
        """As its page's: compaction keeps one per team and period."""
        return f"{self.team_id}:{self.period.isoformat()}"

    def identity(self) -> UUID:
        """One id per revision."""
        return uuid5(NAMESPACE, f"sources:{self.key()}:{self.revision}")

    def moment(self) -> datetime:
        """When the page was written."""
        return self.generated_at
