"""Pages, who is signed in, what teams do, what is urgent, and what waits for Kafka."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # Without a payload: a page that was taken back; no older revision may bring it back.
    """
    CREATE TABLE page (
        team_id text NOT NULL,
        period date NOT NULL,
        revision integer NOT NULL,
        payload jsonb,
        received_at timestamptz NOT NULL,
        PRIMARY KEY (team_id, period)
    )
    """,
    """
    CREATE TABLE session (
        token_hash bytea PRIMARY KEY,
        subject text NOT NULL,
        teams text[] NOT NULL,
        roles text[] NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX session_expires ON session (expires_at)",
    """
    CREATE TABLE sign_in_link (
        token_hash bytea PRIMARY KEY,
        subject text NOT NULL,
        teams text[] NOT NULL,
        roles text[] NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX sign_in_link_expires ON sign_in_link (expires_at)",
    """
    CREATE TABLE oidc_attempt (
        state_hash bytea PRIMARY KEY,
        nonce text NOT NULL,
        code_verifier text NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX oidc_attempt_expires ON oidc_attempt (expires_at)",
    """
    CREATE TABLE commitment (
        commitment_id uuid NOT NULL,
        revision integer NOT NULL,
        team_id text NOT NULL,
        period date NOT NULL,
        theme text NOT NULL,
        state text NOT NULL,
        what text NOT NULL,
        because text,
        role text NOT NULL,
        people_told boolean NOT NULL,
        since date NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (commitment_id, revision)
    )
    """,
    "CREATE INDEX commitment_page ON commitment (team_id, period)",
    """
    CREATE TABLE urgent_item (
        feedback_id uuid PRIMARY KEY,
        version integer NOT NULL DEFAULT 0,
        organisation text NOT NULL DEFAULT '',
        role text,
        reasons text[] NOT NULL DEFAULT '{}',
        severity real NOT NULL DEFAULT 0,
        flagged_at timestamptz,
        acknowledged_version integer NOT NULL DEFAULT 0,
        acknowledged_at timestamptz,
        acknowledged_by text,
        withdrawn_at timestamptz
    )
    """,
    """
    CREATE INDEX urgent_item_open ON urgent_item (flagged_at)
    WHERE version > acknowledged_version AND withdrawn_at IS NULL
    """,
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        event jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        published_at timestamptz,
        set_aside text
    )
    """,
    "CREATE INDEX outbox_waiting ON outbox (id) WHERE published_at IS NULL AND set_aside IS NULL",
    """
    CREATE TABLE audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        subject text NOT NULL,
        action text NOT NULL,
        object text NOT NULL
    )
    """,
    "CREATE INDEX audit_at ON audit (at)",
)

TABLES = ("audit", "outbox", "urgent_item", "commitment", "oidc_attempt", "sign_in_link", "session", "page")


def upgrade() -> None:
    """Create them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
