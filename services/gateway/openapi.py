"""The interface as OpenAPI describes it: answers, examples, and the input models that handlers read themselves."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field

from services.gateway.batch import MEDIA_TYPES
from services.gateway.problems import MEDIA_TYPE, ProblemDocument
from services.gateway.recording import RECORDING
from services.gateway.submission import SUBMISSION

if TYPE_CHECKING:
    from fastapi import FastAPI

DESCRIPTION = """\
Hand in what patients said, wrote or filmed; get a receipt; follow it; take it back.

A `202` means that the feedback is stored durably. The same `source_id` with the same content is answered with the same
receipt and changes nothing; changed content becomes the next version. Errors are `application/problem+json` and name
the field. NUL is refused; other control characters become a space. URLs and identities are never stored.

A recording is declared first (`POST /v1/media`), uploaded to the bucket with the forms that the answer holds, and then
completed (`POST /v1/media/{media_id}/complete`). Its receipt tells what became of it.
"""

EXAMPLES: dict[str, dict[str, Any]] = {
    "comment": {
        "summary": "An answer to a survey's question",
        "value": {
            "kind": "comment",
            "source_id": "survey-2026-03-0001",
            "channel": "survey",
            "text": "The nurse explained every step. We waited two hours for the tablets to go home with.",
            "question": "What could we do better?",
            "question_type": "could_improve",
            "rating": 2,
            "language": "en-GB",
            "occurred_at": "2026-03-01",
            "about": {"organisation": "Brookvale Hospital", "service": "Maternity", "unit": "Willow Ward"},
            "submitter": {"id": "panel-member-17", "role": "patient", "age_band": "25_34"},
            "consent": {"quote": True, "contact": False},
        },
    },
    "social_post": {
        "summary": "A public post",
        "value": {
            "kind": "social_post",
            "source_id": "post-99812",
            "channel": "bluesky",
            "text": "Quick and kind at the blood test clinic today 🙏",
            "author_id": "did:plc:example",
            "url": "https://social.example/post/99812",
            "occurred_at": "2026-03-01T09:30:00Z",
            "about": {"organisation": "Brookvale Hospital", "service": "Blood tests"},
        },
    },
    "video": {
        "summary": "A recording's metadata and transcript",
        "value": {
            "kind": "video",
            "source_id": "film-4",
            "channel": "kiosk",
            "transcript": [{"start_seconds": 0, "end_seconds": 4.5, "text": "They listened to my mum."}],
            "media": {"content_type": "video/mp4", "duration_seconds": 31.2},
            "occurred_at": "2026-03-01T14:00:00+00:00",
            "about": {"organisation": "Brookvale Hospital"},
            "consent": {"quote": False, "contact": True},
        },
    },
}


RECORDING_EXAMPLE: dict[str, Any] = {
    "summary": "A film with captions",
    "value": {
        "source_id": "film-5",
        "channel": "kiosk",
        "question": "What could we do better?",
        "question_type": "could_improve",
        "occurred_at": "2026-03-01T14:00:00+00:00",
        "about": {"organisation": "Brookvale Hospital", "service": "Maternity"},
        "submitter": {"role": "patient", "age_band": "25_34"},
        "media": {
            "kind": "video",
            "size": 7340032,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "content_type": "video/mp4",
            "duration_seconds": 31.2,
        },
        "captions": {
            "size": 2048,
            "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
            "content_type": "text/vtt",
        },
        "consent": {"quote": True, "bystanders": "nobody", "staff": "agreed", "poster": False},
        "retention_days": 90,
    },
}

MediaState = Literal["waiting_for_upload", "uploaded", "accepted", "rejected", "held", "erased", "expired"]


class AcceptedAnswer(BaseModel):
    """Accepted, and stored durably."""

    receipt: str = Field(examples=["q3yV0mWZk2b1T9cXr7LhA4eN"])
    feedback_id: UUID
    version: int = Field(ge=1, examples=[1])
    duplicate: bool = Field(description="The same content was there already; no second event was made.")


class SummaryReference(BaseModel):
    """A published summary that includes the feedback."""

    team_id: str
    period: date = Field(description="First day of the period.")


class JourneyAnswer(BaseModel):
    """How far the feedback has come."""

    receipt: str
    feedback_id: UUID
    version: int
    state: Literal["received", "read", "summarised", "withdrawn"]
    received_at: datetime
    read_at: datetime | None = None
    summarised: list[SummaryReference] | None = None
    withdrawn_at: datetime | None = None
    media: MediaAnswer | None = None


class FormAnswer(BaseModel):
    """Send it as `multipart/form-data`: every field as it is, and last the file as `file`. It works for one file."""

    url: str = Field(examples=["https://media.example.org/heed-media"])
    fields: dict[str, str] = Field(examples=[{"key": "quarantine/…/recording", "Content-Type": "video/mp4"}])


class TicketAnswer(BaseModel):
    """A recording that is declared. Without `upload` its files were handed in before."""

    media_id: UUID
    receipt: str = Field(examples=["q3yV0mWZk2b1T9cXr7LhA4eN"])
    state: MediaState
    expires_at: datetime | None = Field(None, description="Until when the forms work; declare again for fresh ones.")
    upload: dict[Literal["recording", "captions"], FormAnswer] | None = None


class CompletedAnswer(BaseModel):
    """Handed on to be checked; the receipt tells what became of it."""

    media_id: UUID
    receipt: str
    uploaded_at: datetime


class MediaAnswer(BaseModel):
    """How far a recording's files have come."""

    media_id: UUID
    state: MediaState
    reason: str | None = Field(None, description="A code, of what was rejected, held or erased.", examples=["too_long"])


class WithdrawnAnswer(BaseModel):
    """Taken back: the raw words are gone, and every other part of Heed is being told."""

    receipt: str
    feedback_id: UUID
    state: Literal["withdrawn"] = "withdrawn"
    withdrawn_at: datetime


class ReadyAnswer(BaseModel):
    """Whether the gateway gets its work done, check by check."""

    status: Literal["ok", "not ready"]
    checks: dict[str, bool]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for problem documents."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {status: {"description": "Refused", "content": {MEDIA_TYPE: schema}} for status in statuses}


def submission_body() -> dict[str, Any]:
    """The request body of one submission."""
    content = {"schema": {"$ref": "#/components/schemas/Submission"}, "examples": EXAMPLES}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def recording_body() -> dict[str, Any]:
    """The request body of a declaration."""
    content = {"schema": {"$ref": "#/components/schemas/Recording"}, "examples": {"video": RECORDING_EXAMPLE}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def batch_body() -> dict[str, Any]:
    """The request body of a batch."""
    content = {"schema": {"type": "string", "description": "One submission as JSON on each line."}}
    return {"requestBody": {"required": True, "content": {MEDIA_TYPES[0]: content}}}


def batch_answer() -> dict[int | str, dict[str, Any]]:
    """What a batch is answered with."""
    example = (
        '{"line":1,"status":202,"receipt":"q3yV0mWZk2b1T9cXr7LhA4eN",'
        '"feedback_id":"7b0c1f0e-6c2e-5d1e-9b57-3f3b1b8f6d11","version":1,"duplicate":false}\n'
        '{"line":2,"status":422,"problem":{"type":"urn:heed:problem:invalid-feedback","title":"Unprocessable Content",'
        '"status":422,"detail":"Please correct: text.","errors":[{"field":"text","problem":"must not be blank"}]}}\n'
    )
    content = {"schema": {"type": "string"}, "example": example}
    return {200: {"description": "One line of JSON for each line", "content": {MEDIA_TYPES[0]: content}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the whole app; made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        template = "#/components/schemas/{model}"
        schemas = document["components"]["schemas"]
        for name, model in (("Submission", SUBMISSION), ("Recording", RECORDING)):
            schema = model.json_schema(ref_template=template)
            schemas.update(schema.pop("$defs"))
            schemas[name] = schema
        problem = ProblemDocument.model_json_schema(ref_template=template)
        schemas.update(problem.pop("$defs"))
        schemas["ProblemDocument"] = problem
        app.openapi_schema = document
    return app.openapi_schema
