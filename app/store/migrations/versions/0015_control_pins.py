"""Control pins of hosts, and how many clients received them.

Revision 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change: two tables, empty. Stores as they are have no control pins, so no judgement changes."""
    op.create_table(
        "control_pins",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("pin", sa.String(length=44), nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("host", "pin"),
    )
    op.create_table(
        "control_exposures",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("app_version", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("clients", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("host", "day", "app", "app_version", "recorded_at"),
    )


def downgrade() -> None:
    """Take the change back. Violations of cause ``control`` are judged again at the next start."""
    op.drop_table("control_exposures")
    op.drop_table("control_pins")
