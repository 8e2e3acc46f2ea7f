"""Sessions and one-time links as hashes, the expiry and last use of tokens, and who did what an event tells of.

The key that signed sessions is removed: a reader of the store could make a session with it.

Revision 0016, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. Who is logged in has to do so once more."""
    op.add_column("tokens", sa.Column("expires_at", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("last_used_at", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("actor", sa.String(), nullable=True))
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("token", sa.String(length=100), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["token"], ["tokens.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_sessions_token", "sessions", ["token"])
    op.create_table(
        "login_links",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.execute("DELETE FROM secrets WHERE name = 'session'")


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("login_links")
    op.drop_table("sessions")
    op.drop_column("events", "actor")
    op.drop_column("tokens", "last_used_at")
    op.drop_column("tokens", "expires_at")
