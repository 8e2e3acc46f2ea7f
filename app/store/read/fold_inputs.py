"""What the fold asks before it judges: which violations are known, whose policy answers, and how much room is left."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from app.hpkp.app_pins.forms import Scope
from app.hpkp.pinned_host import Histories, find_pinned_host, hosts_that_may_answer
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.store import tables
from app.store.policies import policy_of_row
from app.store.read.releases import find_releases_pinning

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
    """What was added in a time, from which limits are reckoned: by host and by the network that reported it first.

    Evidence that cannot be forged is counted by its leaf (SHA-256), too: room is reserved for it.
    ``unregistered_hosts`` are all hosts without a policy, whenever they were added; ``of_unregistered_hosts`` counts
    their new violations, and ``new_hosts_by_network`` those of them that are new.
    """

    by_host: Mapping[str, int]
    by_host_and_leaf: Mapping[tuple[str, bytes], int]
    by_network_and_host: Mapping[tuple[bytes, str], int]
    unregistered_hosts: frozenset[str]
    of_unregistered_hosts: int
    new_hosts_by_network: Mapping[bytes, int]


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


def load_histories_for(connection: Connection, names: Iterable[Names]) -> Histories:
    """Load the policy histories of all hosts that may answer for reports, and the releases that pin the names."""
    names = list(names)
    policies = load_histories(connection, {host for name in names for host in hosts_that_may_answer(*name)})
    return Histories(policies, find_releases_pinning(connection, {hostname for hostname, _ in names}))


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
    control: dict[str, set[Pin]] = {}
    domains: dict[str, set[str]] = {}
    for some in _pieces(revisions):
        found = select(tables.control_pins).where(tables.control_pins.c.host.in_(some))
        for row in connection.execute(found):
            control.setdefault(row.host, set()).add(parse_pin(row.pin))
            if row.domain:
                domains.setdefault(row.host, set()).add(row.domain)
    return {
        host: PolicyHistory.of(
            of_host,
            frozenset(keys.get(host, ())),
            frozenset(control.get(host, ())),
            frozenset(domains.get(host, ())),
        )
        for host, of_host in revisions.items()
    }


def load_pinned_host(connection: Connection, hostname: str, noted_hostname: str | None) -> tuple[str, PolicyHistory]:
    """Load the host under which a report is counted, and the history of its policy, which may be empty."""
    histories = load_histories_for(connection, [(hostname, noted_hostname)])
    return find_pinned_host(hostname, noted_hostname, histories)


def load_registered(connection: Connection) -> dict[str, bool]:
    """Load every host that ever had a policy or is pinned by a registered release, and whether with its subdomains."""
    policies = tables.policy_revisions.c
    found: dict[str, bool] = {}
    for host, covers_subdomains in connection.execute(select(policies.host, policies.include_subdomains).distinct()):
        found[host] = found.get(host, False) or covers_subdomains
    entries = tables.pin_entries.c
    for name, scope in connection.execute(select(entries.name, entries.scope).distinct()):
        found[name] = found.get(name, False) or scope != Scope.EXACT.value
    return found


def count_new_violations(connection: Connection, hosts: Iterable[str], *, since: int, until: int) -> NewViolations:
    """Count violations first received from ``since`` to before ``until``, in milliseconds: of hosts, and by network."""
    violations, networks = tables.violations.c, tables.violation_networks.c
    is_new = (violations.first_received_at >= since, violations.first_received_at < until)
    by_host: dict[str, int] = {}
    by_leaf: dict[tuple[str, bytes], int] = {}
    for some in _pieces(hosts):
        query = (
            select(violations.host, violations.checked_leaf, func.count())
            .where(violations.host.in_(some), *is_new)
            .group_by(violations.host, violations.checked_leaf)
        )
        for host, leaf, count in connection.execute(query):
            by_host[host] = by_host.get(host, 0) + count
            if leaf is not None:
                by_leaf[host, bytes(leaf)] = count
    # The network of the first report is the one that was recorded with it.
    first_networks = (
        select(networks.network, violations.host, func.count())
        .join(tables.violations, violations.id == networks.violation_id)
        .where(*is_new, networks.first_at == violations.first_received_at)
        .group_by(networks.network, violations.host)
    )
    by_network = {(bytes(network), host): count for network, host, count in connection.execute(first_networks)}
    unregistered = ~_has_policy(violations.host)
    return NewViolations(
        by_host=by_host,
        by_host_and_leaf=by_leaf,
        by_network_and_host=by_network,
        unregistered_hosts=find_unregistered_hosts(connection),
        of_unregistered_hosts=connection.scalar(select(func.count()).where(*is_new, unregistered)) or 0,
        new_hosts_by_network=_count_new_hosts(connection, since, until),
    )


def _count_new_hosts(connection: Connection, since: int, until: int) -> dict[bytes, int]:
    """Count the hosts without a policy that were added in a time, by the network of their first report."""
    violations, networks, hosts = tables.violations.c, tables.violation_networks.c, tables.hosts.c
    query = (
        select(networks.network, func.count(violations.host.distinct()))
        .join(tables.violations, violations.id == networks.violation_id)
        .join(tables.hosts, hosts.name == violations.host)
        .where(
            violations.first_received_at >= since,
            violations.first_received_at < until,
            hosts.first_seen_at == violations.first_received_at,
            networks.first_at == violations.first_received_at,
            ~_has_policy(violations.host),
        )
        .group_by(networks.network)
    )
    return {bytes(network): count for network, count in connection.execute(query)}


def _has_policy(host: ColumnElement[str]) -> ColumnElement[bool]:
    policies = tables.policy_revisions.c
    return select(policies.host).where(policies.host == host).exists()


def find_unregistered_hosts(connection: Connection) -> frozenset[str]:
    """Return the hosts that the store has without a policy, and that no registered release names."""
    registered = select(tables.policy_revisions.c.host).union(select(tables.pin_entries.c.name))
    return frozenset(connection.scalars(select(tables.hosts.c.name).where(tables.hosts.c.name.not_in(registered))))


def _pieces(keys: Iterable[_Key]) -> Iterator[list[_Key]]:
    ordered = list(dict.fromkeys(keys))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
