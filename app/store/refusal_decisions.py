"""The operator's decisions on what was refused."""

from datetime import datetime

from sqlalchemy import Connection, insert

from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event


def record_refusal_decision(
    connection: Connection, host: str, *, networks: int | None, note: str, at: datetime, actor: str | None = None
) -> None:
    """Record that what was refused does not matter, from so many networks; None takes the decision back. An event."""
    connection.execute(insert(tables.refusal_decisions).values(host=host, at=to_ms(at), networks=networks, note=note))
    what = "count again" if networks is None else f"from {networks} networks do not count"
    text = f"Submissions that were refused {what}" + (f": {note}" if note else "")
    add_event(connection, "refusals_decided", text[:1000], host=host, at=to_ms(at), actor=actor)
