"""The store below its size limit (``HPKP_MAX_STORE_BYTES``): what goes first, and what never goes.

In this order, each kind from the oldest on, in short transactions, until the store is small enough:

1. raw bodies of reports;
2. single reports;
3. samples of rejected submissions;
4. digests of retries older than an hour: a sender that repeats a report later than that is counted twice;
5. counts by hour and source older than a week (those by day, and of hosts by hour, stay);
6. violations of hosts without a policy, and then these hosts with all their counts: anybody makes them up;
7. the digests of retries that are left: of a flood within an hour they are most of the store;
8. implausible violations, and those without evidence, of hosts with a policy;
9. other violations whose evidence can be forged;
10. violations with evidence that cannot be forged;
11. counts of hosts by hour older than a week (those by day stay).

Reports of violations that are deleted are counted as overflow, reason ``store_full``: a flood makes the verdict wait,
it does not make it forget. Never deleted: policies, exposures, probes, verdicts and their numbers, events, overflow,
and the counts of hosts with a policy by day. Unauthenticated senders make these grow by less than 1 MB a day for each
such host.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, func, literal, select, update

from app.hpkp.judgement.causes import Cause
from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, writing
from app.store.retention import Progress, give_space_back
from app.store.write.deduplication import delete_expired
from app.store.write.deletion import ProbedChains, delete_by_key, delete_in_pieces, delete_violations_as_overflow
from app.store.write.pruning import delete_unregistered_hosts

_GOAL = 0.95
"""Once over the limit, so much of it is the goal: not a piece with each fold."""
_ROWS_AT_ONCE = 500
_VIOLATIONS_AT_ONCE = 20
_FOUND_AT_ONCE = 5000
_PIECES_UNMEASURED = 20
"""PostgreSQL reads all rows to measure, so it does that after so many pieces."""
_HOURS_KEPT = 7 * DAY_MS
_HOURS_AT_ONCE = 24
_ROW_BYTES, _INDEX_ROW_BYTES = 28, 40
"""PostgreSQL: header and pointer of a row, and about what a row takes in an index."""
_WORTHLESS = (Cause.IMPLAUSIBLE, Cause.NO_EVIDENCE)


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What became of the store's size, in bytes; ``deleted`` is how many rows of which kind."""

    before: int
    after: int
    limit: int
    deleted: Mapping[str, int]

    @property
    def is_within(self) -> bool:
        """Whether the store is within its limit. If not, nothing is left that may be deleted."""
        return self.after <= self.limit


def measure_store(connection: Connection) -> int:
    """Return the bytes that the store's content takes.

    In SQLite the pages in use, without those that are free to be used again. In PostgreSQL an estimate from the rows
    that are there: its files do not shrink by deleting, and by their size everything would be deleted in the end.
    """
    if connection.dialect.name == "sqlite":
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size
    return sum(_estimate(connection, table) for table in _tables())


def shrink_store(
    engine: Engine, limit: int, *, newest_received_at: int, progress: Progress = lambda what, count: None
) -> StoreSize:
    """Delete in the documented order until the store is below the limit; nothing happens while it is.

    ``newest_received_at``, in milliseconds, stands for now: a clock that is wrong must not delete anything.
    """
    before = _measure(engine)
    if before <= limit:
        return StoreSize(before, before, limit, {})
    deleted: dict[str, int] = {}
    after = _shrink(engine, limit, newest_received_at, deleted, progress)
    give_space_back(engine)
    return StoreSize(before, after, limit, deleted)


def _shrink(engine: Engine, limit: int, newest_received_at: int, deleted: dict[str, int], progress: Progress) -> int:
    """Delete until the store is small enough or nothing is left; count what, and return the size at the end."""
    after = limit + 1
    measured_every = 1 if engine.dialect.name == "sqlite" else _PIECES_UNMEASURED
    for kind, pieces in _kinds(engine, newest_received_at):
        for number, count in enumerate(pieces):
            deleted[kind] = deleted.get(kind, 0) + count
            progress(kind, count)
            if number % measured_every == 0:
                after = _measure(engine)
                if after <= limit * _GOAL:
                    return after
        after = _measure(engine)
        if after <= limit * _GOAL:
            break
    return after


def _measure(engine: Engine) -> int:
    with engine.connect() as connection:
        return measure_store(connection)


def _kinds(engine: Engine, newest_received_at: int) -> Iterator[tuple[str, Iterator[int]]]:
    """Yield what may go, in its order; each is looked for only when it is its turn."""
    yield "bodies", _delete_bodies(engine)
    yield "reports", _delete_rows(engine, tables.reports)
    yield "rejections", _delete_rows(engine, tables.rejections)
    yield "digests", _delete_digests(engine, newest_received_at - HOUR_MS)
    yield "rollup_hours", _delete_hours(engine, newest_received_at - _HOURS_KEPT)
    violations = tables.violations.c
    policies = tables.policy_revisions.c
    registered = select(policies.host).where(policies.host == violations.host).exists()
    can_be_made_up = violations.checked_leaf.is_(None)
    yield "violations", _delete_violations(engine, ~registered)
    yield "hosts", delete_unregistered_hosts(engine, newest_received_at)
    yield "digests", _delete_digests(engine, newest_received_at + 1)
    yield "violations", _delete_violations(engine, can_be_made_up, violations.cause.in_(_WORTHLESS))
    yield "violations", _delete_violations(engine, can_be_made_up)
    yield "violations", _delete_violations(engine)
    yield "host_hours", _delete_host_hours(engine, newest_received_at - _HOURS_KEPT)


def _again(find_and_delete: Callable[[], Iterator[int]]) -> Iterator[int]:
    """Look and delete until nothing more is found: only so many keys are read at once."""
    while True:
        counts = 0
        for count in find_and_delete():
            counts += count
            yield count
        if not counts:
            return


def _oldest(column: Any, *conditions: Any, by: Any = None) -> Callable[[Connection], Sequence[int]]:
    query = select(column).where(*conditions).order_by(column if by is None else by).limit(_FOUND_AT_ONCE)
    return lambda connection: connection.scalars(query).all()


def _delete_bodies(engine: Engine) -> Iterator[int]:
    reports = tables.reports.c

    def drop(connection: Connection, ids: Sequence[int]) -> int:
        return connection.execute(update(tables.reports).where(reports.id.in_(ids)).values(body=None)).rowcount

    find = _oldest(reports.id, reports.body.is_not(None))
    yield from _again(lambda: delete_in_pieces(engine, find, drop, at_once=_ROWS_AT_ONCE))


def _delete_rows(engine: Engine, table: Table) -> Iterator[int]:
    find, drop = _oldest(table.c.id), delete_by_key(table.c.id)
    yield from _again(lambda: delete_in_pieces(engine, find, drop, at_once=_ROWS_AT_ONCE))


def _delete_hours(engine: Engine, before: int) -> Iterator[int]:
    """Delete old hours, those of a few violations in each transaction."""
    hours, violations = tables.rollup_hours.c, tables.violations.c
    drop = delete_by_key(hours.violation_id, hours.hour < before)
    old = select(violations.id).where(violations.first_received_at < before).order_by(violations.id)
    yield from delete_in_pieces(
        engine, lambda connection: connection.scalars(old).all(), drop, at_once=_VIOLATIONS_AT_ONCE
    )


def _delete_digests(engine: Engine, before: int) -> Iterator[int]:
    while True:
        with writing(engine) as connection:
            count = delete_expired(connection, before=before)
        if not count:
            return
        yield count


def _delete_host_hours(engine: Engine, before: int) -> Iterator[int]:
    hours = tables.host_hours.c
    old = select(hours.hour).where(hours.hour < before).distinct().order_by(hours.hour)
    yield from delete_in_pieces(
        engine,
        lambda connection: connection.scalars(old).all(),
        delete_by_key(hours.hour),
        at_once=_HOURS_AT_ONCE,
    )


def _delete_violations(engine: Engine, *conditions: Any) -> Iterator[int]:
    violations = tables.violations.c
    probed = ProbedChains()
    find = _oldest(violations.id, *conditions, by=violations.last_received_at)

    def drop(connection: Connection, ids: Sequence[int]) -> int:
        still = select(violations.id).where(violations.id.in_(ids), *conditions).order_by(violations.id)
        return delete_violations_as_overflow(connection, connection.scalars(still.with_for_update()).all(), probed)

    yield from _again(lambda: delete_in_pieces(engine, find, drop, at_once=_VIOLATIONS_AT_ONCE))


def _tables() -> Sequence[Table]:
    metadata: MetaData = tables.violations.metadata
    return metadata.sorted_tables


def _estimate(connection: Connection, table: Table) -> int:
    """Estimate the bytes of a table's rows and their entries in its indexes."""
    columns = (func.coalesce(func.pg_column_size(column), 0) for column in table.columns)
    row = sum(columns, literal(_ROW_BYTES))
    rows, size = connection.execute(select(func.count(), func.coalesce(func.sum(row), 0)).select_from(table)).one()
    indexes = 1 + len(table.indexes)
    return int(size) + int(rows) * indexes * _INDEX_ROW_BYTES
