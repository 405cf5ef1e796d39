"""Subscriptions, their deliveries, and what the identity provider last said of who owns them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE subscription (
        id uuid PRIMARY KEY,
        owner text NOT NULL,
        team_id text NOT NULL,
        channel text NOT NULL,
        frequency text NOT NULL,
        shown text NOT NULL,
        target bytea,
        secret bytea,
        fingerprint bytea NOT NULL,
        feed_token_hash bytea UNIQUE,
        muted boolean NOT NULL DEFAULT false,
        since timestamptz NOT NULL,
        busy_until timestamptz,
        UNIQUE (owner, team_id, channel, fingerprint),
        CONSTRAINT feed_has_a_token CHECK ((channel = 'feed') = (feed_token_hash IS NOT NULL)),
        CONSTRAINT others_have_a_target CHECK ((channel = 'feed') = (target IS NULL))
    )
    """,
    "CREATE INDEX subscription_team ON subscription (team_id)",
    """
    CREATE TABLE delivery (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        subscription_id uuid NOT NULL REFERENCES subscription ON DELETE CASCADE,
        team_id text NOT NULL,
        period date NOT NULL,
        revision integer NOT NULL,
        takes_back boolean NOT NULL DEFAULT false,
        state text NOT NULL DEFAULT 'waiting',
        reason text,
        attempts integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        settled_at timestamptz,
        UNIQUE (subscription_id, team_id, period, revision, takes_back),
        CONSTRAINT settled_or_waiting CHECK ((state = 'waiting') = (settled_at IS NULL))
    )
    """,
    "CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'waiting'",
    "CREATE INDEX delivery_page ON delivery (team_id, period) WHERE state IN ('waiting', 'dead')",
    "CREATE INDEX delivery_settled ON delivery (settled_at) WHERE state <> 'waiting'",
    """
    CREATE TABLE reader (
        subject text PRIMARY KEY,
        teams text[] NOT NULL,
        roles text[] NOT NULL,
        seen_at timestamptz NOT NULL
    )
    """,
)

TABLES = ("reader", "delivery", "subscription")


def upgrade() -> None:
    """Create them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
