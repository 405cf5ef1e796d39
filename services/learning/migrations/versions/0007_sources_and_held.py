"""Where a page's quotes come from, and what was told of pages that are held.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = {
    # With the revision that they are of: a member of an older version writes pages beside them.
    "sources": "jsonb",
    "sources_revision": "integer",
    "held_since": "timestamptz",
    "held_told": "integer",
}


def upgrade() -> None:
    """Add them; pages that are out get their sources when they are looked at next."""
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE page ADD COLUMN {name} {kind}")
    op.execute("UPDATE page SET held_since = written_at WHERE held <> '{}'")


def downgrade() -> None:
    """Remove them."""
    for name in COLUMNS:
        op.execute(f"ALTER TABLE page DROP COLUMN {name}")
