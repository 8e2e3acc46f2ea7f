"""Facts of the service, and the decision as numbers by audience and day; env.py makes the views anew.

Revision 0020, after 0019.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "service_facts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "decision_days",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("app_version", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("locked_out", sa.Integer(), nullable=False),
        sa.Column("exposed", sa.Integer(), nullable=True),
        sa.Column("share", sa.Float(), nullable=True),
        sa.Column("upper", sa.Float(), nullable=True),
        sa.Column("share_limit", sa.Float(), nullable=False),
        sa.Column("delivery", sa.Float(), nullable=True),
        sa.Column("covered_days", sa.Integer(), nullable=False),
        sa.Column("needed_days", sa.Integer(), nullable=False),
        sa.Column("criteria", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("host", "day", "audience", "app", "app_version"),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("decision_days")
    op.drop_table("service_facts")
