"""Summaries over the rollups: what happened to a host, how often, since when.

::

    a host as a whole, by cause, sender or mode ──> host_hours, host_days, host_clients
    violations, their sum where a window holds them whole ──> violations
                where it holds a part of them ──> whole days of rollup_days, hours of rollup_hours at its ends
    apps, versions, platforms, labels ──> rollup_hours

So an answer takes as long as the window has hours and the host violations, however many reports these stand for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, false, func, or_, select

from app.hpkp.clients import ClientCount
from app.hpkp.exposure import add_up
from app.hpkp.judgement.causes import Cause
from app.hpkp.readiness import Evidence, Group, OpenViolation
from app.store import tables
from app.store.canaries import last_canary
from app.store.engine import DAY_MS, HOUR_MS, from_ms, to_ms
from app.store.exposures import list_exposure
from app.store.networks import believe
from app.store.sketches import count_of, union
from app.store.statuses import reported_again
from app.store.violations import Filter, Status

OPEN = (Status.OPEN, Status.ACKNOWLEDGED)
"""Statuses under which a violation still counts against readiness."""


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


@dataclass(frozen=True, slots=True)
class _Window:
    """The hours of receipt that are counted, from ``since`` to before ``until``, in milliseconds; None leaves it open.

    ``since`` is the start of an hour. The whole days within go from ``first_day`` to before ``end_day``.
    """

    since: int | None
    until: int | None

    @classmethod
    def of(cls, wanted: Filter) -> "_Window":
        since = None if wanted.since is None else to_ms(wanted.since) // HOUR_MS * HOUR_MS
        return cls(since, None if wanted.until is None else to_ms(wanted.until))

    @property
    def first_day(self) -> int | None:
        return None if self.since is None else -(-self.since // DAY_MS) * DAY_MS

    @property
    def end_day(self) -> int | None:
        return None if self.until is None else self.until // DAY_MS * DAY_MS

    def hours(self, hour: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick every hour."""
        return _between(hour, self.since, self.until)

    def whole_days(self, day: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick the days that lie within altogether."""
        return _between(day, self.first_day, self.end_day)

    def hours_at_the_ends(self, hour: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick the hours that lie in no whole day."""
        if self.first_day is not None and self.end_day is not None and self.first_day >= self.end_day:
            return self.hours(hour)  # no day lies within
        before = false() if self.since is None else _between(hour, self.since, self.first_day)
        after = false() if self.until is None else _between(hour, self.end_day, self.until)
        return or_(before, after)

    def days_touched(self, day: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick the days of which a part lies within: clients are counted by whole days."""
        return _between(day, None if self.since is None else self.since // DAY_MS * DAY_MS, self.until)

    @property
    def holds_whole(self) -> ColumnElement[bool]:
        """Whether every report of a violation lies within."""
        violations = tables.violations.c
        return and_(
            _between(violations.first_received_at, self.since, None),
            _between(violations.last_received_at, None, self.until),
        )

    @property
    def may_hold(self) -> ColumnElement[bool]:
        """Whether some report of a violation may lie within."""
        violations = tables.violations.c
        return and_(
            _between(violations.last_received_at, self.since, None),
            _between(violations.first_received_at, None, self.until),
        )


def _between(column: ColumnElement[int], since: int | None, until: int | None) -> ColumnElement[bool]:
    ends = [column >= since] if since is not None else []
    return and_(True, *ends, *([column < until] if until is not None else []))


def summarise(connection: Connection, wanted: Filter, *, interval: str = "hour") -> Summary:
    """Summarise reports by the hour or day of receipt."""
    window = _Window.of(wanted)
    buckets = _buckets(connection, wanted, window, DAY_MS if interval == "day" else HOUR_MS)
    counted = _count_violations(connection, wanted, window)
    by_cause, by_sender, series = Counter[str](), Counter[str](), Counter[tuple[int, str]]()
    for bucket, cause, sender, reports in buckets:
        by_cause[cause] += reports
        by_sender[sender] += reports
        series[bucket, cause] += reports
    top = sorted(counted, key=lambda violation: (-violation.reports, violation.id))[:10]
    return Summary(
        reports=by_cause.total(),
        violations=len(counted),
        clients=_count_clients(connection, wanted, window, counted),
        by_cause=dict(sorted(by_cause.items())),
        by_sender=dict(sorted(by_sender.items())),
        series=[(from_ms(bucket), cause, reports) for (bucket, cause), reports in sorted(series.items())],
        top=[(violation.id, violation.cause, violation.reports) for violation in top],
    )


def _buckets(
    connection: Connection, wanted: Filter, window: _Window, width: int
) -> Iterator[tuple[int, str, str, int]]:
    """Count reports by the start of their hour or day, cause and sender."""
    if not _is_of_hosts(connection, wanted):
        yield from _run(connection, _of_sources(wanted, window, width))
    elif width == HOUR_MS:
        yield from _run(connection, _of_host(wanted, tables.host_hours, "hour", window.hours, width))
    else:
        yield from _run(connection, _of_host(wanted, tables.host_days, "day", window.whole_days, width))
        yield from _run(connection, _of_host(wanted, tables.host_hours, "hour", window.hours_at_the_ends, width))


def _run(connection: Connection, query: Select[Any]) -> Iterator[tuple[int, str, str, int]]:
    for bucket, cause, sender, reports in connection.execute(query):
        yield bucket, cause, sender, int(reports)


def _is_of_hosts(connection: Connection, wanted: Filter) -> bool:
    """Whether the counts of hosts tell what is wanted: they know no status, no source, and each host is its own."""
    if wanted.host is None or wanted.status is not None or wanted.of_source():
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


def _of_sources(wanted: Filter, window: _Window, width: int) -> Select[Any]:
    at, violations = tables.rollup_hours.c.hour, tables.violations.c
    bucket = (at - at % width).label("bucket")
    key = bucket, violations.cause, violations.sender
    return _hours(wanted, *key, func.sum(tables.rollup_hours.c.reports)).where(window.hours(at)).group_by(*key)


def _hours(wanted: Filter, *columns: Any) -> Select[Any]:
    """Select from the hours of violations, narrowed by all that is wanted but the window."""
    violations = tables.violations
    joined = violations.join(tables.rollup_hours, tables.rollup_hours.c.violation_id == violations.c.id)
    query = select(*columns).select_from(joined).where(*wanted.of_violation())
    if conditions := wanted.of_source():
        query = query.join(tables.sources, tables.sources.c.id == tables.rollup_hours.c.source_id).where(*conditions)
    return query


@dataclass(frozen=True, slots=True)
class _Counted:
    """A violation with its reports of a window; ``whole`` if all of it lies within."""

    id: int
    cause: str
    status: str
    locks_out: bool | None
    hostname: str
    first_received_at: int
    last_received_at: int
    reports: int
    whole: bool


def _count_violations(connection: Connection, wanted: Filter, window: _Window) -> list[_Counted]:
    """Count the reports of each violation in a window, leaving those out that have none, in the order of their ids."""
    violations = tables.violations.c
    whole = false() if wanted.of_source() else window.holds_whole
    rows = connection.execute(
        select(
            violations.id, violations.cause, violations.status, violations.locks_out, violations.hostname,
            violations.first_received_at, violations.last_received_at, violations.reports, whole.label("whole"),
        )
        .where(window.may_hold, *wanted.of_violation())
        .order_by(violations.id)
    )  # fmt: skip
    found = [_Counted(*row) for row in rows]
    if not all(violation.whole for violation in found):
        parts = _count_parts(connection, wanted, window)
        found = [v if v.whole else replace(v, reports=parts[v.id]) for v in found]
    return [violation for violation in found if violation.reports]


def _count_parts(connection: Connection, wanted: Filter, window: _Window) -> Counter[int]:
    """Count the reports of violations, of which not every report is wanted."""
    days, hours = tables.rollup_days.c, tables.rollup_hours.c
    if wanted.of_source():
        queries = [_hours(wanted, hours.violation_id, func.sum(hours.reports)).where(window.hours(hours.hour))]
    else:
        of_days = tables.violations.join(tables.rollup_days, days.violation_id == tables.violations.c.id)
        part = ~window.holds_whole, window.may_hold
        queries = [
            select(days.violation_id, func.sum(days.reports))
            .select_from(of_days)
            .where(window.whole_days(days.day), *part, *wanted.of_violation()),
            _hours(wanted, hours.violation_id, func.sum(hours.reports)).where(
                window.hours_at_the_ends(hours.hour), *part
            ),
        ]
    parts = Counter[int]()
    for query in queries:
        for id_, reports in connection.execute(query.group_by(query.selected_columns[0])):
            parts[id_] += int(reports)
    return parts


def _count_clients(connection: Connection, wanted: Filter, window: _Window, counted: Sequence[_Counted]) -> ClientCount:
    """Count distinct clients, by whole days; clients are not told apart by app."""
    narrowed = wanted.cause or wanted.sender or wanted.mode
    if not narrowed and _is_of_hosts(connection, wanted):
        clients = tables.host_clients.c
        query = select(clients.client_sketch).where(clients.host == wanted.host, window.days_touched(clients.day))
        return count_of(union(connection.scalars(query)))
    return count_of(union(_sketches(connection, [violation.id for violation in counted], window)))


_IDS_AT_ONCE = 500


def _sketches(connection: Connection, ids: Sequence[int], window: _Window) -> Iterator[bytes | None]:
    """Return sketches of the clients of violations in a window."""
    violations, days = tables.violations.c, tables.rollup_days.c
    whole = select(violations.client_sketch).where(window.holds_whole)
    parts = select(days.client_sketch).join(tables.violations, violations.id == days.violation_id)
    parts = parts.where(~window.holds_whole, window.days_touched(days.day))
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = violations.id.in_(ids[start : start + _IDS_AT_ONCE])
        for query in (whole, parts):
            yield from connection.scalars(query.where(some))


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
    wanted = Filter(host=host, since=since, until=until)
    counted = _count_violations(connection, wanted, _Window.of(wanted))
    hostnames = Counter[str]()
    for found in counted:
        hostnames[found.hostname] += found.reports
    resolved = [found.id for found in counted if found.status == Status.RESOLVED]
    again = reported_again(connection, resolved, until=until)
    opened = [
        (
            OpenViolation(
                id=found.id,
                cause=Cause(found.cause),
                reports=found.reports,
                last_received_at=from_ms(found.last_received_at),
                locks_out=found.locks_out,
                hostname=found.hostname,
                resolved_at=again.get(found.id),
            ),
            found.first_received_at,
        )
        for found in counted
        if found.status in OPEN or found.id in again
    ]
    believed = believe(connection, opened, _ignored(connection, host) if opened else ())
    return Evidence(
        reports=hostnames.total(),
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
    window = _Window.of(Filter(since=since, until=until))
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for violation in violations:
        if violation.group is not None:
            groups[violation.group].append(violation.id)
    return {group: count_of(union(_sketches(connection, ids, window))) for group, ids in groups.items()}


def walk_counted(connection: Connection, wanted: Filter, *, page: int = 200) -> Iterator[tuple[Row[Any], int]]:
    """Walk the violations that were reported in a window by their ids, each with its reports in it."""
    violations = tables.violations
    counted = {found.id: found.reports for found in _count_violations(connection, wanted, _Window.of(wanted))}
    ids = list(counted)
    for start in range(0, len(ids), page):
        some = violations.c.id.in_(ids[start : start + page])
        for row in connection.execute(select(violations).where(some).order_by(violations.c.id)).all():
            yield row, counted[row.id]


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
