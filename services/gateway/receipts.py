"""What whoever holds a receipt may know and do, without a key: the patient's own way in.

A receipt has 144 random bits, so that holding it is proof enough that the feedback is one's own.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.gateway.handlers import RECEIPT
from services.gateway.openapi import MediaState, SummaryReference, refusals
from services.gateway.problems import not_found

if TYPE_CHECKING:
    from services.gateway.handlers import Gateway
    from services.gateway.store import Journey

NOBODYS = ""
"""Looked up where a receipt cannot be one: what is malformed takes as long as what is unknown."""

HEADERS = {"Cache-Control": "no-store"}

routes = APIRouter()


class RecordingAnswer(BaseModel):
    """How far a recording's files have come."""

    state: MediaState
    reason: str | None = Field(None, description="A code, of what was rejected, held or erased.", examples=["too_long"])


class ReceiptAnswer(BaseModel):
    """How far the feedback has come, for its sender: no id, no integration, no words."""

    state: Literal["received", "read", "summarised", "withdrawn"]
    received_at: datetime
    read_at: datetime | None = None
    summarised: list[SummaryReference] | None = None
    withdrawn_at: datetime | None = None
    media: RecordingAnswer | None = None


class TakenBackAnswer(BaseModel):
    """Taken back: the raw words are gone, and every other part of Heed is being told."""

    state: Literal["withdrawn"] = "withdrawn"
    withdrawn_at: datetime


@routes.get("/v1/receipts/{receipt}", responses={200: {"model": ReceiptAnswer}, **refusals(404, 503)})
async def look(request: Request, receipt: str) -> Response:
    """How far the feedback of this receipt has come, for whoever holds it; no key is needed."""
    journey = await _gateway(request).store.journey(None, _possible(receipt))
    if journey is None:
        raise not_found()
    return JSONResponse(_told(journey).model_dump(mode="json", exclude_none=True), headers=HEADERS)


@routes.delete(
    "/v1/receipts/{receipt}",
    status_code=202,
    responses={202: {"model": TakenBackAnswer}, **refusals(404, 503)},
)
async def take_back(request: Request, receipt: str) -> Response:
    """Take the feedback back, for good; no key is needed. Doing it again is answered the same."""
    gateway = _gateway(request)
    withdrawal = await gateway.store.withdraw(None, _possible(receipt), gateway.clock())
    if withdrawal is None:
        raise not_found()
    gateway.wake()
    _, withdrawn_at = withdrawal
    return JSONResponse(TakenBackAnswer(withdrawn_at=withdrawn_at).model_dump(mode="json"), 202, HEADERS)


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _possible(receipt: str) -> str:
    return receipt if RECEIPT.fullmatch(receipt) else NOBODYS


def _told(journey: Journey) -> ReceiptAnswer:
    return ReceiptAnswer(
        state=journey.state,
        received_at=journey.received_at,
        read_at=journey.read_at,
        summarised=[SummaryReference(team_id=team, period=period) for team, period in journey.summarised] or None,
        withdrawn_at=journey.withdrawn_at,
        media=journey.media and RecordingAnswer(state=journey.media.state, reason=journey.media.reason),
    )
