"""Exposure, day by day; and what was known of a day before other numbers took its place."""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from app.hpkp.exposure import ExposedDay
from app.store import tables
from app.store.engine import to_ms
from app.store.upsert import insert_missing, replace_rows

_KEY = ("host", "day", "app", "app_version")
_KEPT = (*_KEY, "sessions", "clients", "recorded_at")


def record_exposure(connection: Connection, days: Iterable[ExposedDay], *, origin: str, at: datetime) -> int:
    """Record days, each in place of what was known of it before; return how many.

    What was known before is kept for answers about the past; the same numbers again change nothing.
    """
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
    known = _known(connection, rows)
    changed = [row for row in rows if _numbers(known.get(_key(row))) != (row["sessions"], row["clients"])]
    if changed:
        hosts = [{"name": name, "first_seen_at": to_ms(at)} for name in sorted({str(row["host"]) for row in changed})]
        insert_missing(connection, tables.hosts, hosts)
        previous = [before for row in changed if (before := known.get(_key(row))) is not None]
        if previous:
            values = [{name: getattr(row, name) for name in _KEPT} | {"replaced_at": to_ms(at)} for row in previous]
            connection.execute(insert(tables.former_exposures), values)
        replace_rows(connection, tables.exposures, changed)
    return len(rows)


def _known(connection: Connection, rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], Row[Any]]:
    if not rows:
        return {}
    exposures, moments = tables.exposures.c, [row["day"] for row in rows]
    query = select(tables.exposures).where(
        exposures.host.in_({row["host"] for row in rows}), exposures.day.between(min(moments), max(moments))
    )
    return {_key(row._mapping): row for row in connection.execute(query)}


def _key(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _numbers(row: Row[Any] | None) -> tuple[int | None, int | None] | None:
    return None if row is None else (row.sessions, row.clients)
