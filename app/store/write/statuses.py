"""Statuses and notes of violations, as the operator sets them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.hpkp.readiness.sources import FEW
from app.hpkp.violation_status import Status
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event
from app.store.read.counted_violations import count_busiest_day, count_clients
from app.store.read.networks import find_networks

_RENEWED = (Status.RESOLVED, Status.EXPECTED, Status.IGNORED)


def set_status(
    connection: Connection, violation_id: int, *, status: str | None, note: str | None, at: datetime
) -> bool:
    """Set status, note, or both; whether there is such a violation.

    Another status is recorded and an event, and so is one of `resolved`, `expected` and `ignored` once more: it counts
    from the last time, and for a multiple of what has been seen by now.
    """
    violations = tables.violations
    one = violations.c.id == violation_id
    before = connection.execute(select(violations).where(one).with_for_update()).first()
    if before is None:
        return False
    now = {"status": status or before.status, "note": before.note if note is None else note}
    connection.execute(update(violations).where(one).values(**now))
    if now["status"] != before.status or status in _RENEWED:
        clients = _count_seen(connection, before, now["status"])
        change = {"violation_id": violation_id, "at": to_ms(at), "was": before.status, "clients": clients, **now}
        connection.execute(insert(tables.status_changes).values(**change))
        told = f"Violation {violation_id} ({before.cause}) was {before.status} and is {now['status']}"
        why = f": {now['note']}" if now["note"] else ""
        add_event(connection, "status_changed", (told + why)[:1000], host=before.host, at=to_ms(at))
    return True


def _count_seen(connection: Connection, violation: Row[Any], status: str) -> int | None:
    """Count what a decision is measured by (`app.hpkp.readiness.decisions`)."""
    if status == Status.EXPECTED:
        return count_clients(connection, [violation.id])[violation.id]
    if status != Status.IGNORED:
        return None
    violations = tables.violations.c
    alike = select(violations.id, violations.first_received_at).where(
        violations.host == violation.host, violations.cause == violation.cause
    )
    networks = find_networks(connection, {row.id: row.first_received_at for row in connection.execute(alike)})
    of_it = networks.get(violation.id)
    if of_it is None or len(of_it) >= FEW:
        return count_busiest_day(connection, [violation.id])
    return count_busiest_day(connection, [id_ for id_, where in networks.items() if where <= of_it])
