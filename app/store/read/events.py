"""Events as they are read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from app.store import tables
from app.store.engine import from_ms


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a host, or to the service."""

    id: int
    at: datetime
    kind: str
    host: str | None
    text: str
    actor: str | None
    """The name of the token or log-in that did it; None for what the service did or saw by itself."""


def last_event(connection: Connection, kind: str) -> Event | None:
    """Return the newest event of a kind, or None."""
    events = tables.events
    query = select(events).where(events.c.kind == kind).order_by(events.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _event(row)


def list_events(
    connection: Connection, *, host: str | None, kind: str | None, limit: int, before: int | None = None
) -> list[Event]:
    """Return events, the newest first; ``before`` is the id of the last one seen."""
    query = select(tables.events)
    if host is not None:
        query = query.where(tables.events.c.host == host)
    if kind is not None:
        query = query.where(tables.events.c.kind == kind)
    if before is not None:
        query = query.where(tables.events.c.id < before)
    return [_event(row) for row in connection.execute(query.order_by(tables.events.c.id.desc()).limit(limit))]


def _event(row: Row[Any]) -> Event:
    return Event(id=row.id, at=from_ms(row.at), kind=row.kind, host=row.host, text=row.text, actor=row.actor)
