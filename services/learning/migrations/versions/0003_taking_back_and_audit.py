"""Pages that are taken back, and what the retention job deleted.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Whether a change takes words or a count away: then the page that is out must not stay, whatever comes of the next.
    "ALTER TABLE due_page ADD COLUMN removes boolean NOT NULL DEFAULT false",
    "ALTER TABLE page ADD COLUMN takes_back boolean NOT NULL DEFAULT false",
    """
    CREATE INDEX page_to_take_back ON page (team_id, period)
    WHERE takes_back AND held <> '{}' AND published_revision IS NOT NULL
    """,
    "CREATE INDEX included_part_published ON included_part (included_at) WHERE published",
    """
    CREATE TABLE audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        action text NOT NULL,
        number bigint NOT NULL,
        before timestamptz NOT NULL
    )
    """,
    "CREATE INDEX audit_at ON audit (at)",
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP TABLE audit")
    op.execute("DROP INDEX included_part_published")
    op.execute("ALTER TABLE page DROP COLUMN takes_back")
    op.execute("ALTER TABLE due_page DROP COLUMN removes")
