"""Integrations, feedback (no text), its outbox, and which summaries include it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "integration",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("organisations", ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Uuid, primary_key=True),
        sa.Column("receipt", sa.Text, nullable=False, unique=True),
        sa.Column("integration_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("read_version", sa.Integer),
        sa.Column("read_at", MOMENT),
        sa.Column("withdrawn_at", MOMENT),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("feedback_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("event", JSONB, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("published_at", MOMENT),
        sa.Column("set_aside", sa.Text),
    )
    op.create_index("outbox_feedback", "outbox", ["feedback_id"])
    op.create_index(
        "outbox_waiting", "outbox", ["id"], postgresql_where=sa.text("published_at IS NULL AND set_aside IS NULL")
    )
    op.create_index("outbox_purgeable", "outbox", ["created_at"], postgresql_where=sa.text("published_at IS NOT NULL"))
    op.create_table(
        "summarised",
        sa.Column("feedback_id", sa.Uuid, primary_key=True),
        sa.Column("team_id", sa.Text, primary_key=True),
        sa.Column("period", sa.Date, primary_key=True),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("summarised", "outbox", "feedback", "integration"):
        op.drop_table(table)
