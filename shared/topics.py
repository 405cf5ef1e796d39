"""The topic registry as data: who writes a topic, who reads it, how it is keyed and how long it is kept.

Nothing else in Heed spells a topic's name. `deploy` creates topics from it, the README's table is checked against it,
and every service takes its names from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.commitments import CommitmentRecorded
from shared.digests import ThemeDigest
from shared.events import (
    FeedbackAnalysed,
    FeedbackSubmitted,
    FeedbackSummarised,
    FeedbackUrgent,
    FeedbackWithdrawn,
    ReadingCorrected,
    UrgentAcknowledged,
)
from shared.held import SummaryHeld
from shared.media import MediaChecked, MediaUploaded
from shared.sources import PageSources
from shared.summaries import LearningSummary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.events import Event

DAY_MS = 24 * 60 * 60 * 1000
MEBIBYTE = 1024 * 1024


class Cleanup(StrEnum):
    """Kafka's two ways of forgetting."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, or one family of topics where the name holds `{team_id}` or `{slug}`.

    Attributes:
        event: the model of its values; None for dead letters, which keep whatever bytes arrived.
        key: what the partition key is, in words.
        retention_ms: how long a record is kept; None where compaction keeps the newest for ever.
        restricted: holds a patient's own words or points at a person: access by name only.
    """

    name: str
    description: str
    event: type[Event] | None
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitions: int
    retention_ms: int | None
    cleanup: Cleanup = Cleanup.DELETE
    restricted: bool = False
    largest_record: int = MEBIBYTE
    """Bytes; Kafka's `max.message.bytes`."""

    def named(self, **parts: str) -> str:
        """The name of one topic of a family."""
        return self.name.format(**parts)

    def names(self, team_ids: Iterable[str], themes: Iterable[str]) -> list[str]:
        """The topic's name, or those of a family's members.

        Args:
            team_ids: of the catalogue.
            themes: slugs.
        """
        if "{team_id}" in self.name:
            return [self.named(team_id=team) for team in team_ids]
        if "{slug}" in self.name:
            return [self.named(slug=slug) for slug in themes]
        return [self.name]

    def part_of(self, name: str) -> str | None:
        """What fills the placeholder in this name, nothing where there is none; None for another topic's name."""
        pattern = re.sub(r"\\\{\w+\\\}", "([A-Za-z0-9-]+)", re.escape(self.name))
        found = re.fullmatch(pattern, name)
        return "".join(found.groups()) if found else None

    @property
    def is_family(self) -> bool:
        """Whether the name holds a placeholder."""
        return "{" in self.name

    def creation_settings(self) -> dict[str, str]:
        """Kafka's per-topic settings."""
        settings = {"cleanup.policy": self.cleanup.value, "max.message.bytes": str(self.largest_record)}
        if self.retention_ms is not None:
            settings["retention.ms"] = str(self.retention_ms)
        return settings


FEEDBACK_SUBMITTED = Topic(
    name="feedback-submitted",
    description="Raw feedback as accepted: a patient's own words, for the analysis service only.",
    event=FeedbackSubmitted,
    key="feedback_id",
    producers=("gateway", "media"),
    consumers=("analysis",),
    partitions=6,
    retention_ms=7 * DAY_MS,
    restricted=True,
)
FEEDBACK_ANALYSED = Topic(
    name="feedback-analysed",
    description="What the model read: redacted text, sentiment, themes, severity.",
    event=FeedbackAnalysed,
    key="feedback_id",
    producers=("analysis",),
    consumers=("learning", "gateway"),
    partitions=6,
    retention_ms=30 * DAY_MS,
)
FEEDBACK_URGENT = Topic(
    name="feedback-urgent",
    description="Feedback that a named role should look at today; reasons, never words.",
    event=FeedbackUrgent,
    key="organisation",
    producers=("analysis",),
    consumers=("learning", "portal"),
    partitions=3,
    retention_ms=30 * DAY_MS,
    restricted=True,
)
URGENT_ACKNOWLEDGED = Topic(
    name="urgent-acknowledged",
    description="Urgent feedback that somebody in the named role has taken on; see `heed urgent`.",
    event=UrgentAcknowledged,
    key="feedback_id",
    producers=("portal",),
    consumers=("learning", "portal"),
    partitions=3,
    retention_ms=30 * DAY_MS,
    restricted=True,
)
READING_CORRECTED = Topic(
    name="reading-corrected",
    description="A team member's word against the model's: other themes, another sentiment.",
    event=ReadingCorrected,
    key="feedback_id",
    producers=("portal",),
    consumers=("learning",),
    partitions=3,
    retention_ms=30 * DAY_MS,
)
FEEDBACK_WITHDRAWN = Topic(
    name="feedback-withdrawn",
    description="Feedback that its submitter took back: forget it.",
    event=FeedbackWithdrawn,
    key="feedback_id",
    producers=("gateway",),
    consumers=("learning", "media", "portal"),
    partitions=3,
    retention_ms=30 * DAY_MS,
)
MEDIA_UPLOADED = Topic(
    name="media-uploaded",
    description="Files of a film, a sound recording or a picture are in quarantine, to be checked.",
    event=MediaUploaded,
    key="media_id",
    producers=("gateway",),
    consumers=("media",),
    partitions=3,
    retention_ms=7 * DAY_MS,
    restricted=True,
)
MEDIA_CHECKED = Topic(
    name="media-checked",
    description="What became of uploaded files: accepted, rejected, held for a person, or erased.",
    event=MediaChecked,
    key="media_id",
    producers=("media",),
    consumers=("gateway",),
    partitions=3,
    retention_ms=30 * DAY_MS,
    restricted=True,
)
FEEDBACK_SUMMARISED = Topic(
    name="feedback-summarised",
    description="Which feedback a published summary includes, so that its receipt can say so.",
    event=FeedbackSummarised,
    key="team:period",
    producers=("learning",),
    consumers=("gateway",),
    partitions=3,
    retention_ms=30 * DAY_MS,
    restricted=True,
)
LEARNING_SUMMARIES = Topic(
    name="learning-summaries",
    description="Every team's summary of every period, newest revision.",
    event=LearningSummary,
    key="team:period",
    producers=("learning",),
    consumers=("portal",),
    partitions=3,
    retention_ms=None,
    cleanup=Cleanup.COMPACT,
)
PAGE_SOURCES = Topic(
    name="page-sources",
    description="Which feedback the quotes of a page are of, beside the page: for the portal alone.",
    event=PageSources,
    key="team:period",
    producers=("learning",),
    consumers=("portal",),
    partitions=3,
    retention_ms=None,
    cleanup=Cleanup.COMPACT,
    restricted=True,
)
SUMMARIES_HELD = Topic(
    name="summaries-held",
    description="Pages that a rule keeps from their team, by rule and place: for who looks after the installation.",
    event=SummaryHeld,
    key="team:period",
    producers=("learning",),
    consumers=("portal",),
    partitions=3,
    retention_ms=None,
    cleanup=Cleanup.COMPACT,
    restricted=True,
)
COMMITMENTS = Topic(
    name="commitments",
    description="What teams try, changed or cannot change, in answer to what they heard.",
    event=CommitmentRecorded,
    key="team:commitment",
    producers=("portal",),
    consumers=("learning",),
    partitions=3,
    retention_ms=None,
    cleanup=Cleanup.COMPACT,
)
TEAM_SUMMARIES = Topic(
    name="team-{team_id}-summaries",
    description="One team's summaries, for that team to subscribe to.",
    event=LearningSummary,
    key="period",
    producers=("learning",),
    consumers=(),
    partitions=1,
    retention_ms=None,
    cleanup=Cleanup.COMPACT,
)
THEME_DIGESTS = Topic(
    name="theme-{slug}-digests",
    description="What at least three teams together heard about one theme; none is named, no small number told.",
    event=ThemeDigest,
    key="period",
    producers=("learning",),
    consumers=("portal",),
    partitions=1,
    retention_ms=None,
    cleanup=Cleanup.COMPACT,
)


def _dead_letters(service: str, *, restricted: bool) -> Topic:
    days = 7 if restricted else 30
    return Topic(
        name=f"{service}-dlq",
        description=f"Records that {service} could not read: original bytes, position and reason; see `heed dlq`.",
        event=None,
        key="as it was",
        producers=(service,),
        consumers=(),
        partitions=1,
        retention_ms=days * DAY_MS,
        restricted=restricted,
        largest_record=2 * MEBIBYTE,  # whatever its source topic took, and our headers
    )


DEAD_LETTERS = {
    "gateway": _dead_letters("gateway", restricted=False),
    "analysis": _dead_letters("analysis", restricted=True),
    "learning": _dead_letters("learning", restricted=False),
    "media": _dead_letters("media", restricted=True),
    "portal": _dead_letters("portal", restricted=False),
}

TOPICS: tuple[Topic, ...] = (
    FEEDBACK_SUBMITTED,
    FEEDBACK_ANALYSED,
    FEEDBACK_URGENT,
    URGENT_ACKNOWLEDGED,
    FEEDBACK_WITHDRAWN,
    MEDIA_UPLOADED,
    MEDIA_CHECKED,
    READING_CORRECTED,
    FEEDBACK_SUMMARISED,
    LEARNING_SUMMARIES,
    PAGE_SOURCES,
    SUMMARIES_HELD,
    COMMITMENTS,
    TEAM_SUMMARIES,
    THEME_DIGESTS,
    *DEAD_LETTERS.values(),
)
