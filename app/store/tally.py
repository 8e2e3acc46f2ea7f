"""Accepted submissions, counted everywhere: counts are exact, detail is bounded.

::

    (Submission, Known) ──Tally.add──> hours, days, totals ──Tally.write──> rollup_hours, rollup_days, violations
                                         └─> up to limits ────────────────> reports, violation_clients

A batch takes a fixed number of statements whatever its size. Rows are written in the order of their keys, so that two
writers cannot wait for each other.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import ClauseElement, Connection, and_, bindparam, func, insert, or_, select, update

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, to_ms
from app.store.prepared import Parameters, Prepared, PreparedForAll, Row
from app.store.submissions import Limits, Source, Submission
from app.store.upsert import insert_many_missing_statement, upsert_statement


@dataclass(slots=True)
class Kept:
    """How much detail of a violation's day is kept."""

    rows: int = 0
    clients: int = 0


@dataclass(slots=True)
class Known:
    """What a transaction knows of a violation before it counts."""

    id: int
    host: str
    raw_bodies: int = 0
    days: dict[int, Kept] = field(default_factory=dict)


def _find(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    violations, days = tables.violations, tables.rollup_days
    in_days = days.c.day.between(bindparam("first_day"), bindparam("last_day"))
    return (
        select(
            violations.c.identity,
            violations.c.id,
            violations.c.host,
            violations.c.raw_bodies,
            days.c.day,
            days.c.rows_kept,
            days.c.clients_kept,
        )
        .select_from(violations.outerjoin(days, and_(days.c.violation_id == violations.c.id, in_days)))
        .where(violations.c.identity.in_([key for (key,) in keys]))
    )


_FIND = PreparedForAll(_find, "first_day", "last_day", columns=("identity",))


def find_known(connection: Connection, submissions: Iterable[Submission]) -> dict[bytes, Known]:
    """Find the violations that submissions repeat, by identity, with what is kept of the days of receipt."""
    known: dict[bytes, Known] = {}
    moments = [submission.received_at for submission in submissions]
    identities = dict.fromkeys(submission.identity for submission in submissions)
    if not identities:
        return known
    first, last = (moment - moment % DAY_MS for moment in (min(moments), max(moments)))
    for identity, id_, host, raw_bodies, day, rows, clients in _FIND.once(
        connection, [(identity,) for identity in identities], first, last
    ):
        violation = known.setdefault(bytes(identity), Known(id_, host, raw_bodies))
        if day is not None:
            violation.days[day] = Kept(rows, clients)
    return known


@dataclass(slots=True)
class _Total:
    """What a batch adds to a violation."""

    reports: int = 0
    raw_bodies: int = 0
    last_received_at: int = 0


@dataclass(slots=True)
class _Day:
    """What a batch adds to a violation's day; rows and clients only where there is still room for them."""

    room: Kept
    reports: int = 0
    rows: list[Row] = field(default_factory=list)
    clients: set[bytes] = field(default_factory=set)
    new_clients: int = 0


_DayKey = tuple[int, int]
"""A violation's id, and the start of a day in milliseconds."""

_ADD_HOURS = Prepared(
    lambda dialect: upsert_statement(dialect, tables.rollup_hours, add=("reports",)),
    "violation_id", "hour", "source_id", "reports",
)  # fmt: skip
_ADD_DAYS = Prepared(
    lambda dialect: upsert_statement(dialect, tables.rollup_days, add=("reports", "rows_kept", "clients_kept")),
    "violation_id", "day", "reports", "rows_kept", "clients_kept",
)  # fmt: skip
_REPORT_COLUMNS = tuple(column.name for column in tables.reports.columns if column.name != "id")
_ADD_REPORT = Prepared(
    lambda dialect: insert(tables.reports).values({name: bindparam(name) for name in _REPORT_COLUMNS}),
    *_REPORT_COLUMNS,
    texts=True,
)


def _add_to_violation(dialect: str) -> ClauseElement:
    """Add a batch's reports to a violation; its latest receipt never goes back."""
    greatest = func.max if dialect == "sqlite" else func.greatest
    violations = tables.violations
    return (
        update(violations)
        .where(violations.c.id == bindparam("violation"))
        .values(
            last_received_at=greatest(violations.c.last_received_at, bindparam("last")),
            reports=violations.c.reports + bindparam("more"),
            raw_bodies=violations.c.raw_bodies + bindparam("more_bodies"),
        )
    )


_ADD_TO_VIOLATION = Prepared(_add_to_violation, "last", "more", "more_bodies", "violation")

_CLIENT = tuple(column.name for column in tables.violation_clients.columns)


def _add_clients(dialect: str, rows: list[Parameters]) -> ClauseElement:
    values = [dict(zip(_CLIENT, row, strict=True)) for row in rows]
    clients = tables.violation_clients
    return (
        insert_many_missing_statement(dialect, clients).values(values).returning(clients.c.violation_id, clients.c.day)
    )


def _seen_clients(_dialect: str, rows: list[Parameters]) -> ClauseElement:
    clients = tables.violation_clients
    return select(clients).where(
        or_(*(and_(clients.c.violation_id == v, clients.c.day == day, clients.c.client == c) for v, day, c in rows))
    )


_ADD_CLIENTS = PreparedForAll(_add_clients, columns=_CLIENT)
_SEEN_CLIENTS = PreparedForAll(_seen_clients, columns=_CLIENT)


class Tally:
    """What one transaction counts."""

    def __init__(self, limits: Limits, sources: Mapping[Source, int]) -> None:
        self._limits = limits
        self._sources = sources
        self._hours: dict[tuple[int, int, int], int] = {}
        self._days: dict[_DayKey, _Day] = {}
        self._totals: dict[int, _Total] = {}

    def add(self, submission: Submission, violation: Known) -> None:
        """Count one accepted submission."""
        at = submission.received_at
        source = self._sources[submission.source]
        hour = violation.id, at - at % HOUR_MS, source
        self._hours[hour] = self._hours.get(hour, 0) + 1
        if (total := self._totals.get(violation.id)) is None:
            total = self._totals[violation.id] = _Total()
        total.reports += 1
        total.last_received_at = max(total.last_received_at, at)
        key = violation.id, at - at % DAY_MS
        if (day := self._days.get(key)) is None:
            day = self._days[key] = _Day(self._room(violation.days.get(key[1])))
        day.reports += 1
        if day.room.clients > 0:
            day.clients.add(submission.client)
        if len(day.rows) < day.room.rows:
            keep_body = violation.raw_bodies + total.raw_bodies < self._limits.raw_bodies
            total.raw_bodies += keep_body
            day.rows.append(_row(submission, violation.id, source, keep_body=keep_body))

    def _room(self, kept: Kept | None) -> Kept:
        rows, clients = self._limits.report_rows_per_day, self._limits.clients_per_day
        return Kept(rows, clients) if kept is None else Kept(rows - kept.rows, clients - kept.clients)

    def write(self, connection: Connection) -> None:
        """Write it all."""
        days = sorted(self._days.items(), key=lambda item: item[0])
        self._write_clients(connection, days)
        _ADD_HOURS.for_each(connection, [(*hour, reports) for hour, reports in sorted(self._hours.items())])
        _ADD_DAYS.for_each(connection, [(*key, day.reports, len(day.rows), day.new_clients) for key, day in days])
        _ADD_REPORT.for_each(connection, [row for _, day in days for row in day.rows])
        _ADD_TO_VIOLATION.for_each(
            connection,
            [
                (total.last_received_at, total.reports, total.raw_bodies, violation)
                for violation, total in sorted(self._totals.items(), key=lambda item: item[0])
            ],
        )

    def _write_clients(self, connection: Connection, days: list[tuple[_DayKey, _Day]]) -> None:
        """Add the clients that were not seen on a day yet, up to the limit of each day."""
        for key, day in days:
            if len(day.clients) > day.room.clients:
                candidates = [(*key, client) for client in day.clients]
                day.clients.difference_update(bytes(row[2]) for row in _SEEN_CLIENTS.once(connection, candidates))
                day.clients = set(sorted(day.clients)[: day.room.clients])
        rows = [(*key, client) for key, day in days for client in sorted(day.clients)]
        for added, number in Counter(map(tuple, _ADD_CLIENTS.once(connection, rows))).items():
            self._days[added].new_clients = number


def _row(submission: Submission, violation: int, source: int, *, keep_body: bool) -> Row:
    """Return a row of `tables.reports`, in the order of its columns."""
    report = submission.report
    return (
        violation,
        source,
        submission.received_at,
        None if report.date_time is None else to_ms(report.date_time),
        report.date_time_text,
        report.effective_expiration_text,
        report.platform_version,
        submission.user_agent,
        memoryview(submission.body) if keep_body else None,  # takes nothing but bytes
    )
