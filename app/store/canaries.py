"""Canaries: which were sent, and which arrived."""

from datetime import date, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from app.hpkp.readiness import CanaryStatus
from app.store import tables
from app.store.engine import DAY_MS, from_ms, to_ms

_KEPT_PER_HOST = 3000
"""Of one an hour four months: as far back as days are evidence for the longest step."""


def add_canary(connection: Connection, host: str, nonce: bytes, *, report_uri: str, at: datetime) -> None:
    """Record a canary that is about to be sent."""
    canaries = tables.canaries
    connection.execute(insert(canaries).values(host=host, nonce=nonce, report_uri=report_uri, sent_at=to_ms(at)))
    kept = select(canaries.c.id).where(canaries.c.host == host).order_by(canaries.c.id.desc()).offset(_KEPT_PER_HOST)
    connection.execute(delete(canaries).where(canaries.c.id.in_(kept)))


def set_fault(connection: Connection, nonce: bytes, fault: str) -> None:
    """Record why a canary could not be sent."""
    canaries = tables.canaries
    connection.execute(update(canaries).where(canaries.c.nonce == nonce).values(fault=fault))


def receive_canary(connection: Connection, host: str, nonce: bytes, *, at: datetime) -> bool:
    """Record that a canary arrived; False for one that was never sent, or has arrived before."""
    canaries = tables.canaries
    waiting = (canaries.c.nonce == nonce, canaries.c.host == host, canaries.c.received_at.is_(None))
    return connection.execute(update(canaries).where(*waiting).values(received_at=to_ms(at))).rowcount == 1


def received_at(connection: Connection, nonce: bytes) -> datetime | None:
    """Return when a canary arrived, or None."""
    canaries = tables.canaries
    found = connection.scalar(select(canaries.c.received_at).where(canaries.c.nonce == nonce))
    return None if found is None else from_ms(found)


def last_arrival(connection: Connection) -> datetime | None:
    """Return when a canary of any host last arrived, or None."""
    found = connection.scalar(select(func.max(tables.canaries.c.received_at)))
    return None if found is None else from_ms(found)


def last_canary(connection: Connection, host: str, *, until: datetime, since: datetime) -> CanaryStatus:
    """Return what is known of a host's canaries of a window."""
    canaries = tables.canaries
    of_host = (canaries.c.host == host, canaries.c.sent_at >= to_ms(since), canaries.c.sent_at <= to_ms(until))
    received = connection.scalar(
        select(func.max(canaries.c.received_at)).where(*of_host, canaries.c.received_at <= to_ms(until))
    )
    sent = connection.execute(select(canaries).where(*of_host).order_by(canaries.c.id.desc()).limit(1)).first()
    return CanaryStatus(
        received_at=None if received is None else from_ms(received),
        sent_at=None if sent is None else from_ms(sent.sent_at),
        fault=None if sent is None else sent.fault,
    )


def find_canary_days(
    connection: Connection, host: str, *, report_uri: str | None, since: datetime, until: datetime
) -> frozenset[date]:
    """Return the days (UTC) on which a canary arrived through a report-uri."""
    canaries = tables.canaries.c
    found = connection.scalars(
        select(canaries.received_at).where(
            canaries.host == host, canaries.report_uri == report_uri, canaries.sent_at >= to_ms(since) - DAY_MS,
            canaries.received_at >= to_ms(since), canaries.received_at <= to_ms(until),
        )
    )  # fmt: skip
    return frozenset(from_ms(at).date() for at in found if at is not None)


def hosts_without_canary_since(connection: Connection, moment: datetime, *, until: datetime) -> list[str]:
    """Return the hosts that ever had a policy and to whose report-uri no canary was sent between two moments."""
    policies, canaries = tables.policy_revisions.c, tables.canaries.c
    between = canaries.sent_at > to_ms(moment), canaries.sent_at <= to_ms(until)
    sent = select(canaries.id).where(canaries.host == policies.host, *between).exists()
    return list(connection.scalars(select(policies.host).where(~sent).distinct().order_by(policies.host)))
