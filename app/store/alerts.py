"""Alerts: opened, sent, and resolved."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from app.hpkp.alert_rules import Alert
from app.store import tables
from app.store.engine import to_ms

_KEPT = timedelta(days=90)
_QUIET = timedelta(hours=1)
"""What comes back within so short a time is the same alert: nobody is told again of what only flickers."""


def update_alerts(
    connection: Connection, current: Iterable[Alert], *, at: datetime, unknown: Collection[str] = ()
) -> None:
    """Open alerts for conditions without one, reopen what ended just now, and resolve those whose condition ended.

    Alerts on hosts whose conditions are ``unknown`` stay as they are.
    """
    alerts = tables.alerts
    now = {alert.identity: alert for alert in current}
    open_ = connection.execute(select(alerts).where(alerts.c.resolved_at.is_(None))).all()
    known = {(row.kind, row.host, row.key) for row in open_}
    over = [row.id for row in open_ if (row.kind, row.host, row.key) not in now and row.host not in unknown]
    if over:
        connection.execute(update(alerts).where(alerts.c.id.in_(over)).values(resolved_at=to_ms(at)))
    again = connection.execute(select(alerts).where(alerts.c.resolved_at >= to_ms(at - _QUIET)))
    lately = {(row.kind, row.host, row.key): row.id for row in again}
    for identity, alert in now.items():
        if identity in known:
            continue
        if identity in lately:
            connection.execute(
                update(alerts).where(alerts.c.id == lately[identity]).values(resolved_at=None, text=alert.text)
            )
        else:
            kind, host, key = identity
            connection.execute(
                insert(alerts).values(kind=kind, host=host, key=key, text=alert.text, first_at=to_ms(at))
            )
    connection.execute(delete(alerts).where(alerts.c.resolved_at < to_ms(at - _KEPT)))


def mark_sent(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Record that alerts were sent."""
    alerts = tables.alerts
    connection.execute(update(alerts).where(alerts.c.id.in_(ids)).values(sent_at=to_ms(at)))
