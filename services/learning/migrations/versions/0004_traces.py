"""The trace in which a page is due, and goes out.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.execute("ALTER TABLE due_page ADD COLUMN traceparent text")
    op.execute("ALTER TABLE page ADD COLUMN traceparent text")


def downgrade() -> None:
    """Remove them."""
    op.execute("ALTER TABLE page DROP COLUMN traceparent")
    op.execute("ALTER TABLE due_page DROP COLUMN traceparent")
