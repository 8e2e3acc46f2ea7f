"""What a store has counted, read from every table that counts reports, to be compared with what was acknowledged."""

import time
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, FromClause, distinct, func, select

from app.store import tables
from app.store.engine import open_engine

_ROLLUPS = {
    "violations": (tables.violations, tables.violations.c.reports),
    "rollup_hours": (tables.rollup_hours, tables.rollup_hours.c.reports),
    "rollup_days": (tables.rollup_days, tables.rollup_days.c.reports),
    "rows_kept": (tables.rollup_days, tables.rollup_days.c.rows_kept),
    "host_hours": (tables.host_hours, tables.host_hours.c.reports),
    "host_days": (tables.host_days, tables.host_days.c.reports),
}


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """How many reports each table of a store has. ``overflow`` counts what was left out over a limit."""

    rows: int
    distinct_dates: int
    rollups: dict[str, int]
    overflow: int

    def are_all(self, expected: int) -> bool:
        """Whether each table has exactly so many."""
        return {self.rows, self.distinct_dates, *self.rollups.values()} == {expected} and self.overflow == 0


def read_counts(url: str) -> StoredCounts:
    """Read the counts in one transaction, on a connection of its own."""
    engine = open_engine(url)
    try:
        return _read_counts(engine)
    finally:
        engine.dispose()


def _read_counts(engine: Engine) -> StoredCounts:
    reports = tables.reports
    # One statement sees one state of the store, also on PostgreSQL.
    counts = [
        _scalar(func.count(), reports),
        _scalar(func.count(distinct(reports.c.date_time_text)), reports),
        _scalar(func.sum(tables.overflow_days.c.reports), tables.overflow_days),
        *(_scalar(func.sum(column), table) for table, column in _ROLLUPS.values()),
    ]
    with engine.connect() as connection:
        rows, dates, overflow, *rollups = (int(value or 0) for value in connection.execute(select(*counts)).one())
    return StoredCounts(rows, dates, dict(zip(_ROLLUPS, rollups, strict=True)), overflow)


def _scalar(value: ColumnElement[int], table: FromClause) -> ColumnElement[int]:
    return select(value).select_from(table).scalar_subquery()


def wait_for_counts(url: str, expected: int, *, patience: float = 180.0) -> StoredCounts:
    """Wait until as many reports are counted as were acknowledged; return the counts, whatever they are then."""
    deadline = time.monotonic() + patience
    while (counts := read_counts(url)).rows < expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return counts
