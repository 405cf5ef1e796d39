"""Every event that crosses a service border, as frozen pydantic models.

Breaking a model means a new class, a new `type` and a new topic; adding an optional field does not. The golden JSON
under `tests/contract/golden/` holds one example of each version that was ever published.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_TEXT = 100_000
"""Characters of text that one submission may hold, transcript included."""

NAMESPACE = uuid5(NAMESPACE_URL, "urn:heed:feedback")
"""Namespace of every deterministic id that Heed makes."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""A short label: an organisation, a service, a team."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A probability or a share, 0 to 1."""


AgeBand = Literal["under_16", "16_24", "25_34", "35_44", "45_54", "55_64", "65_74", "75_84", "85_over"]
"""As told by the submitter, in years."""


def feedback_id(integration: str, source_id: str) -> UUID:
    """Name one piece of feedback for ever: UUIDv5 of the integration and its own id for it."""
    return uuid5(NAMESPACE, f"{len(integration)}:{integration}{source_id}")


class Kind(StrEnum):
    """What a patient sent."""

    COMMENT = "comment"
    SOCIAL_POST = "social_post"
    VIDEO = "video"


class QuestionType(StrEnum):
    """What the comment answers; "Nothing." means opposite things under the first two."""

    WHAT_GOOD = "what_good"
    COULD_IMPROVE = "could_improve"
    NONSPECIFIC = "nonspecific"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class Event(_Model):
    """The base of all events: what CloudEvents and Kafka need to know of one."""

    ce_type: ClassVar[str]

    @abstractmethod
    def key(self) -> str:
        """The partition key."""

    @abstractmethod
    def identity(self) -> UUID:
        """The deterministic CloudEvents id: the same event, sent twice, has the same id."""

    @abstractmethod
    def moment(self) -> datetime:
        """When it happened (CloudEvents `time`)."""


class About(_Model):
    """Which part of care the feedback speaks of, in the integration's own words."""

    organisation: Name
    service: Name | None = None
    unit: Name | None = None
    site: Name | None = None


class Source(_Model):
    """Who handed the feedback in, and through which channel (survey, website, x, youtube, …)."""

    integration: Name
    channel: Name


class Submitter(_Model):
    """What the submitter chose to tell; never inferred. `pseudonym` is a keyed HMAC, never the value."""

    pseudonym: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    role: Literal["patient", "carer", "relative", "staff", "other"] | None = None
    age_band: AgeBand | None = None


class Consent(_Model):
    """What the submitter agreed to; nothing is assumed."""

    quote: bool = False
    contact: bool = False


class MediaReference(_Model):
    """A film, sound or picture that belongs to the feedback, without its content."""

    media_id: Name
    content_type: Name
    duration_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    stored: bool = False
    """Whether its checked copy was put into the bucket; else nobody but the sender has it."""


class TranscriptSegment(_Model):
    """What was said between two moments of a recording, in seconds from its start."""

    start_seconds: Annotated[float, Field(ge=0, le=86_400)]
    end_seconds: Annotated[float, Field(ge=0, le=86_400)]
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_seconds < self.start_seconds:
            raise ValueError("a segment ends before it starts")
        return self


class FeedbackSubmitted(Event):
    """Raw feedback, accepted and durable. Restricted: it holds a patient's own words."""

    ce_type: ClassVar[str] = "heed.feedback.submitted.v1"

    feedback_id: UUID
    version: Annotated[int, Field(ge=1)] = 1
    kind: Kind
    source: Source
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = ""
    transcript: Annotated[tuple[TranscriptSegment, ...], Field(max_length=10_000)] = ()
    question: Annotated[str, StringConstraints(max_length=500)] | None = None
    question_type: QuestionType = QuestionType.NONSPECIFIC
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    """The FFT answer: 1 very good … 5 very poor."""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    about: About
    submitter: Submitter = Submitter()
    consent: Consent = Consent()
    media: Annotated[tuple[MediaReference, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _something_was_said(self) -> Self:
        if self.kind is not Kind.VIDEO and not self.text.strip():
            raise ValueError("text is empty")
        if sum(len(segment.text) for segment in self.transcript) + len(self.text) > MAX_TEXT:
            raise ValueError(f"text and transcript together exceed {MAX_TEXT} characters")
        return self

    def key(self) -> str:
        """Partition by feedback id, so that versions keep their order."""
        return str(self.feedback_id)

    def identity(self) -> UUID:
        """One id per version."""
        return uuid5(self.feedback_id, f"submitted:{self.version}")

    def moment(self) -> datetime:
        """When Heed received it."""
        return self.received_at


class Sentiment(_Model):
    """Five classes, 1 very positive … 5 very negative, with the probability of each."""

    label: Annotated[int, Field(ge=1, le=5)]
    probabilities: Annotated[tuple[Share, ...], Field(min_length=5, max_length=5)]


class Theme(_Model):
    """One of the model's themes, with its probability."""

    name: Name
    probability: Share


class AnalysedSegment(_Model):
    """A redacted stretch of the text with its own reading; seconds only for recordings."""

    text: str
    sentiment: Sentiment
    themes: tuple[Theme, ...] = ()
    start_seconds: float | None = None
    end_seconds: float | None = None


class FeedbackAnalysed(Event):
    """What the model read. Holds redacted text only."""

    ce_type: ClassVar[str] = "heed.feedback.analysed.v1"

    feedback_id: UUID
    version: Annotated[int, Field(ge=1)]
    kind: Kind
    source: Source
    about: About
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    analysed_at: AwareDatetime
    question_type: QuestionType = QuestionType.NONSPECIFIC
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    language: str | None = None
    role: str | None = None
    age_band: str | None = None
    segments: tuple[AnalysedSegment, ...]
    """Empty for a recording without a transcript: the voice still counts."""
    sentiment: Sentiment | None = None
    """None where there was nothing to read."""
    themes: tuple[Theme, ...]
    severity: Share
    urgent: bool
    quote_ok: bool
    redactions: dict[str, int]
    """How many of each kind were replaced."""
    model_version: str
    media: Annotated[tuple[MediaReference, ...], Field(max_length=20)] = ()
    """As it was submitted: what the seconds of the segments count in."""

    def key(self) -> str:
        """Partition by feedback id."""
        return str(self.feedback_id)

    def identity(self) -> UUID:
        """One id per version and model version."""
        return uuid5(self.feedback_id, f"analysed:{self.version}:{self.model_version}")

    def moment(self) -> datetime:
        """When the model read it."""
        return self.analysed_at


class FeedbackUrgent(Event):
    """A person should look at this today. Restricted; carries reasons, never the words."""

    ce_type: ClassVar[str] = "heed.feedback.urgent.v1"

    feedback_id: UUID
    version: Annotated[int, Field(ge=1)]
    about: About
    reasons: Annotated[tuple[str, ...], Field(min_length=1)]
    """Codes: `lexicon:self_harm`, `severity`, `under_16`, …"""
    role: Name | None = None
    """Who is to be told, by the team catalogue: a role, never a person. None where it names none."""
    severity: Share
    occurred_at: AwareDatetime
    flagged_at: AwareDatetime

    def key(self) -> str:
        """Partition by organisation: one desk reads one organisation's."""
        return self.about.organisation

    def identity(self) -> UUID:
        """One id per version."""
        return uuid5(self.feedback_id, f"urgent:{self.version}")

    def moment(self) -> datetime:
        """When it was flagged."""
        return self.flagged_at


class FeedbackWithdrawn(Event):
    """The submitter took it back: every store forgets it, whatever version arrives later."""

    ce_type: ClassVar[str] = "heed.feedback.withdrawn.v1"

    feedback_id: UUID
    withdrawn_at: AwareDatetime
    reason: Literal["submitter", "platform", "operator"] = "submitter"

    def key(self) -> str:
        """Partition by feedback id."""
        return str(self.feedback_id)

    def identity(self) -> UUID:
        """One id: a thing is withdrawn once."""
        return uuid5(self.feedback_id, "withdrawn")

    def moment(self) -> datetime:
        """When it was withdrawn."""
        return self.withdrawn_at


class FeedbackSummarised(Event):
    """These pieces of feedback are part of a published summary: it closes the loop to the receipt."""

    ce_type: ClassVar[str] = "heed.feedback.summarised.v1"

    team_id: Name
    period: date
    """First day of the period."""
    revision: Annotated[int, Field(ge=1)]
    part: Annotated[int, Field(ge=0)] = 0
    """A long list of ids goes out in parts, numbered from 0."""
    feedback_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=1_000)]
    summarised_at: AwareDatetime

    def key(self) -> str:
        """Partition by team and period."""
        return f"{self.team_id}:{self.period.isoformat()}"

    def identity(self) -> UUID:
        """One id per team, period, revision and part."""
        return uuid5(NAMESPACE, f"summarised:{self.key()}:{self.revision}:{self.part}")

    def moment(self) -> datetime:
        """When the summary went out."""
        return self.summarised_at


class CorrectedTheme(_Model):
    """A theme that feedback does raise, in a person's judgement, and the tone in which it does."""

    name: Name
    tone: Literal["positive", "neutral", "negative"]


class ReadingCorrected(Event):
    """A team member's word against the model's. The newest one of a version stands, as a whole; it holds no words."""

    ce_type: ClassVar[str] = "heed.reading.corrected.v1"

    feedback_id: UUID
    version: Annotated[int, Field(ge=1)]
    """Of the feedback that was looked at; another version's words are others."""
    correction: Annotated[int, Field(ge=1)] = 1
    """Numbers the corrections of one version."""
    sentiment: Annotated[int, Field(ge=1, le=5)] | None = None
    """1 very positive … 5 very negative; None: as the model read it."""
    themes: Annotated[tuple[CorrectedTheme, ...], Field(max_length=50)] | None = None
    """Every theme that it raises; None: as the model read them."""
    corrected_at: AwareDatetime

    def key(self) -> str:
        """Partition by feedback id."""
        return str(self.feedback_id)

    def identity(self) -> UUID:
        """One id per version and correction."""
        return uuid5(self.feedback_id, f"corrected:{self.version}:{self.correction}")

    def moment(self) -> datetime:
        """When it was corrected."""
        return self.corrected_at


class UrgentAcknowledged(Event):
    """Somebody in the role that was to be told has taken an urgent piece of feedback on."""

    ce_type: ClassVar[str] = "heed.urgent.acknowledged.v1"

    feedback_id: UUID
    version: Annotated[int, Field(ge=1)]
    """What was looked at; an edit that is urgent again wants another look."""
    role: Name
    """Whose role it is; never a person's name."""
    acknowledged_at: AwareDatetime

    def key(self) -> str:
        """Partition by feedback id."""
        return str(self.feedback_id)

    def identity(self) -> UUID:
        """One id per version."""
        return uuid5(self.feedback_id, f"acknowledged:{self.version}")

    def moment(self) -> datetime:
        """When it was."""
        return self.acknowledged_at
