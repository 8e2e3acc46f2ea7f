"""What was known when: changes of status, each look at a host, replaced exposure; and whence violations came.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "status_changes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("violation_id", _ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("was", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["violation_id"], ["violations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_status_changes_violation", "status_changes", ["violation_id", "at"])
    op.create_table(
        "violation_networks",
        sa.Column("violation_id", _ID, nullable=False),
        sa.Column("network", sa.LargeBinary(length=8), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["violation_id"], ["violations.id"]),
        sa.PrimaryKeyConstraint("violation_id", "network"),
    )
    op.create_table(
        "probe_looks",
        sa.Column("probe_id", _ID, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["probe_id"], ["probes.id"]),
        sa.PrimaryKeyConstraint("probe_id", "at"),
    )
    op.create_table(
        "former_exposures",
        sa.Column("id", _ID, nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("app_version", sa.String(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=True),
        sa.Column("clients", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_former_exposures_host_day", "former_exposures", ["host", "day"])


def downgrade() -> None:
    """Take the change back."""
    for table in ("former_exposures", "probe_looks", "violation_networks", "status_changes"):
        op.drop_table(table)
