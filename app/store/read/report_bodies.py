"""Raw bodies as they came."""

from sqlalchemy import Connection, select

from app.hpkp.pins import parse_pin
from app.store import tables
from app.store.body_packing import PackedBody, Packing, unpack_body
from app.store.read.reported import load_chain


def load_report_body(connection: Connection, report_id: int) -> bytes | None:
    """Return the body of a report exactly as it was sent; None if it is not kept."""
    reports, violations = tables.reports.c, tables.violations.c
    row = connection.execute(
        select(
            reports.body,
            reports.body_packing,
            violations.known_pins,
            violations.served_chain,
            violations.validated_chain,
        )
        .join(tables.violations, violations.id == reports.violation_id)
        .where(reports.id == report_id)
    ).first()
    if row is None or row.body is None:
        return None
    packed = PackedBody(Packing(row.body_packing), bytes(row.body))
    if packed.packing is Packing.PLAIN:
        return packed.data
    chains = [load_chain(connection, digest) for digest in (row.served_chain, row.validated_chain)]
    return unpack_body(packed, map(parse_pin, row.known_pins), chains)
