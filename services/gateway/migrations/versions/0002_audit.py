"""What the purge deleted; rows that were set aside are purged, too."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
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
    "DROP INDEX outbox_purgeable",
    """
    CREATE INDEX outbox_purgeable ON outbox (created_at)
    WHERE published_at IS NOT NULL OR set_aside IS NOT NULL
    """,
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP INDEX outbox_purgeable")
    op.execute("CREATE INDEX outbox_purgeable ON outbox (created_at) WHERE published_at IS NOT NULL")
    op.execute("DROP TABLE audit")
