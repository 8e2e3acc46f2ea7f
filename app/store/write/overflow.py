"""Reports over a limit and refused submissions: counted by host, day, reason and number of networks.

Bounded like the other rollups: hosts that the store does not know share one row for each day and reason.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from app.hpkp.hosts import superdomains
from app.hpkp.overflow import REFUSED, OverflowReason
from app.store import tables
from app.store.engine import DAY_MS
from app.store.sketches import NO_CLIENTS, Sketched, count_in
from app.store.submissions import RejectedSubmission
from app.store.upsert import insert_missing, upsert_rows
from app.store.write.values import OverflowReport

_DAYS = tables.overflow_days
_KEY = (_DAYS.c.host, _DAYS.c.day, _DAYS.c.reason)
_AT_ONCE = 200
UNKNOWN_HOSTS = ""
"""Stands for every host that is not in the store, and for what names none."""
_REFUSED = {str(reason): reason for reason in REFUSED}


class OverflowKey(NamedTuple):
    """A row of overflow."""

    host: str
    day: int
    reason: OverflowReason


@dataclass(slots=True)
class OverflowCount:
    """What is added to a row of overflow."""

    reports: int = 0
    last_at: int = 0
    networks: set[bytes] = field(default_factory=set)

    def add(self, *, network: bytes, received_at: int) -> None:
        """Count one."""
        self.reports += 1
        self.last_at = max(self.last_at, received_at)
        self.networks.add(network)


def count_overflow(
    connection: Connection, reports: Sequence[OverflowReport], rejected: Sequence[RejectedSubmission] = ()
) -> dict[OverflowKey, int]:
    """Count reports over a limit and refused submissions; return how many there are by host, day and reason."""
    named = {host for submission in rejected if submission.host for host in _answering(submission.host)}
    known = _known_hosts(connection, named | {report.host for report in reports})
    counts: defaultdict[OverflowKey, OverflowCount] = defaultdict(OverflowCount)
    for report in reports:
        host = report.host if report.host in known else UNKNOWN_HOSTS
        key = OverflowKey(host, _day(report.received_at), report.reason)
        counts[key].add(network=report.network, received_at=report.received_at)
    for submission in rejected:
        reason = _REFUSED.get(submission.outcome)
        host_of_it = _find_host(submission.host, known)
        if reason is not None and host_of_it is not None:
            key = OverflowKey(host_of_it, _day(submission.received_at), reason)
            counts[key].add(network=submission.network, received_at=submission.received_at)
    add_overflow(connection, counts)
    return {key: count.reports for key, count in counts.items()}


def _day(received_at: int) -> int:
    return received_at - received_at % DAY_MS


def _answering(host: str) -> tuple[str, ...]:
    """Return the hosts to which what names a host may belong, nearest first."""
    return (host, *superdomains(host))


def _find_host(named: str | None, known: Collection[str]) -> str | None:
    """Return under which host a refused submission counts; None for what concerns no host of the store.

    What names no host may be about any. What names another host is about that one alone, so it counts for none here.
    """
    if not named:
        return None if named is None else UNKNOWN_HOSTS
    return next((host for host in _answering(named) if host in known), None)


def add_overflow(connection: Connection, counts: Mapping[OverflowKey, OverflowCount]) -> None:
    """Add to rows of overflow, in the order of their keys."""
    keys = sorted(counts)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        before = _lock_rows(connection, some)
        rows = [_row(key, counts[key], before[key]) for key in some]
        upsert_rows(
            connection, _DAYS, rows, add=("reports",), greatest=("last_at",), put=("networks", "network_sketch")
        )


def _row(key: OverflowKey, count: OverflowCount, before: Sketched) -> dict[str, object]:
    sketched = count_in(before, count.networks)
    return {
        **key._asdict(),
        "reason": str(key.reason),
        "reports": count.reports,
        "last_at": count.last_at,
        "networks": sketched.clients,
        "network_sketch": sketched.client_sketch,
    }


def _lock_rows(connection: Connection, keys: Collection[OverflowKey]) -> dict[OverflowKey, Sketched]:
    """Create the rows that are missing, so that all can be locked, and read their sketches."""
    nothing = {"reports": 0, "networks": 0, "network_sketch": None, "last_at": 0}
    insert_missing(connection, _DAYS, [{**key._asdict(), "reason": str(key.reason), **nothing} for key in keys])
    query = (
        select(*_KEY, _DAYS.c.networks, _DAYS.c.network_sketch)
        .where(tuple_(*_KEY).in_([(host, day, str(reason)) for host, day, reason in keys]))
        .order_by(*_KEY)
        .with_for_update()
    )
    return {
        OverflowKey(row.host, row.day, OverflowReason(row.reason)): (
            NO_CLIENTS if row.network_sketch is None else Sketched(row.networks, bytes(row.network_sketch))
        )
        for row in connection.execute(query)
    }


def _known_hosts(connection: Connection, names: Collection[str]) -> set[str]:
    found: set[str] = set()
    ordered = sorted(names)
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        found.update(connection.scalars(select(tables.hosts.c.name).where(tables.hosts.c.name.in_(some))))
    return found
