"""Overflow and refusals as they are read."""

from collections import Counter
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select

from app.hpkp.overflow import FROM_MANY_NETWORKS, REFUSED, OverflowDay, OverflowReason, RefusalDecision, Refusals
from app.store import tables
from app.store.engine import DAY_MS, from_ms, to_ms
from app.store.sketches import sketch_all


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


def find_refusals(connection: Connection, host: str, *, since: datetime, until: datetime) -> Refusals | None:
    """Return what may be reports about a host and was refused or not kept, by whole days; None if there is nothing.

    What names no host counts from many networks only (`FROM_MANY_NETWORKS`).
    """
    days = tables.overflow_days.c
    of_any_host = and_(
        days.host == "",
        days.reason.in_(sorted(map(str, REFUSED))),
        days.networks >= FROM_MANY_NETWORKS,
    )
    query = select(tables.overflow_days).where(
        or_(days.host == host, of_any_host), days.last_at >= to_ms(since), days.day < to_ms(until)
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    by_reason = Counter[OverflowReason]()
    for row in rows:
        by_reason[OverflowReason(row.reason)] += row.reports
    return Refusals(
        reports=by_reason.total(),
        networks=sketch_all(row.network_sketch for row in rows).clients,
        last_at=from_ms(max(row.last_at for row in rows)),
        by_reason=dict(by_reason.most_common()),
        decision=find_refusal_decision(connection, host, until=until),
    )


def find_refusal_decision(connection: Connection, host: str, *, until: datetime) -> RefusalDecision | None:
    """Return the operator's last decision by then on what was refused; None without one, or if it was taken back."""
    decisions = tables.refusal_decisions.c
    query = select(tables.refusal_decisions).where(decisions.host == host, decisions.at <= to_ms(until))
    row = connection.execute(query.order_by(decisions.at.desc(), decisions.id.desc()).limit(1)).first()
    if row is None or row.networks is None:
        return None
    return RefusalDecision(from_ms(row.at), row.networks, row.note)
