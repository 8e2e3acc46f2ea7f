"""Events: what happened to a host or to the service, for the record and for annotations."""

from sqlalchemy import Connection, insert

from app.store import tables


def add_event(
    connection: Connection, kind: str, text: str, *, host: str | None = None, at: int, actor: str | None = None
) -> int:
    """Add an event and return its id; ``at`` in milliseconds since the Unix epoch.

    ``actor`` is the name of the token or log-in that did it, None for what the service did or saw by itself.
    """
    row = {"at": at, "kind": kind, "host": host, "text": text, "actor": actor}
    added = insert(tables.events).values(row).returning(tables.events.c.id)
    return int(connection.execute(added).scalar_one())
