"""Events: what happened to a host or to the service, for the record and for annotations."""

from sqlalchemy import Connection, insert

from app.store import tables


def add_event(connection: Connection, kind: str, text: str, *, host: str | None = None, at: int) -> int:
    """Add an event and return its id; ``at`` in milliseconds since the Unix epoch."""
    added = insert(tables.events).values(at=at, kind=kind, host=host, text=text).returning(tables.events.c.id)
    return int(connection.execute(added).scalar_one())
