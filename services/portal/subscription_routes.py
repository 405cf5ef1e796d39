"""My subscriptions, links that end them, feeds, and for the steward what could not be delivered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal import feed
from services.portal.access import Form, SignedIn, portal_of
from services.portal.people import Person
from services.portal.subscriptions_offer import CHANNEL_NAMES, FREQUENCY_NAMES, frequency_of, in_words
from services.portal.subscriptions_subject import feed_title, named, noted, of_theme, theme_of
from services.portal.team_pages import visible_teams
from services.portal.theme_names import title
from shared.errors import UsageError
from shared.themes import SLUGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.portal.subscriptions import Feed, Wanted
    from services.portal.subscriptions_offer import Subscribing

routes = APIRouter()


def subscribing_of(request: Request) -> Subscribing:
    """The collaborators of these routes.

    Raises:
        HTTPException: 404, this installation has no subscriptions.
    """
    subscribing = portal_of(request).subscribing
    if subscribing is None:
        raise HTTPException(404)
    return subscribing


@routes.get("/subscriptions")
async def subscriptions(request: Request, person: SignedIn) -> Response:
    """The person's own, and a form for another one."""
    return await _listed(request, person, {"about": request.query_params.get("about", "")})


@routes.post("/subscriptions")
async def subscribe(request: Request, person: SignedIn, form: Form) -> Response:
    """One more; what opens or verifies it is shown here and never again."""
    subscribing = subscribing_of(request)
    portal = portal_of(request)
    about = form.get("about", "")
    if about not in await visible_teams(portal, person) and theme_of(about) not in SLUGS:
        return await _listed(request, person, form, problem="choose one of your teams, or a theme")
    try:
        wanted = await subscribing.offer.wanted(about, form)
        await subscribing.store.add(person, wanted, datetime.now(UTC))
    except UsageError as refused:
        return await _listed(request, person, form, problem=str(refused))
    if not wanted.secret and not wanted.feed_token:
        return RedirectResponse("/subscriptions", 303)
    return portal.views.page(
        "subscriptions/added.html",
        person,
        name=named(about, portal.directory.current),
        secret=wanted.secret,
        address=_feed_address(request, wanted),
    )


@routes.post("/subscriptions/{subscription}")
async def change(request: Request, subscription: UUID, person: SignedIn, form: Form) -> Response:
    """How often, and whether at all for now."""
    try:
        frequency = frequency_of(form)
    except UsageError as refused:
        return await _listed(request, person, {}, problem=str(refused))
    muted = form.get("muted") == "yes"
    store = subscribing_of(request).store
    if not await store.change(person, subscription, frequency, datetime.now(UTC), muted=muted):
        raise HTTPException(404)
    return RedirectResponse("/subscriptions", 303)


@routes.post("/subscriptions/{subscription}/end")
async def end(request: Request, subscription: UUID, person: SignedIn, form: Form) -> Response:
    """End it."""
    if not await subscribing_of(request).store.remove(person, subscription, datetime.now(UTC)):
        raise HTTPException(404)
    return RedirectResponse("/subscriptions", 303)


@routes.get("/unsubscribe/{token}")
async def unsubscribe(request: Request, token: str) -> Response:
    """A button, and nothing more: programs that look at links in messages must not press it."""
    portal = portal_of(request)
    about = await subscribing_of(request).store.about(token)
    if about is None:
        raise _unknown(request)
    name = named(about, portal.directory.current)
    return portal.views.page("subscriptions/unsubscribe.html", name=name, token=token)


@routes.post("/unsubscribe/{token}")
async def unsubscribed(request: Request, token: str) -> Response:
    """End it, without a sign-in: the token is good for this and nothing else (RFC 8058). The body is not read."""
    if not await subscribing_of(request).store.unsubscribe(token, datetime.now(UTC)):
        raise _unknown(request)
    return portal_of(request).views.page("subscriptions/unsubscribed.html")


@routes.get("/feeds/{name}")
async def atom(request: Request, name: str) -> Response:
    """A subscription's feed, for who has its address and while its owner may read what it is about."""
    subscribing = subscribing_of(request)
    portal = portal_of(request)
    found = await subscribing.store.feed(name.removesuffix(".atom")) if name.endswith(".atom") else None
    if found is None:
        raise _unknown(request)
    pair = (found.owner, found.about)
    if pair not in await subscribing.membership.permitted([pair], datetime.now(UTC)):
        raise HTTPException(404)
    source = feed.FeedSource(
        subscription=found.id,
        since=found.since,
        title=feed_title(found.about, portal.directory.current),
        address=f"{portal.settings.portal_url}/feeds/{name}",
        portal=portal.settings.portal_url,
        pages=await subscribing.store.feed_pages(found.about, feed.MOST_ENTRIES),
    )
    body = feed.document(source)
    headers = {"ETag": feed.entity_tag(body), "Cache-Control": "private, no-cache"}
    if feed.is_known(headers["ETag"], request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    await portal.audit.viewed(_owner(found), f"feed {found.id} {noted(found.about)}", datetime.now(UTC))
    return Response(body, headers=headers, media_type=feed.MEDIA_TYPE)


@routes.get("/deliveries")
async def deliveries(request: Request, person: SignedIn) -> Response:
    """What is tried no more, for the steward."""
    subscribing = subscribing_of(request)
    _require_steward(person)
    portal = portal_of(request)
    dead = [(each, named(each.about, portal.directory.current)) for each in await subscribing.deliveries.dead()]
    return portal.views.page(
        "subscriptions/deliveries.html", person, dead=dead, channel_names=CHANNEL_NAMES, in_words=in_words
    )


@routes.post("/deliveries/{delivery}/again")
async def again(request: Request, delivery: UUID, person: SignedIn, form: Form) -> Response:
    """Try it again from the start."""
    subscribing = subscribing_of(request)
    _require_steward(person)
    if not await subscribing.deliveries.replay([delivery], datetime.now(UTC), person):
        raise HTTPException(404)
    return RedirectResponse("/deliveries", 303)


async def _listed(request: Request, person: Person, fields: Mapping[str, str], problem: str | None = None) -> Response:
    """The list; after a problem with the form as it was filled in, but for the target, which may be a secret."""
    subscribing = subscribing_of(request)
    portal = portal_of(request)
    directory = portal.directory.current
    own = [(each, named(each.about, directory)) for each in await subscribing.store.of(person)]
    teams = [(team_id, directory.team(team_id).name) for team_id in await visible_teams(portal, person)]
    themes = sorted(((of_theme(slug), title(slug)) for slug in SLUGS), key=lambda theme: theme[1])
    return portal.views.page(
        "subscriptions/mine.html",
        person,
        status=422 if problem else 200,
        own=own,
        choices=[("My teams", teams), ("Themes, over all teams", themes)],
        chosen=fields,
        problem=problem,
        channels=[(channel, CHANNEL_NAMES[channel]) for channel in subscribing.offer.channels],
        channel_names=CHANNEL_NAMES,
        in_words=in_words,
        frequencies=list(FREQUENCY_NAMES.items()),
    )


def _feed_address(request: Request, wanted: Wanted) -> str | None:
    if wanted.feed_token is None:
        return None
    return f"{portal_of(request).settings.portal_url}/feeds/{wanted.feed_token}.atom"


def _owner(found: Feed) -> Person:
    return Person(found.owner, frozenset(), frozenset())


def _unknown(request: Request) -> HTTPException:
    """404; and 429 for an address that has tried many that are not there."""
    address = request.client.host if request.client else ""
    return HTTPException(404 if subscribing_of(request).limit.allows(address) else 429)


def _require_steward(person: Person) -> None:
    if not person.is_steward:
        raise HTTPException(404)
