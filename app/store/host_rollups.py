"""The counts of hosts as wholes, kept in step where violations are judged again or forgotten."""

from collections.abc import Collection
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, Table, delete, func, literal, select

from app.store import tables
from app.store.sketches import sketch_all
from app.store.upsert import replace_rows, upsert_selected

_AT_ONCE = 500


def subtract(connection: Connection, violations: Collection[int]) -> None:
    """Take reports of violations out of the counts of their hosts, before host or cause of these is changed."""
    _add(connection, violations, times=-1)
    for table in (tables.host_hours, tables.host_days):
        connection.execute(delete(table).where(table.c.reports == 0))


def add(connection: Connection, violations: Collection[int]) -> None:
    """Add reports of violations to the counts of their hosts, after it."""
    _add(connection, violations, times=1)


def _add(connection: Connection, violations: Collection[int], *, times: int) -> None:
    ids = sorted(violations)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        _add_periods(connection, tables.rollup_hours, tables.host_hours, "hour", some, times)
        _add_periods(connection, tables.rollup_days, tables.host_days, "day", some, times)


def _add_periods(
    connection: Connection, counted: Table, of_host: Table, period: str, violations: list[int], times: int
) -> None:
    of = tables.violations.c
    key = of.host, counted.c[period], of.cause, of.sender, func.coalesce(of.mode, literal(""))
    query = (
        select(*key, (func.sum(counted.c.reports) * times).label("reports"))
        .select_from(tables.violations.join(counted, counted.c.violation_id == of.id))
        .where(of.id.in_(violations))
        .group_by(*key)
        .order_by(*key)
    )
    upsert_selected(connection, of_host, query, add="reports")


def recount_clients(connection: Connection, hosts: Collection[str]) -> None:
    """Put the sketches of hosts together again, after violations came under another host."""
    days, of = tables.rollup_days.c, tables.violations.c
    for host in sorted(hosts):
        rows = connection.execute(
            select(days.day, days.client_sketch)
            .join(tables.violations, of.id == days.violation_id)
            .where(of.host == host)
            .order_by(days.day)
        )
        days_counted = {day: sketch_all(map(itemgetter(1), of_day)) for day, of_day in groupby(rows, itemgetter(0))}
        connection.execute(delete(tables.host_clients).where(tables.host_clients.c.host == host))
        found = [{"host": host, "day": day, **counted._asdict()} for day, counted in days_counted.items()]
        if found:
            replace_rows(connection, tables.host_clients, found)
