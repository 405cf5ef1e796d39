"""What was said, asked of the gateway for the person who looks after something urgent. Kept nowhere, told to no log."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.portal.gateway import asked, gateway_client, is_refusal
from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from services.portal.settings import PortalSettings


P = TypeVar("P", bound="_Part")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Said(_Part):
    """Words of a recording, and when they were said."""

    start_seconds: float
    text: str = Field(repr=False)


class Words(_Part):
    """What a patient sent, as it came: it can name people.

    Attributes:
        recording: the id of what was uploaded with it, if anything was.
    """

    text: str = Field("", repr=False)
    said: tuple[Said, ...] = ()
    received_at: datetime
    recording: UUID | None = None
    content_type: str | None = None


class _Refusal(_Part):
    type: str


class Missing(StrEnum):
    """Why there are no words."""

    WITHDRAWN = "withdrawn"
    GONE = "gone"
    """Their retention is over."""


class UrgentWords:
    """Asks the gateway.

    Args:
        client: reaches the gateway by paths.
        token: what the gateway knows the portal by.
    """

    def __init__(self, client: httpx.AsyncClient, token: SecretStr) -> None:
        self._client = client
        self._token = token

    async def of(self, feedback_id: UUID, version: int) -> Words | Missing:
        """The words of one version, while the gateway keeps them.

        Raises:
            TransientFault: it does not answer, or not as it should.
        """
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        answer = await asked(self._client, "GET", f"/v1/words/{feedback_id}/{version}", headers)
        if is_refusal(answer, httpx.codes.GONE):
            return Missing.WITHDRAWN if _read(_Refusal, answer).type.endswith(":withdrawn") else Missing.GONE
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND}:
            raise TransientFault("the gateway gives no words: does it have the same HEED_URGENT_WORDS_TOKEN?")
        if not answer.is_success:
            raise TransientFault(f"the gateway answers {answer.status_code} when asked for words")
        return _read(Words, answer)


def _read(model: type[P], answer: httpx.Response) -> P:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError:
        raise TransientFault("the gateway answers what the portal cannot read when asked for words") from None


@asynccontextmanager
async def reading(settings: PortalSettings) -> AsyncIterator[UrgentWords | None]:
    """What asks for words while inside; None where the operator lets nobody read them here."""
    if settings.gateway_url is None or settings.urgent_words_token is None:
        yield None
        return
    async with gateway_client(settings.gateway_url) as client:
        yield UrgentWords(client, settings.urgent_words_token)
