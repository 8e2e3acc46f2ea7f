"""Summaries over the rollups: what happened to a host, how often, since when.

::

    a host as a whole, by cause, sender or mode ──> host_hours, host_days, host_clients
    violations, their sum where a window holds them whole ──> violations
                where it holds a part of them ──> whole days of rollup_days, hours of rollup_hours at its ends
    apps, versions, platforms, labels ──> rollup_hours

So an answer takes as long as the window has hours and the host violations, however many reports these stand for.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from app.hpkp.clients import ClientCount
from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, from_ms
from app.store.read.counted_violations import CountedViolation, count_violations, find_sketches, select_hours
from app.store.read.filters import Filter
from app.store.read.window import Window
from app.store.sketches import count_of, union


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals and their parts. Reports and clients are lower bounds: senders suppress repetitions."""

    reports: int
    violations: int
    clients: ClientCount
    by_cause: dict[str, int]
    by_sender: dict[str, int]
    series: list[tuple[datetime, str, int]]
    top: list[tuple[int, str, int]]


def summarise(connection: Connection, wanted: Filter, *, interval: str = "hour") -> Summary:
    """Summarise reports by the hour or day of receipt."""
    window = Window.of(wanted)
    buckets = _buckets(connection, wanted, window, DAY_MS if interval == "day" else HOUR_MS)
    counted = count_violations(connection, wanted, window)
    by_cause, by_sender, series = Counter[str](), Counter[str](), Counter[tuple[int, str]]()
    for bucket, cause, sender, reports in buckets:
        by_cause[cause] += reports
        by_sender[sender] += reports
        series[bucket, cause] += reports
    top = sorted(counted, key=lambda violation: (-violation.reports, violation.id))[:10]
    return Summary(
        reports=by_cause.total(),
        violations=len(counted),
        clients=count_clients(connection, wanted, window, counted),
        by_cause=dict(sorted(by_cause.items())),
        by_sender=dict(sorted(by_sender.items())),
        series=[(from_ms(bucket), cause, reports) for (bucket, cause), reports in sorted(series.items())],
        top=[(violation.id, violation.cause, violation.reports) for violation in top],
    )


def _buckets(connection: Connection, wanted: Filter, window: Window, width: int) -> Iterator[tuple[int, str, str, int]]:
    """Count reports by the start of their hour or day, cause and sender."""
    if not is_host_total(connection, wanted):
        yield from _run(connection, _of_sources(wanted, window, width))
    elif width == HOUR_MS:
        yield from _run(connection, _of_host(wanted, tables.host_hours, "hour", window.hours, width))
    else:
        yield from _run(connection, _of_host(wanted, tables.host_days, "day", window.whole_days, width))
        yield from _run(connection, _of_host(wanted, tables.host_hours, "hour", window.hours_at_the_ends, width))


def _run(connection: Connection, query: Select[Any]) -> Iterator[tuple[int, str, str, int]]:
    for bucket, cause, sender, reports in connection.execute(query):
        yield bucket, cause, sender, int(reports)


def is_host_total(connection: Connection, wanted: Filter) -> bool:
    """Whether the counts of hosts tell what is wanted: they know no status, no source, and each host is its own."""
    if wanted.host is None or wanted.only_on_violation or wanted.of_source():
        return False
    violations = tables.violations.c
    elsewhere = select(violations.id).where(violations.hostname == wanted.host, violations.host != wanted.host)
    return connection.scalar(elsewhere.limit(1)) is None


def _of_host(wanted: Filter, table: Table, period: str, within: Any, width: int) -> Select[Any]:
    at = table.c[period]
    bucket = (at - at % width).label("bucket")
    stated = {"cause": wanted.cause, "sender": wanted.sender, "mode": wanted.mode}
    return (
        select(bucket, table.c.cause, table.c.sender, func.sum(table.c.reports))
        .where(table.c.host == wanted.host, within(at))
        .where(*(table.c[column] == value for column, value in stated.items() if value is not None))
        .group_by(bucket, table.c.cause, table.c.sender)
    )


def _of_sources(wanted: Filter, window: Window, width: int) -> Select[Any]:
    at, violations = tables.rollup_hours.c.hour, tables.violations.c
    bucket = (at - at % width).label("bucket")
    key = bucket, violations.cause, violations.sender
    return select_hours(wanted, *key, func.sum(tables.rollup_hours.c.reports)).where(window.hours(at)).group_by(*key)


def count_clients(
    connection: Connection, wanted: Filter, window: Window, counted: Sequence[CountedViolation]
) -> ClientCount:
    """Count distinct clients, by whole days; clients are not told apart by app."""
    narrowed = wanted.cause or wanted.sender or wanted.mode
    if not narrowed and is_host_total(connection, wanted):
        clients = tables.host_clients.c
        query = select(clients.client_sketch).where(clients.host == wanted.host, window.days_touched(clients.day))
        return count_of(union(connection.scalars(query)))
    sketches = find_sketches(connection, [violation.id for violation in counted], window)
    return count_of(union(sketch for _, sketch in sketches))
