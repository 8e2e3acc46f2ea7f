"""What is forgotten after its time: in small transactions, so that reports go on being taken meanwhile.

Looked for without the write lock, removed by key within it. Policies and events stay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Table, delete, func, select, update

from app.store import tables
from app.store.engine import DAY_MS, writing
from app.store.locks import lock_inserts
from app.store.write.deletion import ProbedChains, delete_violations

_CHUNK = 500
_PAGES = 2000

Progress = Callable[[str, int], None]
"""Told what was removed and how many, after every transaction."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Instants, in milliseconds, before which things are forgotten; None keeps them."""

    bodies: int | None = None
    rows: int | None = None
    rollups: int | None = None
    rejections: int | None = None


def prune(engine: Engine, before: Cutoffs, progress: Progress = lambda what, count: None) -> dict[str, int]:
    """Forget what is older than the cutoffs; return how much, by kind. May be broken off and begun again."""
    removed = {"bodies": 0, "rows": 0, "rejections": 0, "rollups": 0, "violations": 0}

    def count(what: str, number: int) -> None:
        removed[what] += number
        progress(what, number)

    if before.bodies is not None:
        for ids in _old(engine, tables.reports, before.bodies, tables.reports.c.body.is_not(None)):
            with writing(engine) as connection:
                connection.execute(update(tables.reports).where(tables.reports.c.id.in_(ids)).values(body=None))
            count("bodies", len(ids))
    for what, table, cutoff in (
        ("rows", tables.reports, before.rows),
        ("rejections", tables.rejections, before.rejections),
    ):
        if cutoff is not None:
            for ids in _old(engine, table, cutoff):
                with writing(engine) as connection:
                    connection.execute(delete(table).where(table.c.id.in_(ids)))
                count(what, len(ids))
    if before.rollups is not None:
        whole_days = before.rollups - before.rollups % DAY_MS  # so that hours and days go together
        _prune_violations(engine, whole_days, count)
        _prune_hosts(engine, whole_days)
    give_space_back(engine)
    return removed


def _old(engine: Engine, table: Table, cutoff: int, *conditions: Any) -> Iterator[list[int]]:
    """Walk the ids of what was received before the cutoff, in chunks."""
    last = 0
    while True:
        query = select(table.c.id).where(table.c.id > last, table.c.received_at < cutoff, *conditions)
        with engine.connect() as connection:
            ids = list(connection.scalars(query.order_by(table.c.id).limit(_CHUNK)))
        if not ids:
            return
        yield ids
        last = ids[-1]


def _prune_violations(engine: Engine, cutoff: int, count: Progress) -> None:
    """Forget the counts before the cutoff, and violations of which nothing was received since."""
    last = 0
    probed = ProbedChains()
    while True:
        query = (
            select(tables.violations.c.id, tables.violations.c.last_received_at)
            .where(tables.violations.c.id > last, tables.violations.c.first_received_at < cutoff)
            .order_by(tables.violations.c.id)
            .limit(_CHUNK)
        )
        with engine.connect() as connection:
            found = connection.execute(query).all()
        if not found:
            return
        for start in range(0, len(found), 50):
            _prune_some(engine, [row.id for row in found[start : start + 50]], cutoff, count, probed)
        last = found[-1].id


def _prune_some(engine: Engine, ids: list[int], cutoff: int, count: Progress, probed: ProbedChains) -> None:
    counts = (
        (tables.rollup_hours, tables.rollup_hours.c.hour),
        (tables.rollup_days, tables.rollup_days.c.day),
    )
    violations = tables.violations.c
    with writing(engine) as connection:
        lock_inserts(connection)
        # Asked again within the transaction: a report may have come since the ids were found.
        still = select(violations.id, violations.last_received_at).where(violations.id.in_(ids)).order_by(violations.id)
        rows = connection.execute(still.with_for_update(key_share=True))
        silent = [row.id for row in rows if row.last_received_at < cutoff]
        removed = 0
        for table, start in counts:
            gone = connection.execute(delete(table).where(table.c.violation_id.in_(ids), start < cutoff)).rowcount
            removed += gone if table is tables.rollup_hours else 0
        if silent:
            delete_violations(connection, silent, probed)
    count("rollups", removed)
    count("violations", len(silent))


def _prune_hosts(engine: Engine, cutoff: int) -> None:
    """Forget the counts of hosts before the cutoff, a month of a host at a time."""
    with engine.connect() as connection:
        hosts = list(connection.scalars(select(tables.hosts.c.name).order_by(tables.hosts.c.name)))
    for host in hosts:
        for table, period in ((tables.host_hours, "hour"), (tables.host_days, "day"), (tables.host_clients, "day")):
            start = table.c[period]
            with engine.connect() as connection:
                oldest = connection.scalar(select(func.min(start)).where(table.c.host == host))
            for first in range(cutoff if oldest is None else oldest, cutoff, 30 * DAY_MS):
                with writing(engine) as connection:
                    until = min(cutoff, first + 30 * DAY_MS)
                    connection.execute(delete(table).where(table.c.host == host, start < until))


def give_space_back(engine: Engine) -> None:
    """Return free pages of a SQLite file, and its write-ahead log, to the file system; PostgreSQL does so by itself."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0
    for _ in range(0, free, _PAGES):
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            # It frees a page with each step; of what answers nothing, execute() makes one step alone.
            driver.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # as far as no reader is in the way
