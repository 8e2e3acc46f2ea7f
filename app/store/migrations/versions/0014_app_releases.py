"""Which pins the releases of apps carry. Exposure recorded before stays of the site or of the app, as it was recorded.

Revision 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. The pins of releases known so far are unknown: they were not recorded."""
    op.create_table(
        "app_releases",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("app_version", sa.String(), nullable=False),
        sa.Column("pins", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_app_releases_host", "app_releases", ["host"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_app_releases_host", "app_releases")
    op.drop_table("app_releases")
