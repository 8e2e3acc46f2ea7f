"""Accepted submissions, counted everywhere: counts are exact, detail is bounded, clients are sketched.

::

    Submission … ──Tally.add──> by violation ──Tally.write──┬──> violations, rollup_hours, rollup_days, reports
                                    │                       └──> host_hours, host_days, host_clients
                      what stands there already, kept from
                      other writers until the end (_look_at)

A batch takes a fixed number of statements whatever its size. Rows are locked and written in the order of their keys, so
that two writers cannot wait for each other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Connection,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)  # fmt: skip
from sqlalchemy.types import TypeEngine

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, to_ms
from app.store.prepared import Parameters, PreparedForAll, PreparedForEach, Row, Values, into
from app.store.sketches import NO_CLIENTS, Sketched, count_in
from app.store.submissions import Limits, Source, Submission
from app.store.upsert import upsert_statement


class Known(NamedTuple):
    """What a transaction knows of a violation before it counts."""

    id: int
    host: str


_FIND = PreparedForAll(
    lambda _dialect, keys: select(tables.violations.c.identity, tables.violations.c.id, tables.violations.c.host).where(
        tables.violations.c.identity.in_([key for (key,) in keys])
    ),
    columns=("identity",),
)


def find_known(connection: Connection, submissions: Iterable[Submission]) -> dict[bytes, Known]:
    """Find the violations that submissions repeat, by identity."""
    identities = dict.fromkeys(submission.identity for submission in submissions)
    rows = _FIND.once(connection, [(identity,) for identity in identities])
    return {bytes(identity): Known(id_, host) for identity, id_, host in rows}


class _Kind(NamedTuple):
    """Under what a violation's reports are counted for its host."""

    host: str
    cause: str
    sender: str
    mode: str


@dataclass(slots=True)
class _Day:
    """What is kept of a violation's day, and what a batch adds to it."""

    rows_kept: int = 0
    sketched: Sketched = NO_CLIENTS
    reports: int = 0
    rows: list[Row] = field(default_factory=list)
    clients: set[bytes] = field(default_factory=set)
    new_clients: bool = False


@dataclass(slots=True)
class _State:
    """A violation as it stands, and what a batch adds to it."""

    kind: _Kind
    raw_bodies: int
    sketched: Sketched
    days: dict[int, _Day] = field(default_factory=dict)
    last: int = 0
    new_bodies: int = 0

    @property
    def reports(self) -> int:
        """How many reports the batch adds."""
        return sum(day.reports for day in self.days.values())

    def sketch_clients(self) -> Sketched:
        """Count the batch's clients by day; return the sketch of all days with those who were new to theirs."""
        sketched = self.sketched
        for day in self.days.values():
            before, day.sketched = day.sketched, count_in(day.sketched, day.clients)
            if day.sketched is not before:  # who is known of a day is known altogether
                day.new_clients = True
                sketched = count_in(sketched, day.clients)
        return sketched


def _violations(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    """Select violations; nobody else writes them, nor what is counted of them, until the transaction ends."""
    columns = tables.violations.c
    return (
        select(
            columns.id, columns.host, columns.cause, columns.sender, func.coalesce(columns.mode, literal_column("''")),
            columns.raw_bodies, columns.clients, columns.client_sketch,
        )
        .where(columns.id.in_([key for (key,) in keys]))
        .order_by(columns.id)
        .with_for_update(key_share=True)
    )  # fmt: skip


def _days(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    columns = tables.rollup_days.c
    return select(columns.violation_id, columns.day, columns.rows_kept, columns.clients, columns.client_sketch).where(
        columns.day.between(bindparam("first_day"), bindparam("last_day")),
        columns.violation_id.in_([key for (key,) in keys]),
    )


def _hosts(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    """Select hosts; nobody else counts for them until the transaction ends."""
    query = select(tables.hosts.c.name).where(tables.hosts.c.name.in_([key for (key,) in keys]))
    return query.order_by(tables.hosts.c.name).with_for_update(key_share=True)


def _host_clients(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    columns = tables.host_clients.c
    return select(columns.host, columns.day, columns.clients, columns.client_sketch).where(
        columns.day.between(bindparam("first_day"), bindparam("last_day")),
        columns.host.in_([key for (key,) in keys]),
    )


_VIOLATIONS = PreparedForAll(_violations, columns=("id",))
_DAYS = PreparedForAll(_days, "first_day", "last_day", columns=("id",))
_HOSTS = PreparedForAll(_hosts, columns=("name",))
_HOST_CLIENTS = PreparedForAll(_host_clients, "first_day", "last_day", columns=("host",))


def _adding(table: Table, *sums: str, put: tuple[str, ...] = ()) -> PreparedForEach:
    """Prepare to add to what stands under a key, and to put other columns in place of theirs."""
    statement = partial(upsert_statement, table=table, add=sums, put=put)
    return PreparedForEach(lambda dialect, values: into(statement(dialect), values), _types(table))


def _types(table: Table, *but: str) -> dict[str, TypeEngine[Any]]:
    return {column.name: column.type for column in table.columns if column.name not in but}


_CLIENTS = ("clients", "client_sketch")
_ADD_HOURS = _adding(tables.rollup_hours, "reports")
_ADD_DAYS = _adding(tables.rollup_days, "reports", "rows_kept", put=_CLIENTS)
_ADD_HOST_HOURS = _adding(tables.host_hours, "reports")
_ADD_HOST_DAYS = _adding(tables.host_days, "reports")
_PUT_HOST_CLIENTS = _adding(tables.host_clients, put=_CLIENTS)
_ADD_REPORT = PreparedForEach(
    lambda _dialect, values: into(insert(tables.reports), values),
    _types(tables.reports, "id", "body_packing"),
    texts=True,
)


def _add_to_violation(dialect: str, values: Values) -> ClauseElement:
    """Add a batch's reports to a violation; its latest receipt never goes back."""
    greatest = func.max if dialect == "sqlite" else func.greatest
    violations = tables.violations
    return (
        update(violations)
        .where(violations.c.id == values["violation"])
        .values(
            last_received_at=greatest(violations.c.last_received_at, values["last"]),
            reports=violations.c.reports + values["more"],
            raw_bodies=violations.c.raw_bodies + values["more_bodies"],
            clients=values["clients"],
            client_sketch=values["client_sketch"],
        )
    )


_ADD_TO_VIOLATION = PreparedForEach(
    _add_to_violation,
    {
        "last": BigInteger(),
        "more": BigInteger(),
        "more_bodies": Integer(),
        "clients": Integer(),
        "client_sketch": LargeBinary(),
        "violation": BigInteger(),
    },  # in the order of the table's columns
)


class Tally:
    """What one transaction counts."""

    def __init__(self, limits: Limits, sources: Mapping[Source, int]) -> None:
        self._limits = limits
        self._sources = sources
        self._submissions: defaultdict[int, list[Submission]] = defaultdict(list)

    def add(self, submission: Submission, violation: Known) -> None:
        """Count one accepted submission."""
        self._submissions[violation.id].append(submission)

    def write(self, connection: Connection) -> None:
        """Write it all."""
        if not self._submissions:
            return
        moments = [submission.received_at for batch in self._submissions.values() for submission in batch]
        window = min(moments) // DAY_MS * DAY_MS, max(moments) // DAY_MS * DAY_MS
        states = _look_at(connection, sorted(self._submissions), window)
        hours: list[Row] = []
        totals: list[Row] = []
        host_hours, host_days = Counter[tuple[_Kind, int]](), Counter[tuple[_Kind, int]]()
        clients = defaultdict[tuple[str, int], set[bytes]](set)
        for id_, state in states.items():
            counted = self._count(id_, state)
            hours += [(id_, *key, reports) for key, reports in sorted(counted.items())]
            for (hour, _), reports in counted.items():
                host_hours[state.kind, hour] += reports
            new = state.sketch_clients()
            for at, day in state.days.items():
                host_days[state.kind, at] += day.reports
                if day.new_clients:
                    clients[state.kind.host, at] |= day.clients
            totals.append((state.last, state.reports, state.new_bodies, *new, id_))
        days = [(id_, at, day) for id_, state in states.items() for at, day in sorted(state.days.items())]
        _ADD_TO_VIOLATION.run(connection, totals)
        _ADD_HOURS.run(connection, hours)
        _ADD_DAYS.run(connection, [(id_, at, day.reports, len(day.rows), *day.sketched) for id_, at, day in days])
        _ADD_REPORT.run(connection, [row for _, _, day in days for row in day.rows])
        _write_host_clients(connection, clients, window)
        for statement, counts in ((_ADD_HOST_HOURS, host_hours), (_ADD_HOST_DAYS, host_days)):
            rows = [(k.host, at, k.cause, k.sender, k.mode, n) for (k, at), n in sorted(counts.items())]
            statement.run(connection, rows)

    def _count(self, id_: int, state: _State) -> dict[tuple[int, int], int]:
        """Count the submissions of a violation by day, keeping rows where there is room, and by hour and source."""
        limits, days = self._limits, state.days
        hours: dict[tuple[int, int], int] = {}
        for submission in self._submissions[id_]:
            at, source = submission.received_at, self._sources[submission.source]
            if at > state.last:
                state.last = at
            hour = at - at % HOUR_MS, source
            hours[hour] = hours.get(hour, 0) + 1
            if (day := days.get(at - at % DAY_MS)) is None:
                day = days[at - at % DAY_MS] = _Day()
            day.reports += 1
            day.clients.add(submission.client)
            if day.rows_kept + len(day.rows) < limits.report_rows_per_day:
                keep_body = state.raw_bodies + state.new_bodies < limits.raw_bodies
                state.new_bodies += keep_body
                day.rows.append(_row(submission, id_, source, keep_body=keep_body))
        state.days = {at: day for at, day in days.items() if day.reports}
        return hours


def _look_at(connection: Connection, ids: list[int], window: tuple[int, int]) -> dict[int, _State]:
    """Read how violations and their days stand, and keep other writers from them."""
    keys = [(id_,) for id_ in ids]
    states = {
        id_: _State(_Kind(host, cause, sender, mode), bodies, Sketched(*sketched))
        for id_, host, cause, sender, mode, bodies, *sketched in _VIOLATIONS.once(connection, keys)
    }
    for id_, day, rows, *sketched in _DAYS.once(connection, keys, *window):
        states[id_].days[day] = _Day(rows, Sketched(*sketched))
    return states


def _write_host_clients(
    connection: Connection, clients: Mapping[tuple[str, int], set[bytes]], window: tuple[int, int]
) -> None:
    """Count clients of hosts that were new to a violation's day; most of them are known of the host."""
    if not clients:
        return
    hosts = [(host,) for host in sorted({host for host, _ in clients})]
    if connection.dialect.name == "postgresql":
        _HOSTS.once(connection, hosts)
    found = _HOST_CLIENTS.once(connection, hosts, *window)
    before = {(host, day): Sketched(*sketched) for host, day, *sketched in found}
    after = ((key, count_in(before.get(key, NO_CLIENTS), met)) for key, met in sorted(clients.items()))
    _PUT_HOST_CLIENTS.run(connection, [(*key, *sketched) for key, sketched in after if sketched is not before.get(key)])


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
