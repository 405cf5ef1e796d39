"""The HTTP side: routes, and what becomes of failures."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse

from services.portal import (
    commitment_routes,
    correction_routes,
    held_routes,
    receipt_routes,
    recording_routes,
    signing_in,
    subscription_routes,
    team_pages,
    theme_routes,
    urgent_routes,
    urgent_words_routes,
)
from services.portal.access import SignInNeededError, portal_of
from services.portal.protection import Protection
from shared.errors import TransientFault

if TYPE_CHECKING:
    from services.portal.assets import Assets
    from services.portal.portal import Portal

log = logging.getLogger(__name__)

Readiness = Callable[[], Awaitable[dict[str, bool]]]

ROUTES = (
    signing_in.routes,
    commitment_routes.routes,
    correction_routes.routes,
    held_routes.routes,
    receipt_routes.routes,
    recording_routes.routes,
    subscription_routes.routes,
    team_pages.routes,
    theme_routes.routes,
    urgent_routes.routes,
    urgent_words_routes.routes,
)
"""Every module of routes; a new one is added here."""


async def live() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """The portal can show pages and keep what people write."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness()
    is_ready = all(checks.values())
    answer = {"status": "ok" if is_ready else "not ready", "checks": checks}
    return JSONResponse(answer, 200 if is_ready else 503)


def build_app(portal: Portal, assets: Assets, readiness: Readiness) -> FastAPI:
    """The portal's ASGI app.

    Args:
        portal: the routes' collaborators.
        assets: what pages load.
        readiness: each check of `/health/ready` by name.
    """
    app = FastAPI(
        title="Heed portal",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # people read it, programs have topics
        redirect_slashes=False,
        # FastAPI's own spans hold the query and its log records hold exception texts: both may be somebody's words.
        telemetry={"tracing": False, "logs": False, "operation_spans": False, "auto_configure": False},
    )
    app.state.portal = portal
    app.state.readiness = readiness
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(TransientFault, _away)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(
        Protection,
        failure=lambda: portal.views.page("failed.html", status=500),
        secure=portal.settings.is_secure,
    )
    for routes in ROUTES:
        app.include_router(routes)
    app.include_router(assets.router())
    app.add_api_route("/health/live", live, methods=["GET"])
    app.add_api_route("/health/ready", ready, methods=["GET"])
    return app


async def _sign_in_needed(_request: Request, _error: Exception) -> Response:
    return RedirectResponse("/sign-in", 303)


async def _away(request: Request, error: Exception) -> Response:
    log.warning("answered 503: %s", error)
    response = portal_of(request).views.page("away.html", status=503)
    response.headers["Retry-After"] = "10"
    return response


async def _http(request: Request, error: Exception) -> Response:
    """What is not there, not allowed, or not a form of ours."""
    assert isinstance(error, HTTPException)
    template = "not_found.html" if error.status_code in (404, 405) else "refused.html"
    response = portal_of(request).views.page(template, status=error.status_code)
    response.headers.update(error.headers or {})
    return response
