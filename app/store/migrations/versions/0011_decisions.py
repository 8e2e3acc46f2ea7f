"""Decisions of the operator's with what had been seen when they were made, and the plan's step beside the verdict.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "refusal_decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("networks", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("status_changes", sa.Column("clients", sa.Integer(), nullable=True))
    op.add_column("verdicts", sa.Column("next_step", sa.String(), nullable=True))
    op.create_index("ix_refusal_decisions_host_at", "refusal_decisions", ["host", "at"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("verdicts", "next_step")
    op.drop_column("status_changes", "clients")
    op.drop_table("refusal_decisions")
