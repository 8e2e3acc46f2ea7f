"""The schema of the reporting views, which env.py makes, and the validity of certificates for them.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

from app.hpkp.x509.certificate import Certificate, read_certificate
from app.store.engine import to_ms

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CHUNK = 500


def upgrade() -> None:
    """Make the change; the schema only where nobody made it before, who may have the right to do so."""
    for name in ("not_before", "not_after"):
        op.add_column("certificates", sa.Column(name, sa.BigInteger(), nullable=True))
    connection = op.get_bind()
    _fill(connection)
    if connection.dialect.name == "postgresql":
        there = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = 'grafana'")
        if connection.scalar(there) is None:
            op.execute("CREATE SCHEMA grafana")


def _fill(connection: sa.Connection) -> None:
    certificates = sa.table("certificates", *map(sa.column, ("sha256", "der", "not_before", "not_after")))
    last = b""
    while rows := connection.execute(
        sa.select(certificates.c.sha256, certificates.c.der)
        .where(certificates.c.sha256 > last)
        .order_by(certificates.c.sha256)
        .limit(_CHUNK)
    ).all():
        for sha256, der in rows:
            read = read_certificate(bytes(der), position=0)
            if isinstance(read, Certificate) and read.not_before and read.not_after:
                connection.execute(
                    sa.update(certificates)
                    .where(certificates.c.sha256 == sha256)
                    .values(not_before=to_ms(read.not_before), not_after=to_ms(read.not_after))
                )
        last = bytes(rows[-1].sha256)


def downgrade() -> None:
    """Take the change back."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP SCHEMA grafana")
    for name in ("not_after", "not_before"):
        op.drop_column("certificates", name)
