"""Releases of apps: which pins each carries for a host, as it is known, or was at a moment."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, select

from app.hpkp.audience import Audience
from app.hpkp.pins import Pin, parse_pin
from app.store import tables
from app.store.engine import to_ms
from app.store.upsert import insert_missing


def record_releases(
    connection: Connection, host: str, releases: Iterable[Audience], pins: Iterable[Pin], *, at: datetime
) -> None:
    """Record the pins of releases; what was recorded before is kept for answers about the past."""
    told, known = sorted(map(str, pins)), find_releases(connection, host)
    changed = [release for release in releases if known.get(release) != frozenset(map(parse_pin, told))]
    if not changed:
        return
    insert_missing(connection, tables.hosts, [{"name": host, "first_seen_at": to_ms(at)}])
    connection.execute(
        insert(tables.app_releases),
        [
            {"host": host, "app": found.app, "app_version": found.version, "pins": told, "recorded_at": to_ms(at)}
            for found in changed
        ],
    )


def find_releases(
    connection: Connection, host: str, *, known_by: datetime | None = None
) -> dict[Audience, frozenset[Pin]]:
    """Return the pins of each release of which they are recorded; with ``known_by``, were by then."""
    query = select(tables.app_releases).where(tables.app_releases.c.host == host)
    if known_by is not None:
        query = query.where(tables.app_releases.c.recorded_at <= to_ms(known_by))
    rows = connection.execute(query.order_by(tables.app_releases.c.id))
    return {Audience(row.app, row.app_version): frozenset(map(parse_pin, row.pins)) for row in rows}
