"""Policy revisions: added, never changed; withdrawn, never removed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select

from app.hpkp.hosts import Host, superdomains
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.store import tables
from app.store.control import list_control_pins
from app.store.engine import from_ms, to_ms
from app.store.events import add_event
from app.store.read.releases import list_releases_near
from app.store.upsert import insert_missing


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A revision with the moment at which it was entered."""

    policy: PinningPolicy
    created_at: datetime


def is_registered(connection: Connection, host: str) -> bool:
    """Whether the host ever had a policy."""
    return bool(connection.scalar(select(exists().where(tables.policy_revisions.c.host == host))))


def list_revisions(connection: Connection, host: str, *, known_by: datetime | None = None) -> list[StoredPolicy]:
    """Return all revisions of a host, oldest entry first; with ``known_by`` those that were entered by then."""
    revisions = tables.policy_revisions.c
    query = select(tables.policy_revisions).where(revisions.host == host)
    if known_by is not None:
        query = query.where(revisions.created_at <= to_ms(known_by))
    rows = connection.execute(query.order_by(revisions.revision))
    return [StoredPolicy(policy_of_row(row), from_ms(row.created_at)) for row in rows]


def policy_of_row(row: Row[Any]) -> PinningPolicy:
    """Make the policy that a row of ``policy_revisions`` keeps."""
    return PinningPolicy(
        host=Host(row.host),
        pins=tuple(ExpectedPin(parse_pin(pin["sha256"]), pin["label"]) for pin in row.pins),
        revision=row.revision,
        include_subdomains=row.include_subdomains,
        max_age=row.max_age,
        mode=Mode(row.mode),
        report_uri=row.report_uri,
        own_keys=frozenset(map(parse_pin, row.own_keys)),
        effective_from=from_ms(row.effective_from),
        withdrawn=row.withdrawn,
    )


def history_of(connection: Connection, host: str, *, known_by: datetime | None = None) -> PolicyHistory:
    """Return the history of a host's own policy, as it is or was known; empty where it had none."""
    revisions = [stored.policy for stored in list_revisions(connection, host, known_by=known_by)]
    if not revisions:
        return PolicyHistory(())
    control = list_control_pins(connection, host, known_by=known_by)
    return PolicyHistory.of(
        revisions,
        live_keys_of(connection, host, by=known_by),
        frozenset(stored.pin for stored in control),
        frozenset(stored.domain for stored in control if stored.domain),
        tuple(list_releases_near(connection, host, known_by=known_by)),
    )


def live_keys_of(connection: Connection, host: str, *, by: datetime | None = None) -> frozenset[Pin]:
    """Return every leaf key that a host was seen to serve in a chain that held, or was by then."""
    query = select(tables.live_keys.c.pin).where(tables.live_keys.c.host == host)
    if by is not None:
        query = query.where(tables.live_keys.c.first_seen_at <= to_ms(by))
    return frozenset(map(parse_pin, connection.scalars(query)))


def find_covering(connection: Connection, hostname: str) -> tuple[str, PolicyHistory] | None:
    """Find the policy that speaks for a host name: its own, else the nearest above with includeSubDomains."""
    for candidate in (hostname, *superdomains(hostname)):
        history = history_of(connection, candidate)
        if any(policy.covers(hostname) for policy in history.revisions):
            return candidate, history
    return None


def add_revision(
    connection: Connection, policy: PinningPolicy, *, at: datetime, actor: str | None = None
) -> PinningPolicy:
    """Add a revision with the next number, and an event that says so, and who did it. Returns it as stored."""
    insert_missing(connection, tables.hosts, [{"name": policy.host, "first_seen_at": to_ms(at)}])
    newest = connection.scalar(
        select(func.max(tables.policy_revisions.c.revision)).where(tables.policy_revisions.c.host == policy.host)
    )
    effective_from = to_ms(policy.effective_from or at)
    stored = replace(policy, revision=(newest or 0) + 1, effective_from=from_ms(effective_from))
    connection.execute(
        insert(tables.policy_revisions).values(
            host=stored.host,
            revision=stored.revision,
            pins=[{"sha256": str(expected.pin), "label": expected.label} for expected in stored.pins],
            own_keys=sorted(map(str, stored.own_keys)),
            include_subdomains=stored.include_subdomains,
            max_age=stored.max_age,
            mode=stored.mode,
            report_uri=stored.report_uri,
            effective_from=effective_from,
            created_at=to_ms(at),
            withdrawn=stored.withdrawn,
        )
    )
    what = "withdrawn" if stored.withdrawn else f"{stored.mode}, {len(stored.pins)} pins"
    text = f"Policy revision {stored.revision}: {what}"
    add_event(connection, "policy_changed", text, host=stored.host, at=to_ms(at), actor=actor)
    return stored


def withdraw(
    connection: Connection, history: PolicyHistory, *, at: datetime, actor: str | None = None
) -> PinningPolicy | None:
    """End the policy in force with a last revision; None where none was in force."""
    current = history.in_force(at)
    if current is None:
        return None
    return add_revision(connection, replace(current, withdrawn=True, effective_from=at), at=at, actor=actor)


def registered_hosts(connection: Connection) -> Sequence[str]:
    """Return every host that ever had a policy, by name."""
    return connection.scalars(
        select(tables.policy_revisions.c.host).distinct().order_by(tables.policy_revisions.c.host)
    ).all()


def list_hosts_with_policy(connection: Connection) -> list[str]:
    """Return the hosts that ever had a policy, by name."""
    policies = tables.policy_revisions.c
    return list(connection.scalars(select(policies.host).distinct().order_by(policies.host)))
