"""The leaf of evidence that cannot be forged, in the place of whether there is such evidence.

Revision 0012, after 0010.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_CHUNK = 500

_violations = sa.table(
    "violations",
    *map(sa.column, ("id", "judgement", "served_chain", "validated_chain", "checked_path", "checked_leaf")),
)
_chains = sa.table("chains", sa.column("digest"), sa.column("elements", sa.JSON))


def upgrade() -> None:
    """Make the change. Whether the leaf is for the host is found out when a violation is judged again."""
    op.add_column("violations", sa.Column("checked_leaf", sa.LargeBinary(length=32), nullable=True))
    _fill_checked_leaf(op.get_bind())
    op.drop_column("violations", "checked_path")


def _fill_checked_leaf(connection: sa.Connection) -> None:
    last = 0
    of = _violations.c
    while rows := connection.execute(
        sa.select(of.id, of.judgement, of.served_chain, of.validated_chain)
        .where(of.id > last, of.checked_path.is_(sa.true()))
        .order_by(of.id)
        .limit(_CHUNK)
    ).all():
        for row in rows:
            judgement = json.loads(row.judgement) if isinstance(row.judgement, str) else row.judgement
            digest = row.served_chain if judgement.get("judged_chain") == "served" else row.validated_chain
            elements = connection.scalar(sa.select(_chains.c.elements).where(_chains.c.digest == digest))
            if elements and "sha256" in elements[0]:
                leaf = bytes.fromhex(elements[0]["sha256"])
                connection.execute(sa.update(_violations).where(of.id == row.id).values(checked_leaf=leaf))
        last = rows[-1].id


def downgrade() -> None:
    """Take the change back."""
    op.add_column("violations", sa.Column("checked_path", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(sa.update(_violations).where(_violations.c.checked_leaf.is_not(None)).values(checked_path=True))
    op.drop_column("violations", "checked_leaf")
