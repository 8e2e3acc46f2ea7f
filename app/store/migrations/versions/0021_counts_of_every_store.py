"""The column of 0013 in stores that an earlier form of 0013 made without it.

Revision 0021, after 0020. SQLite noticed nothing; PostgreSQL refused to make the views.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change, if the column is missing. Whether a violation counts is unknown until an assessment."""
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("violations")}
    if "counts" not in columns:
        op.add_column("violations", sa.Column("counts", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Leave it: 0013 has it."""
