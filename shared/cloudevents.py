"""CloudEvents 1.0, Kafka protocol binding, binary mode: attributes in `ce_*` headers, JSON in the value.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from shared.errors import InvalidRecord
from shared.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

E = TypeVar("E", bound=Event)

Headers = list[tuple[str, bytes]]
"""Kafka headers as they travel: ordered, values in bytes."""

CONTENT_TYPE = b"application/json"


def encode(event: Event, source: str, traceparent: str | None = None) -> tuple[bytes, bytes, Headers]:
    """Turn an event into a Kafka key, value and headers.

    Args:
        event: what to send.
        source: the CloudEvents `source`: `/heed/<service>`.
        traceparent: the W3C trace context to carry on.
    """
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event.identity()).encode()),
        ("ce_type", event.ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", event.moment().isoformat().encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return event.key().encode(), event.model_dump_json(exclude_none=True).encode(), headers


def header(headers: Iterable[tuple[str, bytes | None]], name: str) -> str | None:
    """One header as text; a missing one, or one that is not UTF-8, is None."""
    for key, value in headers:
        if key == name and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def decode(model: type[E], value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> E:
    """Read a record as `model`.

    Raises:
        InvalidRecord: with a reason code; never with the content.
    """
    if value is None:
        raise InvalidRecord("null_value")
    pairs = list(headers)
    for _, raw in pairs:
        if not _is_text(raw):
            raise InvalidRecord("header_not_utf8")
    declared = header(pairs, "ce_type")
    if declared is None:
        raise InvalidRecord("missing_ce_type")
    if declared != model.ce_type:
        raise InvalidRecord("unknown_event_type")
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        raise InvalidRecord(_reason(error)) from None


def _is_text(raw: bytes | None) -> bool:
    try:
        (raw or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _reason(error: ValidationError) -> str:
    """A code from pydantic's error: the event's field and the rule, never the input.

    What stands below the field is left out: an index would make as many codes as there are list items, and a key of a
    mapping is the sender's own words.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "invalid_json"
    field = str(first["loc"][0]) if first["loc"] else "event"
    return f"invalid_{field}:{first['type']}"
