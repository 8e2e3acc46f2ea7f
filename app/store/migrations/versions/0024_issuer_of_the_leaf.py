"""The issuer of a violation's leaf, by which violations of one cause are merged in lists.

Revision 0024, after 0022.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_LONGEST = 500


def upgrade() -> None:
    """Make the change, and fill the column for violations that are there."""
    op.add_column("violations", sa.Column("leaf_issuer", sa.String(), nullable=True))
    connection = op.get_bind()
    violations = sa.table(
        "violations",
        sa.column("id", sa.BigInteger),
        sa.column("judgement", sa.JSON),
        sa.column("served_chain", sa.LargeBinary),
        sa.column("validated_chain", sa.LargeBinary),
        sa.column("leaf_issuer", sa.String),
    )
    # Only columns that are read are named: later versions of the program have other models.
    chains = sa.table("chains", sa.column("digest", sa.LargeBinary), sa.column("elements", sa.JSON))
    certificates = sa.table("certificates", sa.column("sha256", sa.LargeBinary), sa.column("issuer", sa.String))
    last = 0
    while True:
        rows = connection.execute(
            sa.select(violations).where(violations.c.id > last).order_by(violations.c.id).limit(_AT_ONCE)
        ).all()
        if not rows:
            return
        last = rows[-1].id
        judged = {row.id: _judged_chain(row) for row in rows}
        digests = {digest for digest in judged.values() if digest is not None}
        found = connection.execute(sa.select(chains).where(chains.c.digest.in_(digests)))
        leaves = {bytes(row.digest): _leaf(row.elements) for row in found}
        wanted = {sha256 for sha256 in leaves.values() if sha256 is not None}
        issuers = {
            bytes(row.sha256): row.issuer
            for row in connection.execute(sa.select(certificates).where(certificates.c.sha256.in_(wanted)))
        }
        for id_, digest in judged.items():
            leaf = None if digest is None else leaves.get(digest)
            issuer = None if leaf is None else issuers.get(leaf)
            if issuer:
                one = sa.update(violations).where(violations.c.id == id_)
                connection.execute(one.values(leaf_issuer=issuer[:_LONGEST]))


def _judged_chain(row: sa.Row[tuple[object, ...]]) -> bytes | None:
    """Return the digest of the chain that was evaluated."""
    # Judgements of early versions do not say it; such violations are evaluated again after the upgrade.
    which = row.judgement.get("judged_chain")
    digest = {"served": row.served_chain, "validated": row.validated_chain}.get(which)
    return None if digest is None else bytes(digest)


def _leaf(elements: list[dict[str, str]]) -> bytes | None:
    """Return the SHA-256 of the first certificate that can be read."""
    return next((bytes.fromhex(element["sha256"]) for element in elements if "sha256" in element), None)


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("violations", "leaf_issuer")
