"""Marks of ingest logs, overflow, which certificates chains contain, packed bodies, evidence with a checked path.

Revision 0010, after 0009.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_CHUNK = 500
_ROOTS = ("public", "former_public", "operator")


def upgrade() -> None:
    """Make the change. Without batch mode: that would make the tables anew, and others refer to them."""
    op.create_table(
        "log_marks",
        sa.Column("log_id", sa.LargeBinary(length=16), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("segment", "byte_offset", "sequence", "newest_received_at", "updated_at")
        ),
        sa.PrimaryKeyConstraint("log_id"),
    )
    op.create_table(
        "overflow_days",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("reports", sa.BigInteger(), nullable=False),
        sa.Column("networks", sa.Integer(), nullable=False),
        sa.Column("network_sketch", sa.LargeBinary(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", "day", "reason"),
    )
    op.create_table(
        "chain_certificates",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("chain", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["certificates.sha256"]),
        sa.ForeignKeyConstraint(["chain"], ["chains.digest"]),
        sa.PrimaryKeyConstraint("sha256", "chain"),
    )
    op.create_index("ix_chain_certificates_chain", "chain_certificates", ["chain"])
    for column in ("served_chain", "validated_chain"):
        op.create_index(f"ix_violations_{column}", "violations", [column])
    op.create_index("ix_violations_first", "violations", ["first_received_at"])
    for table in ("rollup_hours", "reports"):  # without these, deleting a source reads both tables as wholes
        op.create_index(f"ix_{table}_source", table, ["source_id"])
    op.add_column("reports", sa.Column("body_packing", sa.Integer(), server_default="0", nullable=False))
    op.add_column("violations", sa.Column("checked_path", sa.Boolean(), server_default=sa.false(), nullable=False))
    connection = op.get_bind()
    _fill_chain_certificates(connection)
    _fill_checked_path(connection)


def _fill_chain_certificates(connection: sa.Connection) -> None:
    """Read which certificates the stored chains contain, a few hundred chains at a time."""
    chains = sa.table("chains", sa.column("digest", sa.LargeBinary), sa.column("elements", sa.JSON))
    certificates = sa.table("certificates", sa.column("sha256", sa.LargeBinary))
    contained = sa.table("chain_certificates", sa.column("sha256", sa.LargeBinary), sa.column("chain", sa.LargeBinary))
    last = b""
    while rows := connection.execute(
        sa.select(chains).where(chains.c.digest > last).order_by(chains.c.digest).limit(_CHUNK)
    ).all():
        pairs = {
            (bytes.fromhex(element["sha256"]), bytes(digest))
            for digest, elements in rows
            for element in elements
            if "sha256" in element
        }
        wanted = {sha256 for sha256, _ in pairs}
        stored = connection.scalars(sa.select(certificates.c.sha256).where(certificates.c.sha256.in_(wanted)))
        there = set(map(bytes, stored))
        contains = [{"sha256": sha256, "chain": chain} for sha256, chain in pairs if sha256 in there]
        if contains:
            connection.execute(contained.insert(), contains)
        last = bytes(rows[-1].digest)


def _fill_checked_path(connection: sa.Connection) -> None:
    """Read from the stored judgements which violations have checked signatures up to a known root."""
    violations = sa.table(
        "violations", sa.column("id", sa.BigInteger), sa.column("judgement"), sa.column("checked_path", sa.Boolean)
    )
    last = 0
    while rows := connection.execute(
        sa.select(violations.c.id, violations.c.judgement)
        .where(violations.c.id > last)
        .order_by(violations.c.id)
        .limit(_CHUNK)
    ).all():
        checked = [row.id for row in rows if _has_checked_path(row.judgement)]
        if checked:
            connection.execute(sa.update(violations).where(violations.c.id.in_(checked)).values(checked_path=True))
        last = rows[-1].id


def _has_checked_path(stored: object) -> bool:
    """Judgements of whatever version: what lacks these members counts as forgeable."""
    judgement = json.loads(stored) if isinstance(stored, str) else stored
    return isinstance(judgement, dict) and judgement.get("anchor") in _ROOTS and bool(judgement.get("path_checkable"))


def downgrade() -> None:
    """Take the change back. Packed bodies are dropped: earlier versions would show them as they are packed."""
    op.execute("UPDATE reports SET body = NULL WHERE body_packing <> 0")
    for table in ("rollup_hours", "reports"):
        op.drop_index(f"ix_{table}_source", table)
    op.drop_index("ix_violations_first", "violations")
    op.drop_column("violations", "checked_path")
    op.drop_column("reports", "body_packing")
    for column in ("served_chain", "validated_chain"):
        op.drop_index(f"ix_violations_{column}", "violations")
    for table in ("chain_certificates", "overflow_days", "log_marks"):
        op.drop_table(table)
