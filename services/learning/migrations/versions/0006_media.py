"""The recordings that readings come from: ids and content types, never what is in them.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; rows that are there have none."""
    op.execute("ALTER TABLE reading ADD COLUMN media jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    """Remove them."""
    op.execute("ALTER TABLE reading DROP COLUMN media")
