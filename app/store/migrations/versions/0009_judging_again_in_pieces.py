"""How far the judging of stored violations is; and identities that say what was out of validity at a report's date.

Revision 0009, after 0008.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

import sqlalchemy as sa
from alembic import op

from app.hpkp.hosts import Host
from app.hpkp.report import Sender, SenderResult, ViolationReport, gregorian_year
from app.hpkp.violation import date_matters, is_outside_validity, with_out_of_date
from app.store.engine import from_ms, to_ms

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CHUNK = 500


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "rejudgings",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("knowledge", sa.String(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("host"),
    )
    _set_identities(op.get_bind())


_violations = sa.table(
    "violations",
    *map(sa.column, ("id", "identity", "hostname", "sender", "sender_result", "served_chain", "validated_chain")),
    sa.column("contradictions", sa.JSON),
    *map(sa.column, ("date_time", "first_received_at")),
)
_chains = sa.table("chains", sa.column("digest"), sa.column("elements", sa.JSON))
_certificates = sa.table("certificates", *map(sa.column, ("sha256", "not_before", "not_after")))
_reports = sa.table("reports", *map(sa.column, ("id", "violation_id", "date_time")))


def _set_identities(connection: sa.Connection) -> None:
    """Give violations judged by a date at which their path was not valid the identity that such reports have now.

    Under the old one reports of all dates were counted. Where one that is kept was dated when the path was valid, the
    violation is that of those instead, and judged by its date: what may be an attack must not pass for a wrong clock.
    """
    last = 0
    while rows := connection.execute(
        sa.select(_violations).where(_violations.c.id > last).order_by(_violations.c.id).limit(_CHUNK)
    ).all():
        for row in rows:
            _set_identity(connection, row)
        last = rows[-1].id


def _set_identity(connection: sa.Connection, row: sa.Row) -> None:  # type: ignore[type-arg]
    report = ViolationReport(
        Host(row.hostname),
        Sender(row.sender),
        sender_result=None if row.sender_result is None else SenderResult(row.sender_result),
        contradictions=tuple(row.contradictions),
    )
    if not date_matters(report):
        return
    date = _read_clock(row.date_time)
    validity = [*_validity(connection, row.served_chain), *_validity(connection, row.validated_chain)]
    outside = _outside(validity, date or from_ms(row.first_received_at))
    identity = bytes(row.identity)
    if outside:
        dates = map(_read_clock, _dates_kept(connection, row.id))
        valid = next((kept for kept in dates if kept is not None and not _outside(validity, kept)), None)
        date, identity = (date, with_out_of_date(identity, outside)) if valid is None else (valid, identity)
    values = {"identity": identity, "date_time": None if date is None else to_ms(date)}
    if values != {"identity": bytes(row.identity), "date_time": row.date_time}:
        connection.execute(sa.update(_violations).where(_violations.c.id == row.id).values(values))


_Validity = tuple[bytes, datetime | None, datetime | None]
"""Fingerprint, start and end of a certificate's validity."""


def _outside(validity: Collection[_Validity], clock: datetime) -> frozenset[bytes]:
    return frozenset(
        sha256 for sha256, not_before, not_after in validity if is_outside_validity(not_before, not_after, clock)
    )


def _validity(connection: sa.Connection, digest: bytes | None) -> Iterator[_Validity]:
    elements = connection.scalar(sa.select(_chains.c.elements).where(_chains.c.digest == digest)) or ()
    wanted = [bytes.fromhex(element["sha256"]) for element in elements if "sha256" in element]
    rows = connection.execute(sa.select(_certificates).where(_certificates.c.sha256.in_(wanted)))
    for sha256, *bounds in rows.all():
        not_before, not_after = (None if bound is None else from_ms(bound) for bound in bounds)
        yield bytes(sha256), not_before, not_after


def _dates_kept(connection: sa.Connection, violation: int) -> Iterator[int | None]:
    of = _reports.c
    yield from connection.scalars(sa.select(of.date_time).where(of.violation_id == violation).order_by(of.id))


def _read_clock(stored: int | None) -> datetime | None:
    """Read a date that was stored before other calendars were told apart."""
    if stored is None:
        return None
    moment = from_ms(stored)
    try:
        year = gregorian_year(moment.year)
        return None if year is None else moment.replace(year=year)
    except ValueError:  # 29 February of no such year
        return None


def downgrade() -> None:
    """Take the change back; identities stay, and reports of the same come under a violation of their own."""
    op.drop_table("rejudgings")
