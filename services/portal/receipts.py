"""The gateway, asked on behalf of whoever holds a receipt: how far it has come, and to take it back.

The receipt goes to the gateway and nowhere else: it is kept in no table, and no log line has it.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from services.portal.gateway import asked, gateway_client, is_refusal
from services.portal.protection import Limit
from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.portal.settings import PortalSettings

RECEIPT = re.compile(r"[A-Za-z0-9_-]{24}", re.ASCII)
"""What a receipt can be; nothing else is put into an address."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Summarised(_Part):
    """A summary that the feedback is part of; `period` is its first day."""

    team_id: str
    period: date


class Recording(_Part):
    """How far a recording has come; `reason` is a code."""

    state: str
    reason: str | None = None


class Journey(_Part):
    """How far feedback has come, as the gateway tells the holder of its receipt."""

    state: Literal["received", "read", "summarised", "withdrawn"]
    received_at: datetime
    read_at: datetime | None = None
    summarised: tuple[Summarised, ...] = ()
    withdrawn_at: datetime | None = None
    media: Recording | None = None


class Receipts:
    """Asks the gateway.

    Args:
        client: reaches the gateway by paths.
        limit: on receipts that are not there, by address.
    """

    def __init__(self, client: httpx.AsyncClient, limit: Limit) -> None:
        self._client = client
        self.limit = limit

    async def look(self, receipt: str) -> Journey | None:
        """How far the feedback has come; None where there is no such receipt.

        Raises:
            TransientFault: the gateway does not answer, or not as it should.
        """
        answer = await self._asked("GET", receipt)
        if answer is None:
            return None
        try:
            return Journey.model_validate_json(answer.content)
        except ValidationError:
            raise TransientFault("the gateway tells of a receipt what the portal cannot read") from None

    async def withdraw(self, receipt: str) -> bool:
        """Take the feedback back, once or again; whether there is such a receipt.

        Raises:
            TransientFault: the gateway does not answer, or not as it should; doing it again is safe.
        """
        return await self._asked("DELETE", receipt) is not None

    async def _asked(self, method: str, receipt: str) -> httpx.Response | None:
        if not RECEIPT.fullmatch(receipt):
            return None
        answer = await asked(self._client, method, f"/v1/receipts/{receipt}")
        if is_refusal(answer, httpx.codes.NOT_FOUND):
            return None
        if not answer.is_success:
            raise TransientFault(f"the gateway answers {answer.status_code} about a receipt")
        return answer


@asynccontextmanager
async def following(settings: PortalSettings) -> AsyncIterator[Receipts | None]:
    """What asks the gateway while inside; None where the operator has named none."""
    if settings.gateway_url is None:
        yield None
        return
    async with gateway_client(settings.gateway_url) as client:
        yield Receipts(client, Limit(settings.portal_sign_ins))
