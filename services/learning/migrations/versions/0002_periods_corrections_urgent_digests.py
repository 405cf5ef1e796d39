"""Kinds of period, open periods, corrections, urgent items, theme digests, and indexes that keep a page's cost flat.

Everything is added; what an older member of the service writes stays right.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE TABLE counted_by (kind text NOT NULL)",
    "INSERT INTO counted_by VALUES ('month')",
    # What a reading counted for before a team member corrected it; null where nobody has.
    "ALTER TABLE reading ADD COLUMN uncorrected jsonb",
    "CREATE INDEX reading_with_words ON reading (period) WHERE segments <> '[]'",
    "CREATE INDEX period_counter_heard ON period_counter (team_id, period) WHERE measure = 'responses'",
    """
    CREATE INDEX period_counter_themes ON period_counter (period, measure, value)
    WHERE measure IN ('read', 'theme', 'theme_positive', 'theme_negative')
    """,
    # When the page's period closes; null once it has.
    "ALTER TABLE page ADD COLUMN closes_at timestamptz",
    "CREATE INDEX page_open ON page (closes_at) WHERE closes_at IS NOT NULL",
    """
    CREATE TABLE correction (
        feedback_id uuid PRIMARY KEY,
        version integer NOT NULL,
        number integer NOT NULL,
        sentiment smallint,
        themes jsonb,
        corrected_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE urgent_item (
        feedback_id uuid PRIMARY KEY,
        version integer NOT NULL DEFAULT 0,
        organisation text,
        team_id text,
        role text,
        reasons text[] NOT NULL DEFAULT '{}',
        severity real,
        flagged_at timestamptz,
        acknowledged_version integer NOT NULL DEFAULT 0,
        acknowledged_at timestamptz,
        acknowledged_by text
    )
    """,
    "CREATE INDEX urgent_item_open ON urgent_item (flagged_at) WHERE version > acknowledged_version",
    """
    CREATE TABLE due_digest (
        period date PRIMARY KEY,
        since timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    # A digest without a payload may no longer be shown: it is taken back from its topic.
    """
    CREATE TABLE digest (
        slug text NOT NULL,
        period date NOT NULL,
        revision integer NOT NULL,
        payload jsonb,
        published_revision integer,
        written_at timestamptz NOT NULL,
        PRIMARY KEY (slug, period)
    )
    """,
    "CREATE INDEX digest_unpublished ON digest (slug, period) WHERE published_revision IS DISTINCT FROM revision",
)


def upgrade() -> None:
    """Add what is new."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    for table in ("digest", "due_digest", "urgent_item", "correction", "counted_by"):
        op.execute(f"DROP TABLE {table}")
    for index in ("page_open", "period_counter_themes", "period_counter_heard", "reading_with_words"):
        op.execute(f"DROP INDEX {index}")
    op.execute("ALTER TABLE page DROP COLUMN closes_at")
    op.execute("ALTER TABLE reading DROP COLUMN uncorrected")
