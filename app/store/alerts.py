"""Alerts: alarms as they came, were told, and went."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from app.hpkp.alarms import Alarm
from app.store import tables
from app.store.engine import to_ms

_KEPT = timedelta(days=90)
_QUIET = timedelta(hours=1)
"""What comes back within so short a time is the same alert: nobody is told again of what only flickers."""


def update_alerts(connection: Connection, alarms: Iterable[Alarm], *, at: datetime) -> None:
    """Open an alert for every alarm that has none, or the one that was over just now; settle those that are over."""
    alerts = tables.alerts
    now = {alarm.identity: alarm for alarm in alarms}
    open_ = connection.execute(select(alerts).where(alerts.c.resolved_at.is_(None))).all()
    known = {(row.kind, row.host, row.key) for row in open_}
    over = [row.id for row in open_ if (row.kind, row.host, row.key) not in now]
    if over:
        connection.execute(update(alerts).where(alerts.c.id.in_(over)).values(resolved_at=to_ms(at)))
    again = connection.execute(select(alerts).where(alerts.c.resolved_at >= to_ms(at - _QUIET)))
    lately = {(row.kind, row.host, row.key): row.id for row in again}
    for identity, alarm in now.items():
        if identity in known:
            continue
        if identity in lately:
            connection.execute(
                update(alerts).where(alerts.c.id == lately[identity]).values(resolved_at=None, text=alarm.text)
            )
        else:
            kind, host, key = identity
            connection.execute(
                insert(alerts).values(kind=kind, host=host, key=key, text=alarm.text, first_at=to_ms(at))
            )
    connection.execute(delete(alerts).where(alerts.c.resolved_at < to_ms(at - _KEPT)))


def alerts_to_tell(connection: Connection, *, limit: int) -> Sequence[Row[Any]]:
    """Return open alerts that nobody was told of, the oldest first."""
    alerts = tables.alerts
    query = select(alerts).where(alerts.c.resolved_at.is_(None), alerts.c.sent_at.is_(None))
    return connection.execute(query.order_by(alerts.c.id).limit(limit)).all()


def alerts_for_a_digest(connection: Connection, *, before: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return all open alerts where one of them was last told before a moment; else none."""
    alerts = tables.alerts
    open_ = select(alerts).where(alerts.c.resolved_at.is_(None), alerts.c.sent_at.is_not(None))
    due = connection.scalar(select(func.count()).select_from(open_.where(alerts.c.sent_at < to_ms(before)).subquery()))
    return connection.execute(open_.order_by(alerts.c.id).limit(limit)).all() if due else ()


def set_told(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Record that somebody was told of alerts."""
    alerts = tables.alerts
    connection.execute(update(alerts).where(alerts.c.id.in_(ids)).values(sent_at=to_ms(at)))


def list_alerts(connection: Connection, *, limit: int, since: datetime) -> Sequence[Row[Any]]:
    """Return alerts that are open, or were settled since a moment, the newest first."""
    alerts = tables.alerts
    wanted = or_(alerts.c.resolved_at.is_(None), alerts.c.resolved_at >= to_ms(since))
    return connection.execute(select(alerts).where(wanted).order_by(alerts.c.id.desc()).limit(limit)).all()


def count_refused(connection: Connection, *, since: datetime) -> dict[str, int]:
    """Count rejections since a moment by outcome; no more of them than are kept."""
    rejections = tables.rejections
    rows = connection.execute(
        select(rejections.c.outcome, func.count())
        .where(rejections.c.received_at >= to_ms(since))
        .group_by(rejections.c.outcome)
    )
    return {row[0]: row[1] for row in rows}
