"""Statuses and notes of violations, as the operator sets them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.hpkp.readiness.ignore_rules import FEW
from app.hpkp.violation_status import Status
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event
from app.store.read.counted_violations import count_busiest_day, count_clients
from app.store.read.networks import find_networks

Networks = Mapping[int, frozenset[bytes]]


class _Seen:
    """What decisions are measured by, each thing counted once for all violations that one request changes.

    Many violations of one proxy share host, cause and networks: counted anew for each, 1,000 of them took two minutes
    in a transaction for which ingest waits.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._networks: dict[tuple[str, str], Networks] = {}
        self._busiest: dict[tuple[int, ...], int] = {}

    def find_networks_of_alike(self, host: str, cause: str) -> Networks:
        """Return the networks of each violation of a host and cause."""
        if (host, cause) not in self._networks:
            violations = tables.violations.c
            alike = select(violations.id, violations.first_received_at).where(
                violations.host == host, violations.cause == cause
            )
            rows = {row.id: row.first_received_at for row in self._connection.execute(alike)}
            self._networks[host, cause] = find_networks(self._connection, rows)
        return self._networks[host, cause]

    def count_busiest_day(self, ids: Sequence[int]) -> int:
        """Count the clients of the day on which they were most."""
        key = tuple(sorted(ids))
        if key not in self._busiest:
            self._busiest[key] = count_busiest_day(self._connection, key)
        return self._busiest[key]


_RENEWED = (Status.RESOLVED, Status.EXPECTED, Status.IGNORED)


def set_statuses(
    connection: Connection,
    ids: Iterable[int],
    *,
    status: str,
    note: str | None,
    at: datetime,
    actor: str | None = None,
) -> None:
    """Set the status of many violations, and the note if there is one; unknown ones are skipped."""
    seen = _Seen(connection)
    for id_ in ids:
        _set(connection, id_, seen, status=status, note=note, at=at, actor=actor)


def set_status(
    connection: Connection,
    violation_id: int,
    *,
    status: str | None,
    note: str | None,
    at: datetime,
    actor: str | None = None,
) -> bool:
    """Set status, note, or both; whether there is such a violation.

    Another status is recorded and an event, and so is one of `resolved`, `expected` and `ignored` once more: it counts
    from the last time, and for a multiple of what has been seen by now.
    """
    return _set(connection, violation_id, _Seen(connection), status=status, note=note, at=at, actor=actor)


def _set(
    connection: Connection,
    violation_id: int,
    seen: _Seen,
    *,
    status: str | None,
    note: str | None,
    at: datetime,
    actor: str | None,
) -> bool:
    """Set status and note of one violation; whether there is one."""
    violations = tables.violations
    one = violations.c.id == violation_id
    before = connection.execute(select(violations).where(one).with_for_update()).first()
    if before is None:
        return False
    now = {"status": status or before.status, "note": before.note if note is None else note}
    connection.execute(update(violations).where(one).values(**now))
    if now["status"] != before.status or status in _RENEWED:
        clients = _count_seen(connection, before, now["status"], seen)
        change = {"violation_id": violation_id, "at": to_ms(at), "was": before.status, "clients": clients, **now}
        change["cause"] = before.cause
        connection.execute(insert(tables.status_changes).values(**change))
        told = f"Violation {violation_id} ({before.cause}) was {before.status} and is {now['status']}"
        why = f": {now['note']}" if now["note"] else ""
        add_event(connection, "status_changed", (told + why)[:1000], host=before.host, at=to_ms(at), actor=actor)
    return True


def _count_seen(connection: Connection, violation: Row[Any], status: str, seen: _Seen) -> int | None:
    """Count what a decision is measured by (`app.hpkp.readiness.decisions`)."""
    if status == Status.EXPECTED:
        return count_clients(connection, [violation.id])[violation.id]
    if status != Status.IGNORED:
        return None
    networks = seen.find_networks_of_alike(violation.host, violation.cause)
    of_it = networks.get(violation.id)
    if of_it is None or len(of_it) >= FEW:
        return seen.count_busiest_day([violation.id])
    return seen.count_busiest_day([id_ for id_, where in networks.items() if where <= of_it])
