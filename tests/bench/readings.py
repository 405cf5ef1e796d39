"""Readings by the million, made by PostgreSQL itself: the same teams, months and themes, however many there are.

Every theme is frequent enough at every size to be told, and is always valued or always could be better: what a page
says is the same, and only the number of readings behind it differs. With all 31 themes the fewest readings would leave
most of them out as small numbers, and the comparison would be of short pages with long ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.themes import THEMES

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

TEAMS = 3
MONTHS = 24
COMMON = 6
"""Themes."""
SAID = (
    "The nurses were kind and explained each step.",
    "We waited in the corridor for most of the day.",
    "They listened to my mother and took their time.",
    "Nobody told us how long it would take that night.",
    "The ward was clean and calm when we arrived.",
    "Getting through on the telephone took three mornings.",
)
CATALOGUE = "teams:\n" + "".join(
    f"  - {{id: team-{number}, name: Team of {place}, organisation: Riverside, match: [{{unit: '{number}'}}]}}\n"
    for number, place in enumerate(("Ashfield", "Birchwood", "Cedarhurst"))
)

_READINGS = text(
    """
    INSERT INTO reading (
        feedback_id, version, withdrawn, team_id, period, occurred_at, organisation, service, channel, kind,
        question_type, language, sentiment, themes, severity, urgent, quote_ok, segments, model_version, measures,
        included_revision
    )
    SELECT
        md5(n::text)::uuid, 1, false, team, period, period + interval '3 days', 'Riverside Hospitals', 'Care', 'survey',
        'comment', 'nonspecific', 'en', label, jsonb_build_array(jsonb_build_object('name', theme, 'probability', 0.9)),
        0.1, false, n % 3 = 0,
        jsonb_build_array(
            jsonb_build_object('text', said, 'sentiment', label, 'themes', jsonb_build_array(theme))
        ),
        'bench-1',
        jsonb_build_array(
            jsonb_build_array('responses', ''), jsonb_build_array('read', ''), jsonb_build_array('channel', 'survey'),
            jsonb_build_array('kind', 'comment'), jsonb_build_array('question', 'nonspecific'),
            jsonb_build_array('role', 'unknown'), jsonb_build_array('age', 'unknown'),
            jsonb_build_array('language', 'english'), jsonb_build_array('text', 'with'),
            jsonb_build_array('model', 'bench-1'), jsonb_build_array('sentiment', label::text),
            jsonb_build_array('theme', theme),
            jsonb_build_array('theme_' || tone, theme)
        ),
        1
    FROM (
        SELECT *, (ARRAY['positive', 'positive', 'neutral', 'negative', 'negative'])[label] AS tone FROM (
        SELECT
            n, 'team-' || n % :teams AS team,
            (date '2024-01-01' + (n / :teams % :months) * interval '1 month')::date AS period,
            (ARRAY[1, 2, 4, 5])[1 + (hashint4(n) & 65535) % 2 + 2 * (theme % 2)] AS label,
            (CAST(:themes AS text[]))[1 + theme] AS theme,
            (CAST(:said AS text[]))[1 + (hashint4(n + 2) & 1023) % :sentences] AS said
        FROM (
            SELECT n, (hashint4(n + 1) & 65535) % :kinds AS theme FROM generate_series(1, :readings) AS n
        ) AS numbered
        ) AS drawn
    ) AS made
    """
)
_COUNTERS = text(
    """
    INSERT INTO period_counter (team_id, period, measure, value, count)
    SELECT team_id, period, m ->> 0, m ->> 1, sum(n)
    FROM (SELECT team_id, period, measures, count(*) AS n FROM reading GROUP BY 1, 2, 3) AS alike,
        jsonb_array_elements(measures) AS m
    GROUP BY 1, 2, 3, 4
    """
)


async def fill(url: str, readings: int) -> None:
    """Make so many readings and count them; nothing of it goes through this process.

    Args:
        url: of the learning service's role, on its migrated schema.
        readings: how many.
    """
    # Of its own: the service's engine gives a statement a minute at most.
    database = create_async_engine(url, connect_args={"server_settings": {"search_path": "learning"}})
    try:
        async with database.begin() as connection:
            await _made(connection, readings)
        async with database.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in ("reading", "period_counter"):
                await plain.execute(text(f"VACUUM ANALYZE {table}"))
    finally:
        await database.dispose()


async def _made(connection: AsyncConnection, readings: int) -> None:
    themes = list(THEMES)[:COMMON]
    given = {
        "teams": TEAMS,
        "months": MONTHS,
        "themes": themes,
        "kinds": len(themes),
        "said": list(SAID),
        "sentences": len(SAID),
        "readings": readings,
    }
    await connection.execute(_READINGS, given)
    await connection.execute(_COUNTERS)
