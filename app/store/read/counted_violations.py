"""Violations with their reports of a window: their sum if it holds them whole, else days, and hours at its ends."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, false, func, or_, select

from app.hpkp.violation_status import Status
from app.store import tables
from app.store.engine import to_ms
from app.store.read.filters import Filter
from app.store.read.window import Window
from app.store.sketches import count_of, union

_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CountedViolation:
    """A violation with its reports of a window; ``whole`` if all of it lies within. Instants in milliseconds."""

    id: int
    cause: str
    status: str
    locks_out: bool | None
    hostname: str
    mode: str | None
    sender: str
    first_received_at: int
    last_received_at: int
    judged_at: int
    reports: int
    whole: bool


_COLUMNS = tuple(
    tables.violations.c[name]
    for name in (
        "id", "cause", "status", "locks_out", "hostname", "mode", "sender", "first_received_at", "last_received_at",
        "judged_at", "reports",
    )
)  # fmt: skip


def _counted(row: Row[Any], *, reports: int, whole: bool) -> CountedViolation:
    return CountedViolation(
        id=row.id,
        cause=row.cause,
        status=row.status,
        locks_out=row.locks_out,
        hostname=row.hostname,
        mode=row.mode,
        sender=row.sender,
        first_received_at=row.first_received_at,
        last_received_at=row.last_received_at,
        judged_at=row.judged_at,
        reports=reports,
        whole=whole,
    )


def count_violations(connection: Connection, wanted: Filter, window: Window) -> list[CountedViolation]:
    """Count the reports of each violation in a window, leaving those out that have none, in the order of their ids."""
    violations = tables.violations.c
    whole = false() if wanted.of_source() else window.holds_whole
    query = select(*_COLUMNS, whole.label("whole")).where(window.may_hold, *wanted.of_violation())
    rows: Iterable[Row[Any]] = connection.execute(query.order_by(violations.id))
    found = [_counted(row, reports=row.reports, whole=row.whole) for row in rows]
    if not all(violation.whole for violation in found):
        parts = _count_parts(connection, wanted, window)
        found = [v if v.whole else replace(v, reports=parts[v.id]) for v in found]
    return [violation for violation in found if violation.reports]


def list_ignored(connection: Connection, host: str, *, as_of: datetime | None = None) -> list[CountedViolation]:
    """Return the violations of a host that are ignored, without their reports.

    As of a past moment: those received by then that are ignored or ever were.
    """
    violations, changes = tables.violations.c, tables.status_changes.c
    query = select(*_COLUMNS).where(violations.host == host)
    ignored = violations.status == Status.IGNORED
    if as_of is not None:
        was = select(changes.violation_id).where(
            changes.violation_id == violations.id,
            or_(changes.status == Status.IGNORED, changes.was == Status.IGNORED),
        )
        ignored = or_(ignored, was.exists())
        query = query.where(violations.first_received_at <= to_ms(as_of))
    return [_counted(row, reports=0, whole=False) for row in connection.execute(query.where(ignored))]


def _count_parts(connection: Connection, wanted: Filter, window: Window) -> Counter[int]:
    """Count the reports of violations, of which not every report is wanted."""
    days, hours = tables.rollup_days.c, tables.rollup_hours.c
    if wanted.of_source():
        queries = [select_hours(wanted, hours.violation_id, func.sum(hours.reports)).where(window.hours(hours.hour))]
    else:
        of_days = tables.violations.join(tables.rollup_days, days.violation_id == tables.violations.c.id)
        part = ~window.holds_whole, window.may_hold
        queries = [
            select(days.violation_id, func.sum(days.reports))
            .select_from(of_days)
            .where(window.whole_days(days.day), *part, *wanted.of_violation()),
            select_hours(wanted, hours.violation_id, func.sum(hours.reports)).where(
                window.hours_at_the_ends(hours.hour), *part
            ),
        ]
    parts = Counter[int]()
    for query in queries:
        for id_, reports in connection.execute(query.group_by(query.selected_columns[0])):
            parts[id_] += int(reports)
    return parts


def find_sketches(connection: Connection, ids: Sequence[int], window: Window) -> Iterator[tuple[int, bytes | None]]:
    """Return sketches of the clients of violations in a window, each with the id of its violation."""
    violations, days = tables.violations.c, tables.rollup_days.c
    whole = select(violations.id, violations.client_sketch).where(window.holds_whole)
    parts = select(violations.id, days.client_sketch).join(tables.violations, violations.id == days.violation_id)
    parts = parts.where(~window.holds_whole, window.days_touched(days.day))
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = violations.id.in_(ids[start : start + _IDS_AT_ONCE])
        for query in (whole, parts):
            for id_, sketch in connection.execute(query.where(some)):  # noqa: UP028  (a row is no plain tuple)
                yield id_, sketch


def count_sources(connection: Connection, ids: Sequence[int], window: Window) -> Iterator[tuple[int, str, str, int]]:
    """Count the reports of violations in a window by app and version: ``(id, app, version, reports)``."""
    hours, sources = tables.rollup_hours.c, tables.sources.c
    query = (
        select(hours.violation_id, sources.app, sources.app_version, func.sum(hours.reports))
        .join(tables.sources, sources.id == hours.source_id)
        .where(window.hours(hours.hour))
        .group_by(hours.violation_id, sources.app, sources.app_version)
    )
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[start : start + _IDS_AT_ONCE]
        for id_, app, version, reports in connection.execute(query.where(hours.violation_id.in_(some))):
            yield id_, app, version, int(reports)


def count_clients(connection: Connection, ids: Iterable[int], *, until: datetime | None = None) -> dict[int, int]:
    """Count the clients that reported each violation by then, in its whole life."""
    window = Window.of(Filter(until=until))
    return {id_: count_of(union(sketch for _, sketch in find_sketches(connection, [id_], window))).about for id_ in ids}


def count_busiest_day(
    connection: Connection, ids: Sequence[int], *, since: datetime | None = None, until: datetime | None = None
) -> int:
    """Count the clients that reported any of these violations on the day on which they were most."""
    window, days = Window.of(Filter(since=since, until=until)), tables.rollup_days.c
    sketches: dict[int, list[bytes | None]] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = days.violation_id.in_(ids[start : start + _IDS_AT_ONCE])
        for row in connection.execute(select(days.day, days.client_sketch).where(some, window.days_touched(days.day))):
            sketches.setdefault(row.day, []).append(row.client_sketch)
    return max((count_of(union(of_day)).about for of_day in sketches.values()), default=0)


def select_hours(wanted: Filter, *columns: Any) -> Select[Any]:
    """Select from the hours of violations, narrowed by all that is wanted but the window."""
    violations = tables.violations
    joined = violations.join(tables.rollup_hours, tables.rollup_hours.c.violation_id == violations.c.id)
    query = select(*columns).select_from(joined).where(*wanted.of_violation())
    if conditions := wanted.of_source():
        query = query.join(tables.sources, tables.sources.c.id == tables.rollup_hours.c.source_id).where(*conditions)
    return query
