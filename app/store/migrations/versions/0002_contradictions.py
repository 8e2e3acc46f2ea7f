"""What in a report's form does not fit its sender is kept with the violation, to be judged again.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. Without batch mode: that would make the table anew, and others refer to it."""
    op.add_column("violations", sa.Column("contradictions", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("violations", "contradictions")
