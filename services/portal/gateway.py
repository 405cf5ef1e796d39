"""The gateway, asked from inside: the answer that it gave, or that it is away. Nothing asked for is told to a log."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

PROBLEM = "application/problem+json"
"""What the gateway's own refusals are; another server's 404 says nothing."""

CONNECT_LIMIT = 2.0
"""Seconds until the gateway must have taken a connection."""

ANSWER_LIMIT = 5.0
"""Seconds that it may take to answer, all in all."""

MOST_CONNECTIONS = 20


@asynccontextmanager
async def gateway_client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that reaches the gateway by paths, while inside."""
    async with httpx.AsyncClient(
        base_url=address,
        follow_redirects=False,
        trust_env=False,
        verify=ssl.create_default_context(),
        timeout=httpx.Timeout(ANSWER_LIMIT, connect=CONNECT_LIMIT),
        limits=httpx.Limits(max_connections=MOST_CONNECTIONS),
    ) as client:
        yield client


async def asked(
    client: httpx.AsyncClient, method: str, path: str, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Its answer, whatever that is.

    Raises:
        TransientFault: it does not answer.
    """
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            return await client.request(method, path, headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        # Of the error only its class: its text may name the address, and so a receipt.
        raise TransientFault(
            f"the gateway does not answer ({type(error).__name__}); is HEED_GATEWAY_URL right?"
        ) from None


def is_refusal(answer: httpx.Response, status: int) -> bool:
    """Whether the gateway itself refuses with this status."""
    return answer.status_code == status and answer.headers.get("content-type") == PROBLEM
