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
    sketch: bytes | None = None
    reports: int = 0
    rows: list[Row] = field(default_factory=list)
    clients: set[bytes] = field(default_factory=set)
    counted: Sketched = NO_CLIENTS


@dataclass(slots=True)
class _State:
    """A violation as it stands."""

    kind: _Kind
    raw_bodies: int
    sketch: bytes | None
    days: dict[int, _Day] = field(default_factory=dict)


def _violations(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    """Select violations; nobody else writes them, nor what is counted of them, until the transaction ends."""
    columns = tables.violations.c
    return (
        select(
            columns.id, columns.host, columns.cause, columns.sender, func.coalesce(columns.mode, literal_column("''")),
            columns.raw_bodies, columns.client_sketch,
        )
        .where(columns.id.in_([key for (key,) in keys]))
        .order_by(columns.id)
        .with_for_update(key_share=True)
    )  # fmt: skip


def _days(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    columns = tables.rollup_days.c
    return select(columns.violation_id, columns.day, columns.rows_kept, columns.client_sketch).where(
        columns.day.between(bindparam("first_day"), bindparam("last_day")),
        columns.violation_id.in_([key for (key,) in keys]),
    )


def _hosts(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    """Select hosts; nobody else counts for them until the transaction ends."""
    query = select(tables.hosts.c.name).where(tables.hosts.c.name.in_([key for (key,) in keys]))
    return query.order_by(tables.hosts.c.name).with_for_update(key_share=True)


def _host_clients(_dialect: str, keys: list[Parameters]) -> ClauseElement:
    columns = tables.host_clients.c
    return select(columns.host, columns.day, columns.client_sketch).where(
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
    lambda _dialect, values: into(insert(tables.reports), values), _types(tables.reports, "id"), texts=True
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
        hours = Counter[tuple[int, int, int]]()
        host_hours = Counter[tuple[_Kind, int]]()
        totals: list[Row] = []
        for id_, state in states.items():
            totals.append(self._count(id_, state, hours, host_hours))
        days = [(id_, day, counted) for id_, state in states.items() for day, counted in sorted(state.days.items())]
        host_days = Counter[tuple[_Kind, int]]()
        clients = defaultdict[tuple[str, int], set[bytes]](set)
        for id_, day, counted in days:
            kind = states[id_].kind
            host_days[kind, day] += counted.reports
            clients[kind.host, day] |= counted.clients
        _ADD_TO_VIOLATION.run(connection, totals)
        _ADD_HOURS.run(connection, [(*key, reports) for key, reports in sorted(hours.items())])
        _ADD_DAYS.run(
            connection,
            [(id_, day, kept.reports, len(kept.rows), *kept.counted) for id_, day, kept in days],
        )
        _ADD_REPORT.run(connection, [row for _, _, kept in days for row in kept.rows])
        _write_host_clients(connection, clients, window)
        for statement, counts in ((_ADD_HOST_HOURS, host_hours), (_ADD_HOST_DAYS, host_days)):
            rows = [(k.host, at, k.cause, k.sender, k.mode, n) for (k, at), n in sorted(counts.items())]
            statement.run(connection, rows)

    def _count(
        self, id_: int, state: _State, hours: Counter[tuple[int, int, int]], host_hours: Counter[tuple[_Kind, int]]
    ) -> Row:
        """Count the submissions of a violation, and return what is added to it."""
        submissions, bodies, last = self._submissions[id_], state.raw_bodies, 0
        for submission in submissions:
            at, source = submission.received_at, self._sources[submission.source]
            last = max(last, at)
            hours[id_, at - at % HOUR_MS, source] += 1
            host_hours[state.kind, at - at % HOUR_MS] += 1
            day = state.days.setdefault(at - at % DAY_MS, _Day())
            day.reports += 1
            day.clients.add(submission.client)
            if day.rows_kept + len(day.rows) < self._limits.report_rows_per_day:
                keep_body = bodies < self._limits.raw_bodies
                bodies += keep_body
                day.rows.append(_row(submission, id_, source, keep_body=keep_body))
        state.days = {at: day for at, day in state.days.items() if day.reports}
        for day in state.days.values():
            day.counted = count_in(day.sketch, day.clients)
        everybody = set[bytes]().union(*(day.clients for day in state.days.values()))
        return last, len(submissions), bodies - state.raw_bodies, *count_in(state.sketch, everybody), id_


def _look_at(connection: Connection, ids: list[int], window: tuple[int, int]) -> dict[int, _State]:
    """Read how violations and their days stand, and keep other writers from them."""
    keys = [(id_,) for id_ in ids]
    states = {
        id_: _State(_Kind(host, cause, sender, mode), bodies, sketch)
        for id_, host, cause, sender, mode, bodies, sketch in _VIOLATIONS.once(connection, keys)
    }
    for id_, day, rows, sketch in _DAYS.once(connection, keys, *window):
        states[id_].days[day] = _Day(rows, sketch)
    return states


def _write_host_clients(
    connection: Connection, clients: Mapping[tuple[str, int], set[bytes]], window: tuple[int, int]
) -> None:
    """Count clients of hosts, each once for a day whatever it reported; most of them are known already."""
    hosts = [(host,) for host in sorted({host for host, _ in clients})]
    if connection.dialect.name == "postgresql":
        _HOSTS.once(connection, hosts)
    before = {(host, day): bytes(sketch) for host, day, sketch in _HOST_CLIENTS.once(connection, hosts, *window)}
    after = {key: count_in(before.get(key), met) for key, met in sorted(clients.items())}
    changed = [(*key, *counted) for key, counted in after.items() if counted.client_sketch != before.get(key)]
    _PUT_HOST_CLIENTS.run(connection, changed)


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
