"""The HTTP side: routes to handlers, failures to problem documents."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.gateway import handlers, notifications, openapi, receipts, upload_handlers, words
from services.gateway.batch import MEDIA_TYPES, submit_batch
from services.gateway.handlers import Gateway
from services.gateway.integrations import Integration
from services.gateway.problems import MEDIA_TYPE, Problem, database_away
from shared import telemetry
from shared.errors import TransientFault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

Readiness = Callable[[], Awaitable[dict[str, bool]]]

BEARER = HTTPBearer(auto_error=False, description="The integration's key, `heed_…`.")
NO_STORE = {"Cache-Control": "no-store"}


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


async def _integration(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
) -> Integration:
    return await handlers.authenticate(_gateway(request), credentials.credentials if credentials else None)


Caller = Annotated[Integration, Depends(_integration)]


def _traced(request: Request) -> AbstractContextManager[str | None]:
    """A span of the route; yields what is kept with the feedback, so that its trace goes on behind the outbox."""
    brought = telemetry.valid_traceparent(request.headers.get("traceparent"))
    return telemetry.request_span(f"{request.method} {request.scope['route'].path}", brought)


async def submit(request: Request, caller: Caller) -> Response:
    """Hand in one piece of feedback. 202 means that it is stored durably."""
    gateway = _gateway(request)
    handlers.check_media_type(request.headers, "application/json")
    handlers.check_length(request.headers, gateway.settings.gateway_max_body)
    body = await handlers.read_body(request.stream(), gateway.settings.gateway_max_body)
    with _traced(request) as traceparent:
        accepted = await handlers.submit_feedback(gateway, caller, body, traceparent)
    answer = {
        "receipt": accepted.receipt,
        "feedback_id": str(accepted.feedback_id),
        "version": accepted.version,
        "duplicate": accepted.duplicate,
    }
    return JSONResponse(answer, 202, {"Location": f"/v1/feedback/{accepted.receipt}", **NO_STORE})


async def submit_many(request: Request, caller: Caller) -> Response:
    """Hand in many, one JSON document on each line; each line has its own answer, in order."""
    gateway = _gateway(request)
    handlers.check_media_type(request.headers, *MEDIA_TYPES)
    handlers.check_length(request.headers, gateway.settings.gateway_batch_body)
    with _traced(request) as traceparent:
        answers, is_whole = await submit_batch(gateway, caller, request.stream(), traceparent)
    # A body that was not read to its end must not be taken for the connection's next request.
    headers = NO_STORE if is_whole else {**NO_STORE, "Connection": "close"}
    return Response(b"".join(answers), media_type=MEDIA_TYPES[0], headers=headers)


async def follow(request: Request, receipt: str, caller: Caller) -> Response:
    """How far a piece of feedback has come: received, read, part of a summary, or withdrawn."""
    journey = await handlers.follow_feedback(_gateway(request), caller, receipt)
    answer = openapi.JourneyAnswer(
        receipt=journey.receipt,
        feedback_id=journey.feedback_id,
        version=journey.version,
        state=journey.state,
        received_at=journey.received_at,
        read_at=journey.read_at,
        summarised=[openapi.SummaryReference(team_id=team, period=period) for team, period in journey.summarised]
        or None,
        withdrawn_at=journey.withdrawn_at,
        media=journey.media and openapi.MediaAnswer(**asdict(journey.media)),
    )
    return JSONResponse(answer.model_dump(mode="json", exclude_none=True), headers=NO_STORE)


async def withdraw(request: Request, receipt: str, caller: Caller) -> Response:
    """Take feedback back, for good. Doing it again is answered the same."""
    feedback_id, withdrawn_at = await handlers.withdraw_feedback(_gateway(request), caller, receipt)
    answer = openapi.WithdrawnAnswer(receipt=receipt, feedback_id=feedback_id, withdrawn_at=withdrawn_at)
    return JSONResponse(answer.model_dump(mode="json"), 202, NO_STORE)


async def declare(request: Request, caller: Caller) -> Response:
    """Declare a recording; the answer holds a form for each of its files, to upload it to the bucket."""
    gateway = _gateway(request)
    handlers.check_media_type(request.headers, "application/json")
    handlers.check_length(request.headers, gateway.settings.gateway_max_body)
    body = await handlers.read_body(request.stream(), gateway.settings.gateway_max_body)
    ticket = await upload_handlers.declare_recording(gateway, caller, body)
    answer = openapi.TicketAnswer(
        media_id=ticket.media_id,
        receipt=ticket.receipt,
        state=ticket.state,
        expires_at=min((form.expires_at for form in ticket.forms.values()), default=None),
        upload={role: openapi.FormAnswer(url=form.url, fields=dict(form.fields)) for role, form in ticket.forms.items()}
        or None,
    )
    headers = {"Location": f"/v1/feedback/{ticket.receipt}", **NO_STORE}
    return JSONResponse(answer.model_dump(mode="json", exclude_none=True), 201 if ticket.is_new else 200, headers)


async def complete(request: Request, media_id: str, caller: Caller) -> Response:
    """Say that every file of a recording is uploaded. Saying it again is answered the same."""
    with _traced(request) as traceparent:
        done = await upload_handlers.complete_recording(_gateway(request), caller, media_id, traceparent)
    answer = openapi.CompletedAnswer(media_id=done.media_id, receipt=done.receipt, uploaded_at=done.uploaded_at)
    headers = {"Location": f"/v1/feedback/{done.receipt}", **NO_STORE}
    return JSONResponse(answer.model_dump(mode="json"), 202, headers)


async def notify(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
) -> Response:
    """Take the bucket's word that files were uploaded as a reason to look."""
    gateway = _gateway(request)
    notifications.check_sender(gateway, credentials.credentials if credentials else None)
    handlers.check_length(request.headers, notifications.LARGEST)
    body = await handlers.read_body(request.stream(), notifications.LARGEST)
    with _traced(request) as traceparent:
        complete = await notifications.on_notification(gateway, body, traceparent)
    return JSONResponse({"complete": complete}, headers=NO_STORE)


async def live() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def ready(request: Request) -> Response:
    """The gateway can store feedback and hand it on."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness()
    is_ready = all(checks.values())
    answer = {"status": "ok" if is_ready else "not ready", "checks": checks}
    return JSONResponse(answer, 200 if is_ready else 503, NO_STORE)


def build_app(gateway: Gateway, readiness: Readiness) -> FastAPI:
    """The gateway's ASGI app.

    Args:
        gateway: the handlers' collaborators.
        readiness: each check of `/health/ready` by name.
    """
    app = FastAPI(
        title="Heed gateway",
        version="1",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own spans hold the query and its log records hold exception texts: both may be a patient's words.
        telemetry={"tracing": False, "logs": False, "operation_spans": False, "auto_configure": False},
    )
    app.state.gateway = gateway
    app.state.readiness = readiness
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(TransientFault, _away)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(_NoTraceback)
    _add_routes(app)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def _add_routes(app: FastAPI) -> None:
    refusals = openapi.refusals
    app.add_api_route(
        "/v1/feedback",
        submit,
        methods=["POST"],
        status_code=202,
        responses={202: {"model": openapi.AcceptedAnswer}, **refusals(400, 401, 409, 413, 415, 422, 503)},
        openapi_extra=openapi.submission_body(),
    )
    app.add_api_route(
        "/v1/feedback:batch",
        submit_many,
        methods=["POST"],
        responses={**openapi.batch_answer(), **refusals(401, 413, 415, 503)},
        openapi_extra=openapi.batch_body(),
    )
    app.add_api_route(
        "/v1/feedback/{receipt}",
        follow,
        methods=["GET"],
        responses={200: {"model": openapi.JourneyAnswer}, **refusals(401, 404, 503)},
    )
    app.add_api_route(
        "/v1/feedback/{receipt}",
        withdraw,
        methods=["DELETE"],
        status_code=202,
        responses={202: {"model": openapi.WithdrawnAnswer}, **refusals(401, 404, 503)},
    )
    app.include_router(receipts.routes)
    app.include_router(words.routes)
    app.add_api_route(
        "/v1/media",
        declare,
        methods=["POST"],
        status_code=201,
        responses={
            200: {"model": openapi.TicketAnswer, "description": "Known already"},
            201: {"model": openapi.TicketAnswer},
            **refusals(400, 401, 409, 413, 415, 422, 501, 503),
        },
        openapi_extra=openapi.recording_body(),
    )
    app.add_api_route(
        "/v1/media/{media_id}/complete",
        complete,
        methods=["POST"],
        status_code=202,
        responses={202: {"model": openapi.CompletedAnswer}, **refusals(401, 404, 409, 501, 503)},
    )
    # For the bucket and nobody else, so it does not stand in the interface that senders read.
    app.add_api_route("/v1/media/notifications", notify, methods=["POST"], include_in_schema=False)
    app.add_api_route("/health/live", live, methods=["GET"])
    ready_answers: dict[int | str, dict[str, Any]] = {code: {"model": openapi.ReadyAnswer} for code in (200, 503)}
    app.add_api_route("/health/ready", ready, methods=["GET"], responses=ready_answers)


def _answer(problem: Problem) -> Response:
    return JSONResponse(problem.document(), problem.status, {**NO_STORE, **problem.headers}, MEDIA_TYPE)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(error)


async def _away(_request: Request, error: Exception) -> Response:
    log.warning("answered 503: %s", error)
    return _answer(database_away())


async def _http(_request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405."""
    assert isinstance(error, HTTPException)
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    detail = "There is nothing here for this method and path; see /openapi.json."
    return _answer(Problem(error.status_code, kind, detail, headers=dict(error.headers or {})))


class _NoTraceback:
    """Answers a failure of ours with a problem document; the log gets its class and place, not the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except ClientDisconnect:
            log.info("the client went away before its request was read")
        except Exception:
            log.exception("a request failed")
            if started or scope["type"] != "http":
                raise
            detail = "The gateway failed; this is not the request's fault. Send it again."
            await _answer(Problem(500, "internal", detail))(scope, receive, send)
