"""Overflow as it is read."""

from datetime import datetime

from sqlalchemy import Connection, select

from app.hpkp.overflow import OverflowDay, OverflowReason
from app.store import tables
from app.store.engine import DAY_MS, from_ms, to_ms


def list_overflow(
    connection: Connection, host: str | None = None, *, since: datetime, until: datetime
) -> tuple[OverflowDay, ...]:
    """Return the overflow of a host, or of all hosts, for the days that a window touches; ``until`` is exclusive.

    An empty host asks for the hosts together that the store does not know.
    """
    days = tables.overflow_days
    first = to_ms(since) // DAY_MS * DAY_MS
    query = select(days).where(days.c.day >= first, days.c.day < to_ms(until))
    if host is not None:
        query = query.where(days.c.host == host)
    return tuple(
        OverflowDay(
            host=row.host,
            day=from_ms(row.day),
            reason=OverflowReason(row.reason),
            reports=row.reports,
            networks=row.networks,
            last_at=from_ms(row.last_at),
        )
        for row in connection.execute(query.order_by(days.c.day, days.c.host, days.c.reason))
    )
