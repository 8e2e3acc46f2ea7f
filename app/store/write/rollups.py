"""Accepted reports in all tables that count them: a fixed number of statements for a batch of whatever size.

Rows are locked and written in the order of their keys, violations first and hosts then, so that folds that run at once
cannot deadlock; and each statement is about one table.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)

from app.hpkp.readiness.ignore_rules import FEW
from app.store import tables
from app.store.engine import DAY_MS
from app.store.sketches import NO_CLIENTS, Sketched, count_in
from app.store.upsert import insert_missing, upsert_rows
from app.store.write.counts import DayCount, HostCounts, HostKey, KeptReport, ViolationCount, sum_by_host
from app.store.write.values import FoldedReport, FoldLimits, ReportSource

_VIOLATIONS = tables.violations
_AT_ONCE = 500
_CLIENTS = ("clients", "client_sketch")

# Made once: with a list of values in place of the parameter, SQLAlchemy looks at each value and compiles anew, which
# takes longer than the database needs to answer.
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_NETWORKS = tables.violation_networks
_LOCK_VIOLATIONS = (
    select(
        _VIOLATIONS.c.id,
        _VIOLATIONS.c.host,
        _VIOLATIONS.c.cause,
        _VIOLATIONS.c.sender,
        func.coalesce(_VIOLATIONS.c.mode, literal_column("''")).label("mode"),
        _VIOLATIONS.c.raw_bodies,
        _VIOLATIONS.c.clients,
        _VIOLATIONS.c.client_sketch,
        select(func.count())
        .where(_NETWORKS.c.violation_id == _VIOLATIONS.c.id)
        .scalar_subquery()
        .label("networks_kept"),
    )
    .where(_VIOLATIONS.c.id.in_(_KEYS))
    .order_by(_VIOLATIONS.c.id)
    .with_for_update(key_share=True, of=_VIOLATIONS)
)


def _in_window(table: Table, key: str) -> Select[Any]:
    """Select days of some keys, with their sketches of clients."""
    return select(table).where(table.c[key].in_(_KEYS), table.c.day.between(bindparam("first"), bindparam("last")))


_DAYS = _in_window(tables.rollup_days, "violation_id")
_HOST_CLIENTS = _in_window(tables.host_clients, "host")
_NETWORKS_OF = select(_NETWORKS.c.violation_id, _NETWORKS.c.network).where(_NETWORKS.c.violation_id.in_(_KEYS))
_LOCK_HOSTS = (
    select(tables.hosts.c.name)
    .where(tables.hosts.c.name.in_(_KEYS))
    .order_by(tables.hosts.c.name)
    .with_for_update(key_share=True)
)


def count_reports(
    connection: Connection,
    reports: Sequence[FoldedReport],
    violations: Mapping[bytes, int],
    sources: Mapping[ReportSource, int],
    limits: FoldLimits,
) -> frozenset[str]:
    """Count accepted reports everywhere, and keep detail up to the limits; return the hosts that are concerned.

    ``violations`` are ids by identity.
    """
    if not reports:
        return frozenset()
    moments = [report.received_at for report in reports]
    window = min(moments) // DAY_MS * DAY_MS, max(moments) // DAY_MS * DAY_MS
    counts = _lock_violations(connection, {violations[report.identity] for report in reports}, window)
    for report in reports:
        counts[violations[report.identity]].add(report, sources[report.source], limits)
    for count in counts.values():
        count.finish()
    added = list(counts.values())
    _write_violations(connection, added)
    _add_networks(connection, added)
    _write_hosts(connection, sum_by_host(added), window)
    return frozenset(count.key.host for count in added)


def _lock_violations(
    connection: Connection, ids: Collection[int], window: tuple[int, int]
) -> dict[int, ViolationCount]:
    """Read violations and their days in a window, by id; nobody else writes them until the transaction ends."""
    counts = {
        row.id: ViolationCount(
            row.id,
            HostKey(row.host, row.cause, row.sender, row.mode),
            row.raw_bodies,
            _sketched(row),
            networks_kept=row.networks_kept,
        )
        for row in _rows_of(connection, _LOCK_VIOLATIONS, ids)
    }
    for row in _rows_of(connection, _DAYS, ids, window):
        counts[row.violation_id].days[row.day] = DayCount(row.rows_kept, _sketched(row))
    return counts


def _sketched(row: Any) -> Sketched:
    return Sketched(row.clients, row.client_sketch)


def _rows_of(
    connection: Connection, query: Select[Any], keys: Iterable[Any], window: tuple[int, int] | None = None
) -> Iterator[Row[Any]]:
    """Run a query for some keys, in their order, a few hundred at once."""
    ordered = sorted(keys)
    days = {} if window is None else {"first": window[0], "last": window[1]}
    for start in range(0, len(ordered), _AT_ONCE):
        yield from connection.execute(query, {"keys": ordered[start : start + _AT_ONCE], **days}).all()


@cache
def _add_to_violation(dialect: str) -> Update:
    """Build the UPDATE that adds to a violation; its last receipt never goes back."""
    larger = func.max if dialect == "sqlite" else func.greatest
    return (
        update(_VIOLATIONS)
        .where(_VIOLATIONS.c.id == bindparam("key"))
        .values(
            last_received_at=larger(_VIOLATIONS.c.last_received_at, bindparam("last")),
            reports=_VIOLATIONS.c.reports + bindparam("more"),
            raw_bodies=_VIOLATIONS.c.raw_bodies + bindparam("more_bodies"),
            clients=bindparam("new_clients"),
            client_sketch=bindparam("new_sketch"),
        )
    )


def _write_violations(connection: Connection, counts: list[ViolationCount]) -> None:
    """Add to violations, their hours and days, and keep single reports."""
    connection.execute(
        _add_to_violation(connection.dialect.name),
        [
            {
                "key": count.id,
                "last": count.last_received_at,
                "more": count.reports,
                "more_bodies": count.new_bodies,
                "new_clients": count.sketched.clients,
                "new_sketch": count.sketched.client_sketch,
            }
            for count in counts
        ],
    )
    hours = [
        {"violation_id": count.id, "hour": hour, "source_id": source, "reports": reports}
        for count in counts
        for (hour, source), reports in sorted(count.hours.items())
    ]
    upsert_rows(connection, tables.rollup_hours, hours, add=("reports",))
    days = [
        {
            "violation_id": count.id,
            "day": midnight,
            "reports": day.reports,
            "rows_kept": len(day.kept),
            **day.sketched._asdict(),
        }
        for count in counts
        for midnight, day in count.days.items()
    ]
    upsert_rows(connection, tables.rollup_days, days, add=("reports", "rows_kept"), put=_CLIENTS)
    kept = [_report_row(count.id, kept) for count in counts for kept in count.kept()]
    if kept:
        connection.execute(insert(tables.reports), kept)


def _report_row(violation: int, kept: KeptReport) -> dict[str, Any]:
    report = kept.report
    body = report.body if kept.with_body else None
    return {
        "violation_id": violation,
        "source_id": kept.source_id,
        "received_at": report.received_at,
        "date_time": report.date_time,
        "date_time_text": report.date_time_text,
        "effective_expiration_text": report.effective_expiration_text,
        "platform_version": report.platform_version,
        "user_agent": report.user_agent,
        "body": None if body is None else body.data,
        "body_packing": 0 if body is None else int(body.packing),
    }


def _add_networks(connection: Connection, counts: list[ViolationCount]) -> None:
    """Add networks to violations that have room for them: the first few of each are kept."""
    with_room = [count for count in counts if count.networks_kept < FEW]
    known: dict[int, set[bytes]] = {count.id: set() for count in with_room}
    for row in _rows_of(connection, _NETWORKS_OF, known):
        known[row.violation_id].add(bytes(row.network))
    rows = [
        {"violation_id": count.id, "network": network, "first_at": at}
        for count in with_room
        for network, at in count.new_networks(known[count.id])
    ]
    if rows:
        insert_missing(connection, _NETWORKS, rows)


def _write_hosts(connection: Connection, added: HostCounts, window: tuple[int, int]) -> None:
    """Add to the counts of hosts as wholes, under locks of theirs."""
    hosts = {key.host for key, _ in added.days}
    if connection.dialect.name == "postgresql":
        list(_rows_of(connection, _LOCK_HOSTS, hosts))
    for table, period, counted in (
        (tables.host_hours, "hour", added.hours),
        (tables.host_days, "day", added.days),
    ):
        rows = [{**key._asdict(), period: at, "reports": reports} for (key, at), reports in sorted(counted.items())]
        upsert_rows(connection, table, rows, add=("reports",))
    _write_host_clients(connection, added, window)


def _write_host_clients(connection: Connection, added: HostCounts, window: tuple[int, int]) -> None:
    """Sketch clients of hosts that were new to a violation's day; most of them are known of the host."""
    hosts = {host for host, _ in added.clients}
    before = {(row.host, row.day): _sketched(row) for row in _rows_of(connection, _HOST_CLIENTS, hosts, window)}
    rows = []
    for (host, day), clients in sorted(added.clients.items()):
        known = before.get((host, day), NO_CLIENTS)
        counted = count_in(known, clients)
        if counted is not known:
            rows.append({"host": host, "day": day, **counted._asdict()})
    upsert_rows(connection, tables.host_clients, rows, put=_CLIENTS)
