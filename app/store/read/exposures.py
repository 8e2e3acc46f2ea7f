"""Exposure as it is known, or was at a moment."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from app.hpkp.exposure import ExposedDay
from app.store import tables
from app.store.engine import DAY_MS, from_ms, to_ms


def list_exposure(
    connection: Connection,
    host: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    known_by: datetime | None = None,
) -> list[ExposedDay]:
    """Return what is known of a host, by day; ``since`` and ``until`` by whole days, both included.

    With ``known_by``, what was known at that moment.
    """
    rows = list(_days(connection, tables.exposures, host, since, until, known_by))
    if known_by is not None:
        rows += _days(connection, tables.former_exposures, host, since, until, known_by)
    return [
        ExposedDay(row.host, from_ms(row.day).date(), row.sessions, row.clients, row.app, row.app_version)
        for row in sorted(rows, key=lambda row: (row.day, row.app, row.app_version))
    ]


def _days(
    connection: Connection,
    table: Table,
    host: str,
    since: datetime | None,
    until: datetime | None,
    known_by: datetime | None,
) -> Iterable[Row[Any]]:
    query = select(table).where(table.c.host == host)
    if since is not None:
        query = query.where(table.c.day >= to_ms(since) - to_ms(since) % DAY_MS)
    if until is not None:
        query = query.where(table.c.day <= to_ms(until))
    if known_by is not None:
        query = query.where(table.c.recorded_at <= to_ms(known_by))
        if table is tables.former_exposures:
            query = query.where(table.c.replaced_at > to_ms(known_by))
    return connection.execute(query).all()
