"""Counts of a host as a whole; clients as sketches in place of rows.

Revision 0006, after 0005.
"""

from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from alembic import op

from app.store.sketches import NO_CLIENTS, count_in, sketch_all

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. Without batch mode: that would make the tables anew, and others refer to them."""
    op.add_column("violations", sa.Column("locks_out", sa.Boolean(), nullable=True))
    op.add_column("violations", sa.Column("clients", sa.Integer(), server_default="0", nullable=False))
    op.add_column("violations", sa.Column("client_sketch", sa.LargeBinary(), nullable=True))
    op.create_index("ix_violations_hostname", "violations", ["hostname"])
    op.execute("ALTER TABLE rollup_days RENAME COLUMN clients_kept TO clients")
    op.add_column("rollup_days", sa.Column("client_sketch", sa.LargeBinary(), nullable=True))
    for table, period in (("host_hours", "hour"), ("host_days", "day")):
        op.create_table(
            table,
            sa.Column("host", sa.String(length=253), nullable=False),
            sa.Column(period, sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("cause", sa.String(), nullable=False),
            sa.Column("sender", sa.String(), nullable=False),
            sa.Column("mode", sa.String(), nullable=False),
            sa.Column("reports", sa.BigInteger(), nullable=False),
            sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
            sa.PrimaryKeyConstraint("host", period, "cause", "sender", "mode"),
        )
    op.create_table(
        "host_clients",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("clients", sa.Integer(), nullable=False),
        sa.Column("client_sketch", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"]),
        sa.PrimaryKeyConstraint("host", "day"),
    )
    connection = op.get_bind()
    _note_who_is_locked_out(connection)
    _count_hosts(connection)
    _sketch_clients(connection)
    op.drop_table("violation_clients")


def _note_who_is_locked_out(connection: sa.Connection) -> None:
    violations = sa.table("violations", sa.column("id"), sa.column("judgement", sa.JSON), sa.column("locks_out"))
    # The first versions did not say it in the judgement: it is known when the violation is judged again.
    judged = [(row.id, row.judgement.get("locks_out")) for row in connection.execute(sa.select(violations))]
    for id_, locks_out in judged:
        connection.execute(violations.update().where(violations.c.id == id_).values(locks_out=locks_out))


def _count_hosts(connection: sa.Connection) -> None:
    for period in ("hour", "day"):
        connection.exec_driver_sql(
            f"INSERT INTO host_{period}s (host, {period}, cause, sender, mode, reports) "
            f"SELECT host, {period}, cause, sender, coalesce(mode, ''), sum(counted.reports) "
            f"FROM rollup_{period}s AS counted JOIN violations ON violations.id = violation_id "
            f"GROUP BY host, {period}, cause, sender, coalesce(mode, '')"
        )


def _sketch_clients(connection: sa.Connection) -> None:
    """Count the clients that stand in rows, by violation and day, then all days together, then for the host."""
    for (violation,) in connection.exec_driver_sql("SELECT id FROM violations ORDER BY id").all():
        rows = connection.execute(
            sa.text("SELECT day, client FROM violation_clients WHERE violation_id = :violation ORDER BY day"),
            {"violation": violation},
        ).all()
        days = {day: count_in(NO_CLIENTS, map(itemgetter(1), of_day)) for day, of_day in groupby(rows, itemgetter(0))}
        for day, counted in days.items():
            connection.execute(
                sa.text(
                    "UPDATE rollup_days SET clients = :clients, client_sketch = :client_sketch "
                    "WHERE violation_id = :violation AND day = :day"
                ),
                counted._asdict() | {"violation": violation, "day": day},
            )
        if days:
            connection.execute(
                sa.text("UPDATE violations SET clients = :clients, client_sketch = :client_sketch WHERE id = :id"),
                sketch_all(counted.client_sketch for counted in days.values())._asdict() | {"id": violation},
            )
    kept = connection.exec_driver_sql(
        "SELECT host, day, rollup_days.client_sketch FROM rollup_days JOIN violations ON violations.id = violation_id "
        "WHERE rollup_days.client_sketch IS NOT NULL ORDER BY host, day"
    )
    for (host, day), of_day in groupby(kept, itemgetter(0, 1)):
        connection.execute(
            sa.text("INSERT INTO host_clients VALUES (:host, :day, :clients, :client_sketch)"),
            sketch_all(map(itemgetter(2), of_day))._asdict() | {"host": host, "day": day},
        )


def downgrade() -> None:
    """Take the change back. Which clients there were is not to be had from a sketch: they are counted anew."""
    op.create_table(
        "violation_clients",
        sa.Column("violation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["violation_id"], ["violations.id"]),
        sa.PrimaryKeyConstraint("violation_id", "day", "client"),
    )
    for table in ("host_clients", "host_days", "host_hours"):
        op.drop_table(table)
    op.drop_column("rollup_days", "client_sketch")
    op.execute("ALTER TABLE rollup_days RENAME COLUMN clients TO clients_kept")
    op.execute("UPDATE rollup_days SET clients_kept = 0")
    op.drop_index("ix_violations_hostname", "violations")
    for column in ("client_sketch", "clients", "locks_out"):
        op.drop_column("violations", column)
