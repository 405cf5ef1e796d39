"""What became of media, which feedback was withdrawn, and what was done to which media.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # `event` holds the submitter's words, and only while a person has to decide about them.
    """
    CREATE TABLE media (
        media_id uuid PRIMARY KEY,
        feedback_id uuid NOT NULL,
        version integer NOT NULL DEFAULT 0,
        state text NOT NULL,
        reason text,
        event jsonb,
        files jsonb NOT NULL DEFAULT '[]',
        received_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        decided_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX media_feedback ON media (feedback_id)",
    "CREATE INDEX media_expiring ON media (expires_at) WHERE state = 'accepted'",
    "CREATE INDEX media_waiting ON media (received_at) WHERE event IS NOT NULL",
    "CREATE TABLE withdrawn (feedback_id uuid PRIMARY KEY, withdrawn_at timestamptz NOT NULL)",
    """
    CREATE TABLE audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        action text NOT NULL,
        media_id uuid NOT NULL,
        number bigint NOT NULL DEFAULT 0,
        role text
    )
    """,
    "CREATE INDEX audit_at ON audit (at)",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP TABLE audit, withdrawn, media")
