"""A team's page in the portal, from the request to the last byte: session, database, audit row, charts, template.

What the portal reads is a copy of the pages, and of what their quotes are of, so that each has its link: as many as a
million readings of five hundred teams over two years make.
The page has three charts of twenty-four points, the most that a page can have; one person asks after the other.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvloop
from pydantic import SecretStr
from sqlalchemy import text

from deploy.provision import provision
from deploy.servers import running_database
from services.learning import rendering
from services.portal.app import SCHEMA, running
from services.portal.people import Grant
from services.portal.sessions import SessionStore
from services.portal.settings import PortalSettings
from shared.database import engine
from shared.summaries import ChartPoint, LearningSummary, ThemeChart
from tests.bench.machine import CpuTimes, peak_mb
from tests.bench.measurement import Measurement, Report, percentile
from tests.bench.summaries import Counting
from tests.unit.portal_examples import sources_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.bench.plan import Plan

GOLDEN = Path(__file__).parents[1] / "contract" / "golden" / "heed.learning.summary.v1.json"

TEAMS, MONTHS = 500, 24
CHARTS = QUOTES = 3

_FILL = (
    "SELECT 'team-' || t, m, 1, CAST(:payload AS jsonb) || jsonb_build_object('team_id', 'team-' || t, "
    "'period', to_char(m, 'YYYY-MM-DD')){} FROM generate_series(1, :teams) AS t, "
    "generate_series(CAST('2024-01-01' AS timestamp), '2025-12-01', '1 month') AS m"
)
_FILL_PAGES = text("INSERT INTO page (team_id, period, revision, payload, received_at) " + _FILL.format(", now()"))
_FILL_SOURCES = text("INSERT INTO page_source (team_id, period, revision, payload) " + _FILL.format(""))


def measure(plan: Plan) -> Report:
    """Pages of one team after the other."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return Report((runner.run(_measured(plan)),))


async def _measured(plan: Plan) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        async with running_database(Path(folder), durable=False) as server:
            url = (await provision(server.url, [SCHEMA]))[SCHEMA]
            catalogue = Path(folder) / "teams.yaml"
            teams = [{"id": f"team-{t}", "name": f"Team {t}", "organisation": "O"} for t in range(1, TEAMS + 1)]
            catalogue.write_text(json.dumps({"teams": teams}), encoding="utf-8")
            settings = PortalSettings(database_url=SecretStr(url), catalogue=catalogue)
            database = engine(url, SCHEMA, 1)
            try:
                async with running(settings, Counting()) as service:
                    await _fill(database)
                    assert service.app is not None
                    async with httpx.AsyncClient(
                        transport=httpx.ASGITransport(service.app), base_url="http://portal"
                    ) as browser:
                        browser.cookies.set("heed-session", await _cookie(database))
                        return await _asked(browser, plan.pages, plan.rounds)
            finally:
                await database.dispose()


async def _asked(browser: httpx.AsyncClient, pages: int, rounds: int) -> Measurement:
    taken: list[float] = []
    rates: list[float] = []
    spent = CpuTimes.now()
    for number in range(rounds + 1):
        started = time.perf_counter()
        for index in range(pages):
            before = time.perf_counter()
            answer = await browser.get(f"/teams/team-{1 + index * 7 % TEAMS}/2025-12-01")
            assert answer.status_code == httpx.codes.OK
            assert answer.text.count("<desc") == CHARTS
            assert answer.text.count("Is this read wrongly?") == QUOTES
            if number:
                taken.append((time.perf_counter() - before) * 1000)
        if number:
            rates.append(pages / (time.perf_counter() - started))
        else:
            spent = CpuTimes.now()  # the first round warms up
    used = CpuTimes.now().since(spent)
    return Measurement(
        "portal_page",
        tuple(rates),
        p50_ms=percentile(taken, 0.5),
        p95_ms=percentile(taken, 0.95),
        cpu_ms=used.own * 1000 / len(taken),
        servers_cpu_ms=sum(used.servers.values()) * 1000 / len(taken),
        peak_mb=peak_mb(),
    )


async def _fill(database: AsyncEngine) -> None:
    golden = LearningSummary.model_validate_json(GOLDEN.read_text(encoding="utf-8"))
    points = tuple(
        ChartPoint(
            period=date(2024 + index // 12, index % 12 + 1, 1),
            percent=20 + index % 7,
            responses=100,
            lower=10,
            upper=35,
            rule="shift" if index > 16 else None,
            direction="high" if index > 16 else None,
        )
        for index in range(MONTHS)
    )
    chart = ThemeChart(
        theme="Timeliness of care",
        label="how long people waited",
        tone="better",
        icon="concern_high",
        sentence="Nothing unusual this month.",
        mean=23,
        points=points,
    )
    page = golden.model_copy(
        update={"pattern": golden.pattern.model_copy(update={"charts": (chart,) * CHARTS}), "described": True}
    )
    page = page.model_copy(update={"markdown": rendering.markdown(page), "revision": 1})
    sources = sources_of(page)
    async with database.begin() as connection:
        await connection.execute(_FILL_PAGES, {"payload": page.model_dump_json(), "teams": TEAMS})
        await connection.execute(_FILL_SOURCES, {"payload": sources.model_dump_json(), "teams": TEAMS})
    async with database.begin() as connection:
        await connection.execute(text("ANALYZE page, page_source"))


async def _cookie(database: AsyncEngine) -> str:
    grant = Grant("bench", frozenset(f"team-{team}" for team in range(1, TEAMS + 1)))
    return await SessionStore(database).begin(grant, datetime.now(UTC) + timedelta(hours=1))
