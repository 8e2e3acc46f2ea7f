"""Alerts: alarms as they came, were told, and went."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from app.hpkp.alarms import Alarm
from app.store import tables
from app.store.engine import to_ms

_KEPT = timedelta(days=90)
_QUIET = timedelta(hours=1)
"""What comes back within so short a time is the same alert: nobody is told again of what only flickers."""


def update_alerts(
    connection: Connection, alarms: Iterable[Alarm], *, at: datetime, unknown: Collection[str] = ()
) -> None:
    """Open an alert for every alarm that has none, or the one that was over just now; settle those that are over.

    Nothing is settled of hosts whose alarms are ``unknown``.
    """
    alerts = tables.alerts
    now = {alarm.identity: alarm for alarm in alarms}
    open_ = connection.execute(select(alerts).where(alerts.c.resolved_at.is_(None))).all()
    known = {(row.kind, row.host, row.key) for row in open_}
    over = [row.id for row in open_ if (row.kind, row.host, row.key) not in now and row.host not in unknown]
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


def set_told(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Record that somebody was told of alerts."""
    alerts = tables.alerts
    connection.execute(update(alerts).where(alerts.c.id.in_(ids)).values(sent_at=to_ms(at)))
