"""What teams said they try: the newest revision of each commitment.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    op.execute(
        """
        CREATE TABLE commitment (
            commitment_id uuid PRIMARY KEY,
            revision integer NOT NULL,
            team_id text NOT NULL,
            period date NOT NULL,
            theme text NOT NULL,
            state text NOT NULL,
            because text,
            role text NOT NULL,
            people_told boolean NOT NULL,
            since date NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX commitment_team ON commitment (team_id)")


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE commitment")
