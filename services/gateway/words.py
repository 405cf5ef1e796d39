"""The raw words of one piece of feedback, while its outbox row is kept: for the portal, and for nobody else.

The portal lets the holder of a named role read what is urgent, and writes down who did; here it is written down once
more that words were given. An integration's key opens nothing of this.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text

from services.gateway.problems import Problem
from services.gateway.tokens import check_token
from shared.database import transient_faults_told
from shared.topics import FEEDBACK_SUBMITTED, MEDIA_UPLOADED

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.handlers import Gateway

BEARER = HTTPBearer(auto_error=False)

HEADERS = {"Cache-Control": "no-store"}

VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

_KEPT = text(
    """
    SELECT f.withdrawn_at, o.topic, o.event::text AS event
      FROM feedback f LEFT JOIN outbox o
           ON o.feedback_id = f.feedback_id AND o.version = :version AND o.topic IN (:submitted, :uploaded)
     WHERE f.feedback_id = :id
    """
)
_NOTE = text(
    "INSERT INTO audit (at, action, number, before) "
    "VALUES (CAST(:now AS timestamptz), 'gave raw words', 1, CAST(:now AS timestamptz))"
)

routes = APIRouter()


class RawWords:
    """The adapter to what the outbox keeps."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def of(self, feedback_id: UUID, version: int, now: datetime) -> dict[str, Any]:
        """What was said in this version, once an audit row says that it was given.

        Raises:
            Problem: 410, it was taken back, or is not kept, now or ever.
            TransientFault: the database is away.
        """
        given = {
            "id": feedback_id,
            "version": version,
            "submitted": FEEDBACK_SUBMITTED.name,
            "uploaded": MEDIA_UPLOADED.name,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            row = (await connection.execute(_KEPT, given)).first()
            if row is not None and row.withdrawn_at is not None:
                raise Problem(410, "withdrawn", "It was taken back by its submitter.")
            if row is None or row.event is None:
                raise Problem(410, "words-gone", "The raw words of this version are not kept.")
            await connection.execute(_NOTE, {"now": now})
        return _said(json.loads(row.event), is_recording=row.topic == MEDIA_UPLOADED.name)


def _said(event: dict[str, Any], *, is_recording: bool) -> dict[str, Any]:
    """Of an event only what a person is to read; of a recording what was written beside it, and what it is called."""
    feedback = event["feedback"] if is_recording else event
    media = feedback.get("media") or ()
    return {
        "text": feedback.get("text", ""),
        "said": [
            {"start_seconds": each["start_seconds"], "text": each["text"]} for each in feedback.get("transcript") or ()
        ],
        "received_at": feedback["received_at"],
        "recording": event["media_id"] if is_recording else None,
        "content_type": media[0]["content_type"] if is_recording and media else None,
    }


# For the portal and nobody else, so it does not stand in the interface that senders read.
@routes.get("/v1/words/{feedback_id}/{version}", include_in_schema=False)
async def words(
    request: Request,
    feedback_id: str,
    version: str,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Response:
    """Give what was said, to who has `HEED_URGENT_WORDS_TOKEN`."""
    gateway: Gateway = request.app.state.gateway
    token = credentials.credentials if credentials else None
    check_token(gateway.settings.urgent_words_token, token, "HEED_URGENT_WORDS_TOKEN")
    assert gateway.words is not None, "there is a token"
    given = await gateway.words.of(_identity(feedback_id), _version(version), gateway.clock())
    return JSONResponse(given, headers=HEADERS)


def _identity(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise _no_such() from None


def _version(given: str) -> int:
    if not VERSION.fullmatch(given):
        raise _no_such()
    return int(given)


def _no_such() -> Problem:
    return Problem(400, "malformed", "The address is /v1/words/{feedback_id}/{version}.")
