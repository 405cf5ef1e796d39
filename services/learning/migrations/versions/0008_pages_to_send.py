"""What waits to be sent, or to be told of as held, is found without looking at every page.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The index of pages that are not out takes those in that are out without their sources."""
    op.execute("DROP INDEX page_unpublished")
    op.execute(
        "CREATE INDEX page_unpublished ON page (team_id, period) WHERE held = '{}' AND "
        "(published_revision IS DISTINCT FROM revision OR sources_revision IS DISTINCT FROM revision)"
    )
    op.execute(
        "CREATE INDEX page_holding_changed ON page (team_id, period) "
        "WHERE held_told IS DISTINCT FROM CASE WHEN held <> '{}' THEN revision END"
    )


def downgrade() -> None:
    """As it was."""
    op.execute("DROP INDEX page_holding_changed")
    op.execute("DROP INDEX page_unpublished")
    op.execute(
        "CREATE INDEX page_unpublished ON page (team_id, period) "
        "WHERE held = '{}' AND published_revision IS DISTINCT FROM revision"
    )
