"""Statuses and notes of violations, as the operator sets them."""

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from app.hpkp.violation_status import Status
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event


def set_status(
    connection: Connection, violation_id: int, *, status: str | None, note: str | None, at: datetime
) -> bool:
    """Set status, note, or both; whether there is such a violation.

    Another status is recorded and an event, and so is `resolved` once more: it counts from the last time.
    """
    violations = tables.violations
    one = violations.c.id == violation_id
    before = connection.execute(select(violations).where(one).with_for_update()).first()
    if before is None:
        return False
    now = {"status": status or before.status, "note": before.note if note is None else note}
    connection.execute(update(violations).where(one).values(**now))
    if now["status"] != before.status or status == Status.RESOLVED:
        change = {"violation_id": violation_id, "at": to_ms(at), "was": before.status, **now}
        connection.execute(insert(tables.status_changes).values(**change))
        told = f"Violation {violation_id} ({before.cause}) was {before.status} and is {now['status']}"
        why = f": {now['note']}" if now["note"] else ""
        add_event(connection, "status_changed", (told + why)[:1000], host=before.host, at=to_ms(at))
    return True
