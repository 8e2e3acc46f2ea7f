"""Summaries over the rollups: what happened to a host, how often, since when."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from app.hpkp.causes import Cause
from app.hpkp.clients import ClientCount
from app.hpkp.exposure import add_up
from app.hpkp.readiness import Evidence, Group, OpenViolation
from app.store import tables
from app.store.canaries import last_canary
from app.store.engine import DAY_MS, HOUR_MS, from_ms, to_ms
from app.store.exposures import list_exposure
from app.store.networks import believe
from app.store.statuses import reported_again
from app.store.violations import Filter, Status

OPEN = (Status.OPEN, Status.ACKNOWLEDGED)
"""Statuses under which a violation still counts against readiness."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals and their parts. Reports and clients are lower bounds: senders suppress repetitions."""

    reports: int
    violations: int
    clients: int
    by_cause: dict[str, int]
    by_sender: dict[str, int]
    series: list[tuple[datetime, str, int]]
    top: list[tuple[int, str, int]]


def summarise(connection: Connection, wanted: Filter, *, interval: str = "hour") -> Summary:
    """Summarise reports by the hour or day of receipt."""
    width = DAY_MS if interval == "day" else HOUR_MS
    bucket = (tables.rollup_hours.c.hour - tables.rollup_hours.c.hour % width).label("bucket")
    total = func.sum(tables.rollup_hours.c.reports).label("reports")
    by_violation = connection.execute(
        _rollup(wanted, tables.violations.c.id, tables.violations.c.cause, tables.violations.c.sender, total).group_by(
            tables.violations.c.id, tables.violations.c.cause, tables.violations.c.sender
        )
    ).all()
    series = connection.execute(
        _rollup(wanted, bucket, tables.violations.c.cause, total)
        .group_by(bucket, tables.violations.c.cause)
        .order_by(bucket, tables.violations.c.cause)
    )
    by_cause: dict[str, int] = {}
    by_sender: dict[str, int] = {}
    for row in by_violation:
        by_cause[row.cause] = by_cause.get(row.cause, 0) + int(row.reports)
        by_sender[row.sender] = by_sender.get(row.sender, 0) + int(row.reports)
    top = sorted(by_violation, key=lambda row: (-row.reports, row.id))[:10]
    return Summary(
        reports=sum(by_cause.values()),
        violations=len(by_violation),
        clients=_count_clients(connection, wanted),
        by_cause=dict(sorted(by_cause.items())),
        by_sender=dict(sorted(by_sender.items())),
        series=[(from_ms(row.bucket), row.cause, int(row.reports)) for row in series],
        top=[(row.id, row.cause, int(row.reports)) for row in top],
    )


def _rollup(wanted: Filter, *columns: Any) -> Select[Any]:
    query = (
        select(*columns)
        .select_from(
            tables.violations.join(tables.rollup_hours, tables.rollup_hours.c.violation_id == tables.violations.c.id)
        )
        .where(*wanted.of_violation())
    )
    if conditions := wanted.of_source():
        query = query.join(tables.sources, tables.sources.c.id == tables.rollup_hours.c.source_id).where(*conditions)
    if wanted.since is not None:
        since = to_ms(wanted.since)
        query = query.where(tables.rollup_hours.c.hour >= since - since % HOUR_MS)
    if wanted.until is not None:
        query = query.where(tables.rollup_hours.c.hour < to_ms(wanted.until))
    return query


def _count_clients(connection: Connection, wanted: Filter) -> int:
    """Count distinct clients, by whole days; clients are not told apart by app."""
    query = (
        select(func.count(tables.violation_clients.c.client.distinct()))
        .select_from(
            tables.violation_clients.join(
                tables.violations, tables.violations.c.id == tables.violation_clients.c.violation_id
            )
        )
        .where(*wanted.of_violation())
    )
    if wanted.of_source():
        query = query.where(tables.violation_clients.c.violation_id.in_(_rollup(wanted, tables.violations.c.id)))
    if wanted.since is not None:
        since = to_ms(wanted.since)
        query = query.where(tables.violation_clients.c.day >= since - since % DAY_MS)
    if wanted.until is not None:
        query = query.where(tables.violation_clients.c.day < to_ms(wanted.until))
    return connection.scalar(query) or 0


def list_hosts(connection: Connection, *, limit: int, after: str | None = None) -> Sequence[Row[Any]]:
    """Return hosts by name with what was counted for them."""
    registered = (
        select(tables.policy_revisions.c.host)
        .where(tables.policy_revisions.c.host == tables.hosts.c.name)
        .exists()
        .label("registered")
    )
    query = (
        select(
            tables.hosts.c.name,
            tables.hosts.c.first_seen_at,
            registered,
            func.coalesce(func.sum(tables.violations.c.reports), 0).label("reports"),
            func.count(tables.violations.c.id).label("violations"),
            func.max(tables.violations.c.last_received_at).label("last_received_at"),
        )
        .select_from(tables.hosts.outerjoin(tables.violations, tables.violations.c.host == tables.hosts.c.name))
        .group_by(tables.hosts.c.name, tables.hosts.c.first_seen_at)
        .order_by(tables.hosts.c.name)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tables.hosts.c.name > after)
    return connection.execute(query).all()


def has_host(connection: Connection, host: str) -> bool:
    """Whether anything is known of the host."""
    return connection.scalar(select(tables.hosts.c.name).where(tables.hosts.c.name == host)) is not None


def gather_evidence(connection: Connection, host: str, *, since: datetime, until: datetime) -> Evidence:
    """Gather what was reported for a host in a window that ends now, by the hour: the last one counts whole."""
    window = Filter(host=host, since=since, until=until)
    counted = list(walk_counted(connection, window))
    hostnames: Counter[str] = Counter()
    for row, reports in counted:
        hostnames[row.hostname] += reports
    resolved = [row.id for row, _ in counted if row.status == Status.RESOLVED]
    again = reported_again(connection, resolved, until=until)
    opened = [
        (
            OpenViolation(
                id=row.id,
                cause=Cause(row.cause),
                reports=reports,
                last_received_at=from_ms(row.last_received_at),
                locks_out=row.judgement["locks_out"],
                hostname=row.hostname,
                resolved_at=again.get(row.id),
            ),
            row.first_received_at,
        )
        for row, reports in counted
        if row.status in OPEN or row.id in again
    ]
    believed = believe(connection, opened, _ignored(connection, host) if opened else ())
    return Evidence(
        reports=sum(reports for _, reports in counted),
        open_violations=believed.violations,
        left_out=believed.left_out,
        networks=believed.networks,
        clients=count_groups(connection, believed.violations, since=since, until=until),
        exposure=add_up(list_exposure(connection, host, since=since, until=until), since=since, until=until),
        canary=last_canary(connection, host, since=since, until=until),
        hostnames=dict(hostnames),
    )


def _ignored(connection: Connection, host: str) -> list[tuple[int, Cause, int]]:
    violations = tables.violations.c
    query = select(violations.id, violations.cause, violations.first_received_at).where(
        violations.host == host, violations.status == Status.IGNORED
    )
    return [(row.id, Cause(row.cause), row.first_received_at) for row in connection.execute(query)]


def count_groups(
    connection: Connection, violations: Iterable[OpenViolation], *, since: datetime, until: datetime
) -> dict[Group, ClientCount]:
    """Count the clients of violations by whose doing it is, each client once in a group."""
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for violation in violations:
        if violation.group is not None:
            groups[violation.group].append(violation.id)
    return {group: _clients_of_any(connection, ids, since=since, until=until) for group, ids in groups.items()}


def walk_counted(connection: Connection, wanted: Filter, *, page: int = 200) -> Iterator[tuple[Row[Any], int]]:
    """Walk the violations that were reported in a window by their ids, each with its reports in it."""
    total = func.sum(tables.rollup_hours.c.reports).label("reports")
    last = 0
    while True:
        counted = (
            _rollup(wanted, tables.violations.c.id, total)
            .where(tables.violations.c.id > last)
            .group_by(tables.violations.c.id)
            .order_by(tables.violations.c.id)
            .limit(page)
            .subquery()
        )
        rows = connection.execute(
            select(tables.violations, counted.c.reports.label("counted"))
            .join(counted, counted.c.id == tables.violations.c.id)
            .order_by(tables.violations.c.id)
        ).all()
        for row in rows:
            yield row, int(row.counted)
        if len(rows) < page:
            return
        last = rows[-1].id


_IDS_AT_ONCE = 500


def _clients_of_any(connection: Connection, ids: Sequence[int], *, since: datetime, until: datetime) -> ClientCount:
    """Count the clients of violations, each client once, by whole days."""
    clients = tables.violation_clients.c
    found: set[bytes] = set()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        query = (
            select(clients.client)
            .where(
                clients.violation_id.in_(ids[start : start + _IDS_AT_ONCE]),
                clients.day >= to_ms(since) - to_ms(since) % DAY_MS,
                clients.day <= to_ms(until),
            )
            .distinct()
        )
        found.update(map(bytes, connection.scalars(query)))
    return ClientCount.exact(len(found))


def list_rejections(
    connection: Connection, *, outcome: str | None, limit: int, before: int | None = None
) -> Sequence[Row[Any]]:
    """Return rejected submissions, the newest first."""
    query = select(tables.rejections)
    if outcome is not None:
        query = query.where(tables.rejections.c.outcome == outcome)
    if before is not None:
        query = query.where(tables.rejections.c.id < before)
    return connection.execute(query.order_by(tables.rejections.c.id.desc()).limit(limit)).all()
