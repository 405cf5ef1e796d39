"""What a page's quotes are of, which pages are held, and what teams corrected."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Without a payload: what has no value on the topic any more; no older revision may bring it back.
    *(
        f"""
        CREATE TABLE {table} (
            team_id text NOT NULL,
            period date NOT NULL,
            revision integer NOT NULL,
            payload jsonb,
            PRIMARY KEY (team_id, period)
        )
        """
        for table in ("page_source", "held_summary")
    ),
    """
    CREATE TABLE correction (
        feedback_id uuid NOT NULL,
        version integer NOT NULL,
        number integer NOT NULL,
        sentiment smallint NOT NULL,
        themes jsonb NOT NULL,
        corrected_at timestamptz NOT NULL,
        PRIMARY KEY (feedback_id, version, number)
    )
    """,
    "CREATE INDEX correction_at ON correction (corrected_at)",
)

TABLES = ("correction", "held_summary", "page_source")


def upgrade() -> None:
    """Create them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
