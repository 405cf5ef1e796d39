"""The trace that brought a page, in which it is delivered."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    op.execute("ALTER TABLE page ADD COLUMN traceparent text")


def downgrade() -> None:
    """Remove it."""
    op.execute("ALTER TABLE page DROP COLUMN traceparent")
