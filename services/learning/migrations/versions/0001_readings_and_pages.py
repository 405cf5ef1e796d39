"""Readings, period counters, pages that are due, pages, and parts of the list of feedback they include.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE reading (
        feedback_id uuid PRIMARY KEY,
        version integer NOT NULL,
        withdrawn boolean NOT NULL DEFAULT false,
        team_id text,
        period date,
        occurred_at timestamptz,
        organisation text,
        service text,
        unit text,
        site text,
        channel text,
        kind text,
        question_type text,
        language text,
        rating smallint,
        sentiment smallint,
        themes jsonb NOT NULL DEFAULT '[]',
        severity real,
        urgent boolean NOT NULL DEFAULT false,
        quote_ok boolean NOT NULL DEFAULT false,
        segments jsonb NOT NULL DEFAULT '[]',
        model_version text,
        measures jsonb NOT NULL DEFAULT '[]',
        included_revision integer,
        CONSTRAINT tombstone_keeps_nothing CHECK (
            NOT withdrawn OR (team_id IS NULL AND segments = '[]' AND measures = '[]')
        ),
        CONSTRAINT reading_belongs CHECK (withdrawn OR (team_id IS NOT NULL AND period IS NOT NULL))
    )
    """,
    "CREATE INDEX reading_quotable ON reading (team_id, period, feedback_id) WHERE quote_ok AND NOT withdrawn",
    """
    CREATE INDEX reading_not_included ON reading (team_id, period)
    WHERE included_revision IS NULL AND NOT withdrawn
    """,
    "CREATE INDEX reading_unrouted ON reading (organisation, service) WHERE team_id = 'unrouted'",
    """
    CREATE TABLE period_counter (
        team_id text NOT NULL,
        period date NOT NULL,
        measure text NOT NULL,
        value text NOT NULL,
        count bigint NOT NULL,
        PRIMARY KEY (team_id, period, measure, value)
    )
    """,
    """
    CREATE TABLE due_page (
        team_id text NOT NULL,
        period date NOT NULL,
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (team_id, period)
    )
    """,
    """
    CREATE TABLE page (
        team_id text NOT NULL,
        period date NOT NULL,
        revision integer NOT NULL,
        payload jsonb NOT NULL,
        held text[] NOT NULL DEFAULT '{}',
        published_revision integer,
        parts integer NOT NULL DEFAULT 0,
        written_at timestamptz NOT NULL,
        PRIMARY KEY (team_id, period)
    )
    """,
    """
    CREATE INDEX page_unpublished ON page (team_id, period)
    WHERE held = '{}' AND published_revision IS DISTINCT FROM revision
    """,
    """
    CREATE TABLE included_part (
        team_id text NOT NULL,
        period date NOT NULL,
        part integer NOT NULL,
        revision integer NOT NULL,
        feedback_ids uuid[] NOT NULL,
        included_at timestamptz NOT NULL,
        published boolean NOT NULL DEFAULT false,
        PRIMARY KEY (team_id, period, part)
    )
    """,
    "CREATE INDEX included_part_unpublished ON included_part (team_id, period, part) WHERE NOT published",
)


def upgrade() -> None:
    """Create everything."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove everything."""
    for table in ("included_part", "page", "due_page", "period_counter", "reading"):
        op.execute(f"DROP TABLE {table}")
