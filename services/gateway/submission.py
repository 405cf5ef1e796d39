"""What an integration may send: the input models, strict, so that a typo is seen instead of swallowed."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from services.gateway.problems import OWN_RULE, invalid
from shared.events import MAX_TEXT, AgeBand, QuestionType

LONDON = ZoneInfo("Europe/London")

FOUNDED = date(1948, 7, 5)
"""The first day of the NHS: no feedback on it can be older."""

CLOCK_SKEW = timedelta(days=1)
"""How far in the future an integration's clock may be."""

BOM = b"\xef\xbb\xbf"

_CONTROLS = dict.fromkeys((*range(1, 9), 11, 12, *range(14, 32), *range(127, 160)), " ")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


def refused(problem: str) -> PydanticCustomError:
    """A rule of ours that a field breaks, in words that may go out as they are."""
    return PydanticCustomError(OWN_RULE, problem)


def _without_controls(value: str) -> str:
    """Refuse NUL, which PostgreSQL cannot store; other controls become a space, so that words stay apart."""
    if "\x00" in value:
        raise refused("must not contain the NUL character")
    return value.translate(_CONTROLS)


def is_blank(value: str) -> bool:
    """Whether nothing would be seen: spaces, line ends and zero-width characters only."""
    return all(character.isspace() or unicodedata.category(character) in {"Cc", "Cf", "Zs"} for character in value)


def _said(value: str) -> str:
    if is_blank(value):
        raise refused("must not be blank")
    return value


def _collapsed(value: str) -> str:
    """One space where there was any white space, no-break spaces included: exports are full of them."""
    return " ".join(value.split())


def _label(value: str) -> str:
    label = _collapsed(_without_controls(value))
    if is_blank(label):
        raise refused("must not be blank")
    if len(label) > 200:
        raise refused("must have at most 200 characters")
    return label


def _optional_label(value: str | None) -> str | None:
    return None if value is None or (is_blank(value) and "\x00" not in value) else _label(value)


def _question(value: str | None) -> str | None:
    text = None if value is None else _collapsed(_without_controls(value))
    return text or None


def _identifier(value: str) -> str:
    """An id is kept as it is: changing it could make two ids one."""
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise refused("must not contain control characters")
    return _said(value)


def _language(value: str | None) -> str | None:
    if value is not None and not _LANGUAGE.fullmatch(value):
        raise refused("must be a language tag such as en or en-GB")
    return value


def _moment(value: object, info: ValidationInfo) -> datetime:
    """Read an ISO 8601 date (noon in London) or datetime (London time where it has no offset), in UTC."""
    if not isinstance(value, str) or not (_DATE.fullmatch(value) or _DATETIME.fullmatch(value)):
        raise refused("must be an ISO 8601 date or datetime, such as 2026-03-01 or 2026-03-01T09:30:00Z")
    try:
        if _DATE.fullmatch(value):
            moment = datetime.combine(date.fromisoformat(value), time(12), LONDON)
        else:
            moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise refused("is not a date that exists") from None
    now = info.context["now"] if info.context else datetime.now(UTC)
    return _in_range(moment if moment.tzinfo else moment.replace(tzinfo=LONDON), now)


def _in_range(moment: datetime, now: datetime) -> datetime:
    if moment.date() < FOUNDED:
        raise refused("must not be before 1948-07-05")
    if moment.year > now.year + 2 or moment > now + CLOCK_SKEW:  # the year first: 9999 overflows in another zone
        raise refused("must not be in the future")
    return moment.astimezone(UTC)


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_without_controls)]
Words = Annotated[Text, AfterValidator(_said)]
Label = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_label)]
OptionalLabel = Annotated[Annotated[str, StringConstraints(max_length=1000)] | None, AfterValidator(_optional_label)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_identifier)]
Identity = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_identifier)]
Address = Annotated[str, StringConstraints(max_length=2000)]
Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "description": "A date means noon, no offset means Europe/London."}
    ),
]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Input(BaseModel):
    """The base of all that is sent: strict, and nothing that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class AboutInput(Input):
    """Which part of care the feedback speaks of, in the integration's own words."""

    organisation: Label
    service: OptionalLabel = None
    unit: OptionalLabel = None
    site: OptionalLabel = None


class SubmitterInput(Input):
    """What the submitter chose to tell. `id` becomes a keyed pseudonym; the value is never stored."""

    id: Identity | None = None
    role: Literal["patient", "carer", "relative", "staff", "other"] | None = None
    age_band: AgeBand | None = None


class ConsentInput(Input):
    """What the submitter agreed to; nothing is assumed."""

    quote: bool = False
    contact: bool = False


class SegmentInput(Input):
    """What was said between two moments of a recording, in seconds from its start."""

    start_seconds: Seconds
    end_seconds: Seconds
    text: Text

    @field_validator("end_seconds")
    @classmethod
    def _in_order(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("start_seconds", 0):
            raise refused("must not be before start_seconds")
        return value


class MediaInput(Input):
    """A recording's metadata. The URL is dropped: Heed never fetches it."""

    content_type: Label
    duration_seconds: Seconds | None = None
    url: Address | None = None


class Envelope(Input):
    """What every kind of feedback says of itself."""

    source_id: Identifier
    channel: Label
    question: Annotated[Annotated[str, StringConstraints(max_length=500)] | None, AfterValidator(_question)] = None
    question_type: QuestionType | None = None
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    language: Annotated[Annotated[str, StringConstraints(max_length=100)] | None, AfterValidator(_language)] = None
    occurred_at: Moment
    about: AboutInput
    submitter: SubmitterInput | None = None
    consent: ConsentInput | None = None


class CommentInput(Envelope):
    """A comment: a survey answer, a review, a letter."""

    kind: Literal["comment"]
    text: Words


class SocialPostInput(Envelope):
    """A public post. The author's id becomes a keyed pseudonym, the URL is dropped."""

    kind: Literal["social_post"]
    text: Words
    author_id: Identity | None = None
    url: Address | None = None


class VideoInput(Envelope):
    """A recording's metadata with its transcript, if there is one."""

    kind: Literal["video"]
    text: Text = ""
    transcript: Annotated[tuple[SegmentInput, ...], Field(max_length=10_000)] = ()
    media: MediaInput | None = None

    @field_validator("transcript")
    @classmethod
    def _within_limit(cls, value: tuple[SegmentInput, ...], info: ValidationInfo) -> tuple[SegmentInput, ...]:
        if sum(len(segment.text) for segment in value) + len(info.data.get("text", "")) > MAX_TEXT:
            raise refused(f"must have at most {MAX_TEXT} characters, text included")
        return value


Submission = Annotated[CommentInput | SocialPostInput | VideoInput, Field(discriminator="kind")]
SUBMISSION: TypeAdapter[CommentInput | SocialPostInput | VideoInput] = TypeAdapter(Submission)


def read_submission(body: bytes, now: datetime) -> CommentInput | SocialPostInput | VideoInput:
    """Read one submission from JSON bytes (a leading byte-order mark is ignored).

    Args:
        body: what was sent.
        now: the moment that "in the future" is measured from.

    Raises:
        Problem: 400 for what is no JSON in UTF-8, 422 for the rest, naming the fields.
    """
    context: dict[str, Any] = {"now": now}
    try:
        return SUBMISSION.validate_json(body.removeprefix(BOM), context=context)
    except ValidationError as error:
        raise invalid(error) from None
