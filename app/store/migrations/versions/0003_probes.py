"""What hosts were seen to serve.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "probes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_probes_host_last", "probes", ["host", "last_at"])
    op.create_table(
        "live_keys",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("pin", sa.String(length=44), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("host", "pin"),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("live_keys")
    op.drop_table("probes")
