"""The bucket's own word that something was uploaded, where an operator has it told: the same as `complete`.

MinIO sends S3's event records to a webhook. What they say is not believed, only taken as a reason to look.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.problems import Problem, invalid
from services.gateway.tokens import check_token
from services.gateway.upload_handlers import complete_declared

if TYPE_CHECKING:
    from services.gateway.handlers import Gateway

MOST_RECORDS = 1_000
"""S3 sends one; MinIO, too."""

LARGEST = 256 * 1024
"""Bytes of a notification."""

_KEY = re.compile(r"quarantine/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?:recording|captions)", re.ASCII)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class _Object(_Told):
    key: str = Field(max_length=4_000)


class _Bucketed(_Told):
    object: _Object


class _Record(_Told):
    s3: _Bucketed


class Notification(_Told):
    """What S3 calls an event notification, as far as it is of use here."""

    Records: list[_Record] = Field([], max_length=MOST_RECORDS)


def check_sender(gateway: Gateway, token: str | None) -> None:
    """Let in who has `HEED_MEDIA_NOTIFICATION_TOKEN`.

    Raises:
        Problem: 401; 404 where there is none, as if nothing were here.
    """
    check_token(gateway.settings.media_notification_token, token, "HEED_MEDIA_NOTIFICATION_TOKEN")


def mentioned(body: bytes) -> list[UUID]:
    """The recordings whose files a notification is about, each once; other objects are passed over.

    Raises:
        Problem: 400 or 422 for what is no notification.
    """
    try:
        told = Notification.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
    keys = (_KEY.fullmatch(unquote_plus(record.s3.object.key)) for record in told.Records)
    return list(dict.fromkeys(UUID(key[1]) for key in keys if key))


async def on_notification(gateway: Gateway, body: bytes, traceparent: str | None) -> int:
    """Complete every recording that is mentioned and is all there; the others wait for their next file.

    Returns:
        How many are complete, now or before.

    Raises:
        Problem: it is no notification.
        TransientFault: the database or the bucket is away; the bucket sends it again.
    """
    complete = 0
    for media in mentioned(body):
        try:
            await complete_declared(gateway, media, None, traceparent)
        except Problem as problem:
            if problem.status not in {404, 409}:  # nobody declared it, or a file is missing, or it is over
                raise
        else:
            complete += 1
    return complete
