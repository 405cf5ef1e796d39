"""Theme digests, and claims on subscriptions to them."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Without a payload: a digest that was taken back; no older revision may bring it back.
    """
    CREATE TABLE digest (
        slug text NOT NULL,
        period date NOT NULL,
        revision integer NOT NULL,
        payload jsonb,
        received_at timestamptz NOT NULL,
        traceparent text,
        PRIMARY KEY (slug, period)
    )
    """,
    # Of a theme's subscription. Its `busy_until` never ends: a member of the version before, which knows no themes and
    # would drop what waits for them, finds it claimed.
    "ALTER TABLE subscription ADD COLUMN leased_until timestamptz",
)


def upgrade() -> None:
    """Create them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and the subscriptions that nobody could serve."""
    op.execute("DELETE FROM subscription WHERE busy_until = 'infinity'")
    op.execute("ALTER TABLE subscription DROP COLUMN leased_until")
    op.execute("DROP TABLE digest")
