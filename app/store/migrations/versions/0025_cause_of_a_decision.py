"""The cause that a violation had when its status was set: a decision on one cause does not hold for another.

Revision 0025, after 0024.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. What was decided before holds for any cause: which one it was is not known."""
    op.add_column("status_changes", sa.Column("cause", sa.String(), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("status_changes", "cause")
