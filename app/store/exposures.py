"""Exposure, day by day."""

from collections.abc import Iterable
from datetime import UTC, datetime, time

from sqlalchemy import Connection, delete, select

from app.hpkp.exposure import ExposedDay
from app.store import tables
from app.store.engine import DAY_MS, from_ms, to_ms
from app.store.upsert import insert_missing, replace_rows


def record_exposure(connection: Connection, days: Iterable[ExposedDay], *, origin: str, at: datetime) -> int:
    """Record days, each in place of what was known of it before; return how many."""
    rows = [
        {
            "host": day.host,
            "day": to_ms(datetime.combine(day.day, time(), UTC)),
            "app": day.app,
            "app_version": day.app_version,
            "sessions": day.sessions,
            "clients": day.clients,
            "origin": origin,
            "recorded_at": to_ms(at),
        }
        for day in sorted(days, key=lambda day: (day.host, day.day, day.app, day.app_version))
    ]
    if rows:
        hosts = [{"name": name, "first_seen_at": to_ms(at)} for name in sorted({str(row["host"]) for row in rows})]
        insert_missing(connection, tables.hosts, hosts)
        replace_rows(connection, tables.exposures, rows)
    return len(rows)


def list_exposure(
    connection: Connection, host: str, *, since: datetime | None = None, until: datetime | None = None
) -> list[ExposedDay]:
    """Return what is known of a host, by day; ``since`` and ``until`` by whole days, both included."""
    exposures = tables.exposures.c
    query = select(tables.exposures).where(exposures.host == host)
    if since is not None:
        query = query.where(exposures.day >= to_ms(since) - to_ms(since) % DAY_MS)
    if until is not None:
        query = query.where(exposures.day <= to_ms(until))
    rows = connection.execute(query.order_by(exposures.day, exposures.app, exposures.app_version))
    return [
        ExposedDay(row.host, from_ms(row.day).date(), row.sessions, row.clients, row.app, row.app_version)
        for row in rows
    ]


def forget_exposure(connection: Connection, day: ExposedDay) -> bool:
    """Forget what was recorded under a day's key; whether there was anything."""
    exposures = tables.exposures
    key = (
        exposures.c.host == day.host,
        exposures.c.day == to_ms(datetime.combine(day.day, time(), UTC)),
        exposures.c.app == day.app,
        exposures.c.app_version == day.app_version,
    )
    return connection.execute(delete(exposures).where(*key)).rowcount > 0
