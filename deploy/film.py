"""Hands a film in as an integration does: declares it, uploads it to the bucket by the form, says that it is there."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import httpx

from deploy.sample.clip import film
from shared.errors import HeedError
from shared.events import feedback_id

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

PATIENCE = 30.0
"""Seconds that each of the three requests may take."""

SAMPLES_ABOUT = {"organisation": "Riverside Hospitals", "service": "Emergency department"}


async def hand_in_sample(url: str, key: str, integration: str, day: date) -> UUID:
    """Make the sample's film and hand it in; again on the same day is the same feedback.

    Args:
        url: of the gateway.
        key: of the integration.
        integration: its id.
        day: on which it was made.

    Returns:
        The feedback's id.

    Raises:
        HeedError: the gateway or the bucket does not take it.
    """
    content = await asyncio.to_thread(film)
    digest = hashlib.sha256(content).hexdigest()
    source_id = f"sample-film-{day.isoformat()}-{digest[:12]}"
    declaration = {
        "source_id": source_id,
        "channel": "kiosk",
        "occurred_at": day.isoformat(),
        "about": SAMPLES_ABOUT,
        "media": {"kind": "video", "size": len(content), "sha256": digest, "content_type": "video/mp4"},
        "consent": {"quote": True, "bystanders": "nobody", "staff": "nobody", "poster": True},
    }
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            ticket = _told(await http.post(f"{url}/v1/media", json=declaration, headers=headers))
            if form := (ticket.get("upload") or {}).get("recording"):
                _told(await http.post(form["url"], data=form["fields"], files={"file": ("film", content)}))
                _told(await http.post(f"{url}/v1/media/{ticket['media_id']}/complete", headers=headers))
    except httpx.HTTPError as error:
        raise HeedError(f"the sample's film did not arrive ({type(error).__name__}); run `heed doctor`") from error
    return feedback_id(integration, source_id)


def _told(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise HeedError(f"the sample's film was refused with {answer.status_code} by {answer.request.url.host}")
    found: dict[str, Any] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    return found
