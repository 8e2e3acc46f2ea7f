"""Hosts with what was counted for them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, union

from app.store import tables
from app.store.engine import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class CountedHost:
    """A host and its totals of all time; reports are a lower bound. ``registered``: it has or had a policy."""

    name: str
    registered: bool
    first_seen_at: datetime
    last_received_at: datetime | None
    reports: int
    violations: int


def list_hosts(connection: Connection, *, limit: int, after: str | None = None) -> list[CountedHost]:
    """Return hosts by name with what was counted for them."""
    registered = (
        select(tables.policy_revisions.c.host)
        .where(tables.policy_revisions.c.host == tables.hosts.c.name)
        .exists()
        .label("registered")
    )
    query = (
        select(
            tables.hosts.c.name,
            tables.hosts.c.first_seen_at,
            registered,
            func.coalesce(func.sum(tables.violations.c.reports), 0).label("reports"),
            func.count(tables.violations.c.id).label("violations"),
            func.max(tables.violations.c.last_received_at).label("last_received_at"),
        )
        .select_from(tables.hosts.outerjoin(tables.violations, tables.violations.c.host == tables.hosts.c.name))
        .group_by(tables.hosts.c.name, tables.hosts.c.first_seen_at)
        .order_by(tables.hosts.c.name)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tables.hosts.c.name > after)
    return [
        CountedHost(
            name=row.name,
            registered=row.registered,
            first_seen_at=from_ms(row.first_seen_at),
            last_received_at=None if row.last_received_at is None else from_ms(row.last_received_at),
            reports=int(row.reports),
            violations=row.violations,
        )
        for row in connection.execute(query)
    ]


def has_host(connection: Connection, host: str) -> bool:
    """Whether anything is known of the host."""
    return connection.scalar(select(tables.hosts.c.name).where(tables.hosts.c.name == host)) is not None


def list_subdomains_seen(connection: Connection, host: str, *, until: datetime) -> tuple[str, ...]:
    """Return the names below a host that a probe reached, or whose exposure is known, by a moment."""
    probes, exposures = tables.probes.c, tables.exposures.c
    probed = select(probes.host).where(probes.host.endswith("." + host, autoescape=True), probes.reached)
    counted = select(exposures.host).where(exposures.host.endswith("." + host, autoescape=True))
    names = union(probed.where(probes.first_at <= to_ms(until)), counted.where(exposures.recorded_at <= to_ms(until)))
    return tuple(sorted(connection.scalars(names)))
