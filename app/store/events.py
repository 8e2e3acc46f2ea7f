"""Events: what happened to a host or to the service, for the record and for annotations."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from app.store import tables


def add_event(connection: Connection, kind: str, text: str, *, host: str | None = None, at: int) -> int:
    """Add an event and return its id; ``at`` in milliseconds since the Unix epoch."""
    added = insert(tables.events).values(at=at, kind=kind, host=host, text=text).returning(tables.events.c.id)
    return int(connection.execute(added).scalar_one())


def last_event(connection: Connection, kind: str) -> Row[Any] | None:
    """Return the newest event of a kind, or None."""
    events = tables.events
    return connection.execute(select(events).where(events.c.kind == kind).order_by(events.c.id.desc()).limit(1)).first()


def list_events(
    connection: Connection, *, host: str | None, kind: str | None, limit: int, before: int | None = None
) -> Sequence[Row[Any]]:
    """Return events, the newest first; ``before`` is the id of the last one seen."""
    query = select(tables.events)
    if host is not None:
        query = query.where(tables.events.c.host == host)
    if kind is not None:
        query = query.where(tables.events.c.kind == kind)
    if before is not None:
        query = query.where(tables.events.c.id < before)
    return connection.execute(query.order_by(tables.events.c.id.desc()).limit(limit)).all()
