"""The plan's step with the verdict, and whether each violation counted for it.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. Earlier verdicts have no step; whether a violation counts is unknown until an assessment."""
    op.add_column("verdicts", sa.Column("next_step", sa.String(), nullable=True))
    op.add_column("violations", sa.Column("counts", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("violations", "counts")
    op.drop_column("verdicts", "next_step")
