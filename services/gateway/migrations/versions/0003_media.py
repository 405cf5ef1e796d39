"""Recordings that were declared, and how far their files have come."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE feedback ADD COLUMN has_files boolean NOT NULL DEFAULT false",
    """
    CREATE TABLE media (
        media_id uuid PRIMARY KEY,
        feedback_id uuid NOT NULL UNIQUE,
        state text NOT NULL CHECK (state IN (
            'waiting_for_upload', 'uploaded', 'accepted', 'rejected', 'held', 'erased', 'expired')),
        reason text,
        declared jsonb,
        declared_at timestamptz NOT NULL,
        forms_until timestamptz NOT NULL,
        uploaded_at timestamptz,
        checked_at timestamptz,
        sweeps smallint NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX media_waiting ON media (declared_at) WHERE state = 'waiting_for_upload'",
    "CREATE INDEX media_unswept ON media (forms_until) WHERE sweeps < 2",
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP TABLE media")
    op.execute("ALTER TABLE feedback DROP COLUMN has_files")
