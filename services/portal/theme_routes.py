"""What several teams together heard about a theme, for everybody who is signed in; no team is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response

from services.portal import theme_names
from services.portal.access import SignedIn, portal_of
from services.portal.days import day
from services.portal.subscriptions_subject import of_theme
from services.portal.theme_view import digest_view
from shared import period_names
from shared.themes import SLUGS

if TYPE_CHECKING:
    from services.portal.people import Person
    from services.portal.published import Reference

routes = APIRouter()


@routes.get("/themes")
async def themes(request: Request, person: SignedIn) -> Response:
    """Every theme by its group, with its newest digest."""
    portal = portal_of(request)
    newest = await portal.digests.newest()
    groups = [
        (name, [(slug, theme_names.title(slug), _told(newest.get(slug))) for slug in slugs])
        for name, slugs in theme_names.grouped()
    ]
    return portal.views.page("themes.html", person, groups=groups, is_empty=not newest)


@routes.get("/themes/{slug}")
async def theme(request: Request, slug: str, person: SignedIn) -> Response:
    """A theme's newest digest, and links to the others."""
    return await _shown(request, person, slug, None)


@routes.get("/themes/{slug}/{period}")
async def theme_in_period(request: Request, slug: str, period: str, person: SignedIn) -> Response:
    """A theme's digest of one period."""
    return await _shown(request, person, slug, period)


async def _shown(request: Request, person: Person, slug: str, period: str | None) -> Response:
    if slug not in SLUGS:
        raise HTTPException(404)
    portal = portal_of(request)
    known = await portal.digests.periods(slug)
    wanted = (known[0].period if known else None) if period is None else day(period)
    digest = None if wanted is None else await portal.digests.one(slug, wanted)
    if digest is None and period is not None:
        raise HTTPException(404)
    if digest is not None:
        what = f"digest {slug}:{digest.key()} revision {digest.revision}"
        await portal.audit.viewed(person, what, datetime.now(UTC))
    return portal.views.page(
        "theme.html",
        person,
        slug=slug,
        title=theme_names.title(slug),
        theme=SLUGS[slug],
        about=of_theme(slug),
        digest=digest and digest_view(digest),
        others=[_told(each) for each in known if digest is None or each.period != digest.period],
    )


def _told(reference: Reference | None) -> tuple[str, str, bool] | None:
    """A digest's period: as its address has it, by name, and whether it is still open."""
    if reference is None:
        return None
    return reference.period.isoformat(), period_names.span(reference.period, reference.kind), reference.provisional
