"""What the fold asks before it judges: which violations are known, whose policy answers, and how much room is left."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, bindparam, func, select

from app.hpkp.pinned_host import find_pinned_host, hosts_that_may_answer
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.store import tables
from app.store.policies import policy_of_row

_AT_ONCE = 500
_Key = TypeVar("_Key", str, bytes)

Names = tuple[str, str | None]
"""Host name and noted host name of a report."""


@dataclass(frozen=True, slots=True)
class KnownViolation:
    """A violation that the store has: under which host, and how many raw bodies of it are kept."""

    id: int
    host: str
    raw_bodies: int


@dataclass(frozen=True, slots=True)
class NewViolations:
    """What was added since an instant, of which limits are reckoned: by host and by first network.

    ``unregistered_hosts`` are all hosts without a policy, whenever they were added. Evidence with a checked path, which
    nobody can forge, is counted apart: room is reserved for it.
    """

    by_host: Mapping[str, int]
    by_host_with_checked_path: Mapping[str, int]
    by_network: Mapping[bytes, int]
    unregistered_hosts: frozenset[str]


_FIND_VIOLATIONS = select(
    tables.violations.c.identity, tables.violations.c.id, tables.violations.c.host, tables.violations.c.raw_bodies
).where(tables.violations.c.identity.in_(bindparam("identities", expanding=True)))


def find_violations(connection: Connection, identities: Iterable[bytes]) -> dict[bytes, KnownViolation]:
    """Find violations by identity."""
    found: dict[bytes, KnownViolation] = {}
    for some in _pieces(identities):
        rows = connection.execute(_FIND_VIOLATIONS, {"identities": some}).all()
        found |= {bytes(row.identity): KnownViolation(row.id, row.host, row.raw_bodies) for row in rows}
    return found


def load_histories_for(connection: Connection, names: Iterable[Names]) -> dict[str, PolicyHistory]:
    """Load the policy histories of all hosts that may answer for reports; only hosts that ever had a policy."""
    return load_histories(connection, {host for name in names for host in hosts_that_may_answer(*name)})


def load_histories(connection: Connection, hosts: Iterable[str]) -> dict[str, PolicyHistory]:
    """Load the policy histories of hosts; only of those that ever had a policy."""
    revisions: dict[str, list[PinningPolicy]] = {}
    keys: dict[str, set[Pin]] = {}
    policies, live = tables.policy_revisions, tables.live_keys
    for some in _pieces(hosts):
        query = select(policies).where(policies.c.host.in_(some)).order_by(policies.c.host, policies.c.revision)
        for row in connection.execute(query):
            revisions.setdefault(row.host, []).append(policy_of_row(row))
    for some in _pieces(revisions):
        for host, pin in connection.execute(select(live.c.host, live.c.pin).where(live.c.host.in_(some))):
            keys.setdefault(host, set()).add(parse_pin(pin))
    return {host: PolicyHistory.of(of_host, frozenset(keys.get(host, ()))) for host, of_host in revisions.items()}


def load_pinned_host(connection: Connection, hostname: str, noted_hostname: str | None) -> tuple[str, PolicyHistory]:
    """Load the host under which a report is counted, and the history of its policy, which may be empty."""
    histories = load_histories_for(connection, [(hostname, noted_hostname)])
    return find_pinned_host(hostname, noted_hostname, histories)


def count_new_violations(connection: Connection, hosts: Iterable[str], *, since: int) -> NewViolations:
    """Count violations first received since an instant, in milliseconds: for these hosts, and for all networks."""
    violations, networks = tables.violations.c, tables.violation_networks.c
    by_host: dict[str, int] = {}
    with_checked_path: dict[str, int] = {}
    for some in _pieces(hosts):
        query = (
            select(violations.host, violations.checked_path, func.count())
            .where(violations.host.in_(some), violations.first_received_at >= since)
            .group_by(violations.host, violations.checked_path)
        )
        for host, checked_path, count in connection.execute(query):
            by_host[host] = by_host.get(host, 0) + count
            if checked_path:
                with_checked_path[host] = count
    # The network of the first report is the one that was recorded with it.
    first = (
        select(networks.network, func.count())
        .join(tables.violations, violations.id == networks.violation_id)
        .where(violations.first_received_at >= since, networks.first_at == violations.first_received_at)
        .group_by(networks.network)
    )
    by_network = {bytes(network): count for network, count in connection.execute(first)}
    return NewViolations(by_host, with_checked_path, by_network, find_unregistered_hosts(connection))


def find_unregistered_hosts(connection: Connection) -> frozenset[str]:
    """Return the hosts that the store has without a policy."""
    registered = select(tables.policy_revisions.c.host)
    return frozenset(connection.scalars(select(tables.hosts.c.name).where(tables.hosts.c.name.not_in(registered))))


def _pieces(keys: Iterable[_Key]) -> Iterator[list[_Key]]:
    ordered = list(dict.fromkeys(keys))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
