"""Releases of apps with the pins that they carry, and their installs.

Revision 0019, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "registered_releases",
        sa.Column("id", _ID, nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("builds", sa.JSON(), nullable=False),
        sa.Column("shipped_at", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("app", "platform", "version"),
    )
    op.create_table(
        "pin_layers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("release_id", _ID, nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("local_roots_bypass", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["registered_releases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_pin_layers_release", "pin_layers", ["release_id"])
    op.create_table(
        "pin_entries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("layer_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("pins", sa.JSON(), nullable=False),
        sa.Column("expires_on", sa.String(), nullable=True),
        sa.Column("report_uris", sa.JSON(), nullable=False),
        sa.Column("reports_to_vendor", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["layer_id"], ["pin_layers.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_pin_entries_layer", "pin_entries", ["layer_id"])
    op.create_index("ix_pin_entries_name", "pin_entries", ["name"])
    op.create_table(
        "installs",
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("build", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("is_lower_bound", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app", "platform", "day", "version", "build"),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("installs")
    op.drop_index("ix_pin_entries_name", "pin_entries")
    op.drop_index("ix_pin_entries_layer", "pin_entries")
    op.drop_table("pin_entries")
    op.drop_index("ix_pin_layers_release", "pin_layers")
    op.drop_table("pin_layers")
    op.drop_table("registered_releases")
