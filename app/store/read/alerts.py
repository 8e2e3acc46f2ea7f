"""Alerts as they are read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from app.store import tables
from app.store.engine import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert: open until it is resolved. ``host`` is empty if it is about ingest."""

    id: int
    kind: str
    host: str
    text: str
    first_at: datetime
    sent_at: datetime | None
    resolved_at: datetime | None


def unsent_alerts(connection: Connection, *, limit: int) -> list[StoredAlert]:
    """Return open alerts that nobody was told of, the oldest first."""
    alerts = tables.alerts
    query = select(alerts).where(alerts.c.resolved_at.is_(None), alerts.c.sent_at.is_(None))
    return [_alert(row) for row in connection.execute(query.order_by(alerts.c.id).limit(limit))]


def alerts_for_a_digest(connection: Connection, *, before: datetime, limit: int) -> list[StoredAlert]:
    """Return all open alerts where one of them was last told before a moment; else none."""
    alerts = tables.alerts
    open_ = select(alerts).where(alerts.c.resolved_at.is_(None), alerts.c.sent_at.is_not(None))
    due = connection.scalar(select(func.count()).select_from(open_.where(alerts.c.sent_at < to_ms(before)).subquery()))
    return [_alert(row) for row in connection.execute(open_.order_by(alerts.c.id).limit(limit))] if due else []


def list_alerts(connection: Connection, *, limit: int, since: datetime) -> list[StoredAlert]:
    """Return alerts that are open, or were settled since a moment, the newest first."""
    alerts = tables.alerts
    wanted = or_(alerts.c.resolved_at.is_(None), alerts.c.resolved_at >= to_ms(since))
    query = select(alerts).where(wanted).order_by(alerts.c.id.desc()).limit(limit)
    return [_alert(row) for row in connection.execute(query)]


def _alert(row: Row[Any]) -> StoredAlert:
    return StoredAlert(
        id=row.id,
        kind=row.kind,
        host=row.host,
        text=row.text,
        first_at=from_ms(row.first_at),
        sent_at=None if row.sent_at is None else from_ms(row.sent_at),
        resolved_at=None if row.resolved_at is None else from_ms(row.resolved_at),
    )
