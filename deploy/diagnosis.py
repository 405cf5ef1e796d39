"""What `heed doctor` looks at: one finding a check, each a plain line that says what to do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import httpx
from sqlalchemy import text

from deploy.connection import VARIABLES, database_url
from deploy.create_topics import Change, check_topics
from deploy.dead_letters import DeadLetterTopics
from services.learning.catalogue import CatalogueError, warnings
from services.learning.catalogue import read as read_catalogue
from services.learning.pages import PageStore
from services.learning.settings import LearningSettings
from services.learning.store import ReadingStore
from services.learning.urgent import UrgentStore
from services.media.store import MediaStore
from shared.database import engine, transient_faults_told
from shared.errors import HeedError
from shared.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.connection import Installation

BUCKET_VARIABLES = ("HEED_S3_ENDPOINT", "HEED_S3_ACCESS_KEY", "HEED_S3_SECRET_KEY", "HEED_S3_BUCKET")

URGENT_WITHIN_HOURS = LearningSettings.model_fields["urgent_within_hours"].default

T = TypeVar("T")

SHOWN = 3
"""Names told of each kind of problem; the rest as a number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `told` is one line, and where it is a problem it ends with what to do."""

    check: str
    ok: bool
    told: str


async def diagnose(installation: Installation, environment: Mapping[str, str] = os.environ) -> AsyncIterator[Finding]:
    """Look at everything that is known of an installation; a part that is not told of is a finding too.

    A check that fails never keeps the others from being made.
    """
    if not installation.running:
        yield Finding("stack", False, f"none runs in {installation.data_dir}; start it with `heed up`")
        return
    checks: list[tuple[str, Callable[[], Awaitable[list[Finding]]]]] = [
        ("topics", lambda: _topics(installation)),
        ("dead letters", lambda: _dead_letters(installation)),
        ("gateway", lambda: _gateway(installation)),
        ("gateway database", lambda: _database(installation, "gateway")),
        ("learning database", lambda: _database(installation, "learning")),
        ("media database", lambda: _database(installation, "media")),
        ("portal database", lambda: _database(installation, "portal")),
        ("urgent feedback", lambda: _urgent(installation, environment)),
        ("unrouted feedback", lambda: _unrouted(installation)),
        ("held summaries", lambda: _held(installation)),
        ("held recordings", lambda: _held_media(installation)),
        ("catalogue", lambda: _catalogue(installation)),
    ]
    if environment.get(BUCKET_VARIABLES[0]):
        checks.append(("bucket", lambda: _bucket(environment)))
    for name, check in checks:
        try:
            findings = await check()
        except HeedError as error:
            findings = [Finding(name, False, str(error))]
        for finding in findings:
            yield finding


async def _topics(installation: Installation) -> list[Finding]:
    settings = installation.kafka()
    teams = read_catalogue(installation.catalogue).team_ids if installation.catalogue else ()
    outcomes = await check_topics(settings, teams)
    found = [Finding("broker", True, f"{settings.kafka_bootstrap} answers")]
    missing = [outcome.topic for outcome in outcomes if outcome.change is Change.MISSING]
    if missing:
        told = f"{_some(missing)} missing; run `python -m deploy.create_topics`"
        found.append(Finding("topics", False, told))
    for outcome in outcomes:
        if outcome.change is Change.DIFFERS:
            told = f"{outcome.topic}: {outcome.detail}; `python -m deploy.create_topics` mends settings"
            found.append(Finding("topics", False, told))
    if len(found) == 1:
        found.append(Finding("topics", True, f"all {len(outcomes)} are as the registry says"))
    return found


async def _dead_letters(installation: Installation) -> list[Finding]:
    settings = installation.kafka()
    waiting = (await DeadLetterTopics(settings).read()).waiting()
    if not waiting:
        return [Finding("dead letters", True, "none wait")]
    reasons = sorted({f"{letter.service}: {letter.reason}" for letter in waiting})
    told = f"{len(waiting)} wait ({_some(reasons)}); see `heed dlq list`, mend the cause, then `heed dlq replay`"
    return [Finding("dead letters", False, told)]


async def _gateway(installation: Installation) -> list[Finding]:
    url = installation.need("gateway_url").rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            answer = await http.get(f"{url}/health/ready")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        told = f"{url} does not answer ({type(error).__name__}); is it up, and is {VARIABLES['gateway_url']} right?"
        return [Finding("gateway", False, told)]
    if answer.status_code == httpx.codes.OK:
        return [Finding("gateway", True, f"{url} is ready")]
    return [Finding("gateway", False, f"{url} is not ready ({_failed_checks(answer)}); see its log")]


def _failed_checks(answer: httpx.Response) -> str:
    try:
        checks = answer.json()["checks"]
        return _some([name for name, ok in checks.items() if not ok]) or f"it answers {answer.status_code}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"it answers {answer.status_code}"


async def _database(installation: Installation, service: str) -> list[Finding]:
    check = f"{service} database"

    async def migrated(database: AsyncEngine) -> bool:
        async with transient_faults_told(), database.connect() as connection:
            found = await connection.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            return bool(found.scalar_one())

    if await _asked(installation, service, migrated):
        return [Finding(check, True, "answers, and its tables are there")]
    return [Finding(check, False, f"has no tables; start the {service} service, which makes them")]


async def _urgent(installation: Installation, environment: Mapping[str, str]) -> list[Finding]:
    told = environment.get("HEED_URGENT_WITHIN_HOURS", "")
    try:
        within = timedelta(hours=float(told or URGENT_WITHIN_HOURS))
    except (ValueError, OverflowError):
        return [Finding("urgent feedback", False, "HEED_URGENT_WITHIN_HOURS is no number of hours; correct it")]
    overdue = await _asked(
        installation, "learning", lambda database: UrgentStore(database).overdue(datetime.now(UTC) - within)
    )
    if not overdue:
        return [Finding("urgent feedback", True, f"none waits longer than {within / timedelta(hours=1):g} hours")]
    told = f"{overdue} wait longer than {within / timedelta(hours=1):g} hours; see `heed urgent list`"
    return [Finding("urgent feedback", False, told)]


async def _unrouted(installation: Installation) -> list[Finding]:
    groups = await _asked(installation, "learning", lambda database: ReadingStore(database).unrouted())
    if not groups:
        return [Finding("unrouted feedback", True, "every piece of feedback has a team")]
    count = sum(group.readings for group in groups)
    where = _some([" / ".join(filter(None, (group.organisation, group.service))) for group in groups])
    return [Finding("unrouted feedback", False, f"{count} go to no team, from {where}; add a rule to the catalogue")]


async def _held(installation: Installation) -> list[Finding]:
    held = await _asked(installation, "learning", lambda database: PageStore(database).summaries(held=True))
    if not held:
        return [Finding("held summaries", True, "none")]
    told = f"{len(held)} break a rule and are kept back; see `heed summaries --held`"
    return [Finding("held summaries", False, told)]


async def _held_media(installation: Installation) -> list[Finding]:
    held = await _asked(installation, "media", lambda database: MediaStore(database).held())
    if not held:
        return [Finding("held recordings", True, "none waits for a person")]
    return [Finding("held recordings", False, f"{len(held)} wait for a person to decide; see `heed media held`")]


async def _catalogue(installation: Installation) -> list[Finding]:
    if installation.catalogue is None:
        return [Finding("catalogue", True, "not told of; set HEED_CATALOGUE to have it checked")]
    try:
        catalogue = read_catalogue(installation.catalogue)
    except CatalogueError as error:
        return [Finding("catalogue", False, problem) for problem in error.problems]
    doubts = [Finding("catalogue", False, warning) for warning in warnings(catalogue)]
    return doubts or [Finding("catalogue", True, f"{len(catalogue.teams)} teams, no rule in another's way")]


async def _bucket(environment: Mapping[str, str]) -> list[Finding]:
    told = [environment.get(variable, "") for variable in BUCKET_VARIABLES]
    unset = [variable for variable, value in zip(BUCKET_VARIABLES, told, strict=True) if not value]
    if unset:
        return [Finding("bucket", False, f"{unset[0]} is not set, {BUCKET_VARIABLES[0]} is; set both")]
    endpoint, access_key, secret_key, bucket = told
    if await ObjectStore(endpoint, access_key, secret_key, bucket).is_up():
        return [Finding("bucket", True, f"{bucket} at {endpoint} answers")]
    return [Finding("bucket", False, f"no bucket {bucket} at {endpoint}; is the store up, and the key right?")]


async def _asked(installation: Installation, service: str, ask: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    async with database_url(installation, service) as url:
        database = engine(url, service, pool_size=1)
        try:
            return await ask(database)
        finally:
            await database.dispose()


def _some(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
