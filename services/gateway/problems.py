"""What goes wrong, as RFC 9457 problem documents: they name the field, and never repeat what was in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from shared.errors import HeedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

MEDIA_TYPE = "application/problem+json"

OWN_RULE = "heed"
"""Type of the pydantic errors that this service words itself; only their text may go out as it is."""

MOST_ERRORS = 10
"""Fields named in one problem; a body of bad values must not make an answer larger than itself."""

KINDS = ("comment", "social_post", "video")

WORDING: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this kind of feedback",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "must be true or false",
    "literal_error": "must be one of: {expected}",
    "enum": "must be one of: {expected}",
    "model_attributes_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "tuple_type": "must be a list",
    "too_long": "must have at most {max_length} items",
    "union_tag_invalid": f"must be one of: {', '.join(KINDS)}",
    "union_tag_not_found": f"is required: one of {', '.join(KINDS)}",
}
"""Our words for pydantic's rules. Pydantic's own texts are never sent: some of them repeat the input."""


class FieldProblem(BaseModel):
    """One field and what is wrong with it."""

    field: str = Field(description="Dotted path, such as `about.organisation`; `body` for the whole.")
    problem: str


class ProblemDocument(BaseModel):
    """RFC 9457 `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


@dataclass(slots=True)
class Problem(HeedError):  # noqa: N818 - RFC 9457's own word
    """A request, or one line of a batch, that cannot be served.

    Attributes:
        status: HTTP status.
        kind: last part of the problem's type, `urn:heed:problem:<kind>`.
        detail: what is wrong and what to do; holds nothing of the request.
        errors: pairs of dotted field and what is wrong with it.
        headers: HTTP headers that belong to the answer.
    """

    status: int
    kind: str
    detail: str
    errors: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The detail, for logs."""
        return self.detail

    def document(self) -> dict[str, object]:
        """The members of the problem document."""
        return {
            "type": f"urn:heed:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": [{"field": name, "problem": problem} for name, problem in self.errors],
        }


def unauthorised() -> Problem:
    """A key that is missing, wrong or revoked; which of them is not told."""
    return Problem(
        401,
        "unauthorised",
        "A valid integration key is needed: Authorization: Bearer <key>.",
        [("Authorization", "is missing, or its key is wrong or revoked")],
        {"WWW-Authenticate": 'Bearer realm="heed"'},
    )


def not_found() -> Problem:
    """A receipt that the asker never got, or that cannot be one; which of them is not told."""
    return Problem(404, "not-found", "There is no such receipt.", [("receipt", "is not known")])


def too_large(limit: int, what: str = "body") -> Problem:
    """A body, or a line of one, over its limit in bytes. The connection closes: the rest is not read."""
    return Problem(
        413,
        "too-large",
        f"The {what} is larger than {limit} bytes.",
        [(what, f"must have at most {limit} bytes")],
        {"Connection": "close"},
    )


def wrong_media_type(expected: str) -> Problem:
    """A body that says it is something else, or that is compressed."""
    return Problem(
        415,
        "unsupported-media-type",
        f"Send {expected}, UTF-8, not compressed.",
        [("Content-Type", f"must be {expected}")],
        {"Accept": expected},
    )


def withdrawn() -> Problem:
    """Feedback that was taken back stays taken back."""
    return Problem(
        409,
        "withdrawn",
        "This source_id was withdrawn by its submitter; it is not taken again.",
        [("source_id", "belongs to withdrawn feedback")],
    )


def has_files() -> Problem:
    """A recording was declared under this id; what is said of it comes with its files."""
    return Problem(
        409,
        "has-files",
        "This source_id belongs to a recording that was declared with POST /v1/media; use another.",
        [("source_id", "belongs to a recording")],
    )


def has_no_files() -> Problem:
    """The other way round: feedback that came without files gets none."""
    return Problem(
        409,
        "has-no-files",
        "This source_id belongs to feedback that was handed in without files; use another.",
        [("source_id", "belongs to feedback without files")],
    )


def no_such_media() -> Problem:
    """A recording that this integration never declared."""
    return Problem(404, "not-found", "There is no such recording.", [("media_id", "is not known")])


def no_bucket() -> Problem:
    """An installation that takes no recordings."""
    return Problem(501, "no-bucket", "This installation takes no recordings: its operator has set no HEED_S3_ENDPOINT.")


def already_uploaded() -> Problem:
    """What was handed on is as it is."""
    return Problem(
        409,
        "already-uploaded",
        "The files of this source_id were handed in and are not changed; withdraw it, and use another source_id.",
        [("source_id", "belongs to a recording that is complete")],
    )


def not_uploaded(errors: Sequence[tuple[str, str]]) -> Problem:
    """Files that are not there, or not as they were declared: nothing has happened yet."""
    return Problem(
        409,
        "not-uploaded",
        "Upload the files with the forms first, then complete; POST /v1/media again makes fresh forms.",
        errors,
    )


def upload_expired() -> Problem:
    """A recording that was declared and not completed in time."""
    return Problem(
        409,
        "upload-expired",
        "It was not completed in time and is forgotten; POST /v1/media again makes fresh forms, then upload.",
        [("media_id", "has expired")],
    )


def database_away() -> Problem:
    """Nothing was written; the same request may be sent again."""
    return Problem(
        503, "unavailable", "The gateway cannot store feedback now; send it again.", headers={"Retry-After": "5"}
    )


def invalid(error: ValidationError) -> Problem:
    """Word pydantic's refusal: 400 where the body is no JSON, else 422 with the fields.

    Args:
        error: from validating a submission or an event.
    """
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        place = re.search(r"line \d+ column \d+$", found[0]["msg"])
        problem = f"is not valid JSON in UTF-8{' at ' + place[0] if place else ''}"
        return Problem(400, "malformed-json", "The body is not valid JSON in UTF-8.", [("body", problem)])
    errors = [
        (_field(item["loc"], item["type"]), _wording(item["type"], item["msg"], item.get("ctx", {})))
        for item in found[:MOST_ERRORS]
    ]
    names = ", ".join(dict.fromkeys(name for name, _ in errors))
    more = f" and {len(found) - MOST_ERRORS} more" if len(found) > MOST_ERRORS else ""
    return Problem(422, "invalid-feedback", f"Please correct: {names}{more}.", errors)


def _field(place: tuple[int | str, ...], rule: str) -> str:
    """The dotted path, without the union's tag; a name that the sender made up is cut short."""
    if rule.startswith("union_tag"):
        return "kind"
    parts = place[1:] if place and place[0] in KINDS else place
    return ".".join("".join(c if c.isprintable() else "?" for c in str(part)[:64]) for part in parts) or "body"


def _wording(rule: str, message: str, context: Mapping[str, object]) -> str:
    if rule == OWN_RULE:
        return message
    wording = WORDING.get(rule)
    return wording.format(**context) if wording else "is not valid"
