"""Which new violations are accepted: fair limits on what unauthenticated senders can make grow. Pure.

Reports of known violations are always counted; limits concern what is new. Three rules make them fair:

1. **Reserved room.** Part of each host's day is reserved for evidence that cannot be forged (`find_checked_leaf`): a
   leaf for the host whose signatures verify up to a known root. A flood of anything else cannot fill it, from however
   many networks it comes, nor use up what the network of an honest client has.
2. **Leaves share it.** A chain can be copied, and a port, pins or another chain varied beside it without end. So each
   leaf has a few violations of a day in the reserved room; further ones count as everything else. To fill the room
   takes many certificates for the host that are valid at once, and a copier has those that the host itself has.
3. **Networks share the rest.** A network has a limit for each host and day, and one for all hosts. Within a batch its
   first new violation is considered before the second of any other, so a flood in the same batch does not go first.

What is over a limit is counted as overflow, with its reason; nothing is lost without a count.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.hpkp.overflow import OverflowReason
from app.ingest.entry import UNKNOWN_NETWORK


@dataclass(frozen=True, slots=True)
class NewViolationLimits:
    """Limits on new violations of a day, and on hosts without a policy. Raises ValueError for contradictory ones."""

    per_host: int = 1000
    reserved_for_checked: int = 500
    """Of ``per_host``: room that only checked evidence may use."""
    per_checked_leaf: int = 10
    """Of the reserved room, for each leaf: clients of several kinds and revisions, behind several ports, fit in."""
    per_network_and_host: int = 50
    per_network: int = 200
    unregistered_hosts: int = 100
    """Hosts without a policy that are kept at a time."""
    unregistered_hosts_per_network: int = 10
    """New ones of a day."""
    unregistered_violations: int = 1000
    """New violations of a day of all hosts without a policy together."""

    def __post_init__(self) -> None:
        """Refuse limits that leave no room."""
        if not 0 <= self.reserved_for_checked <= self.per_host:
            raise ValueError("the room reserved for checked evidence is part of the room of a host")


@dataclass(frozen=True, slots=True)
class NewViolation:
    """A violation that is not known yet, as its first report gives it.

    ``day`` is its beginning in milliseconds. ``checked_leaf`` is the SHA-256 of the leaf of evidence that cannot
    be forged. ``is_registered``: the host has a policy.
    """

    identity: bytes
    host: str
    network: bytes
    day: int
    checked_leaf: bytes | None = None
    is_registered: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """The violation is stored, and its reports are counted."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """The violation is not stored; its reports are counted as overflow."""

    reason: OverflowReason


Decision = Accepted | Overflow


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of the limits is used: counts by key. A missing key is 0."""

    host: Counter[tuple[str, int]] = field(default_factory=Counter)
    """New violations by host and day."""
    unchecked: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Those of them that are outside the reserved room."""
    leaf: Counter[tuple[str, bytes, int]] = field(default_factory=Counter)
    """Those with checked evidence, by host, leaf and day."""
    network_and_host: Counter[tuple[bytes, str, int]] = field(default_factory=Counter)
    network: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    unregistered: Counter[int] = field(default_factory=Counter)
    """New violations of hosts without a policy, by day."""
    new_hosts: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    """New hosts without a policy, by network and day."""
    hosts: Counter[str] = field(default_factory=Counter)
    """Hosts without a policy that are kept, each once."""

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum of both, as a new value."""
        return Usage(
            self.host + other.host,
            self.unchecked + other.unchecked,
            self.leaf + other.leaf,
            self.network_and_host + other.network_and_host,
            self.network + other.network,
            self.unregistered + other.unregistered,
            self.new_hosts + other.new_hosts,
            self.hosts + other.hosts,
        )


@dataclass(frozen=True, slots=True)
class Decisions:
    """What becomes of the new violations of a batch, by identity, and what the accepted ones add to the usage."""

    by_identity: dict[bytes, Decision]
    added: Usage


def decide(violations: Iterable[NewViolation], used: Usage, limits: NewViolationLimits) -> Decisions:
    """Decide on the new violations of a batch, each identity once, in the order of their arrival.

    ``used`` needs the counts of the keys that occur in the batch, and all hosts without a policy.
    """
    # A copy of what is used: what is accepted here counts for the rest of the batch, and the caller keeps its own.
    now, added = used.plus(Usage()), Usage()
    by_identity: dict[bytes, Decision] = {}
    for violation in _in_turn(violations, used):
        reason = find_limit(violation, now, limits)
        by_identity[violation.identity] = Accepted() if reason is None else Overflow(reason)
        if reason is None:
            is_new_host = not violation.is_registered and violation.host not in now.hosts
            # Before the violation is counted itself, perhaps in the last place of its leaf.
            is_reserved = _has_reserved_room(violation, now, limits)
            for usage in (now, added):
                _use(usage, violation, is_new_host=is_new_host, is_reserved=is_reserved)
    return Decisions(by_identity, added)


def _in_turn(violations: Iterable[NewViolation], used: Usage) -> list[NewViolation]:
    """Order a batch so that no network's next violation of a host is considered before others had as many."""
    turns = Counter[tuple[bytes, str, int]]()
    ordered = []
    for position, violation in enumerate(violations):
        key = violation.network, violation.host, violation.day
        # The position decides between equals: the order of arrival, whatever the identities are.
        ordered.append((used.network_and_host[key] + turns[key], position, violation))
        turns[key] += 1
    return [violation for _, _, violation in sorted(ordered, key=lambda item: item[:2])]


def find_limit(violation: NewViolation, used: Usage, limits: NewViolationLimits) -> OverflowReason | None:
    """Return the first limit that a violation is over."""
    host, network, day = violation.host, violation.network, violation.day
    # An unknown network may be everybody behind a proxy: nothing to share between, and the limits of hosts remain.
    is_known = network != UNKNOWN_NETWORK
    is_reserved = _has_reserved_room(violation, used, limits)
    # Rule 1: checked evidence passes the limits of its network, which others in it may have used up.
    if is_known and not is_reserved and used.network_and_host[network, host, day] >= limits.per_network_and_host:
        return OverflowReason.NETWORK_AND_HOST
    if is_known and not is_reserved and used.network[network, day] >= limits.per_network:
        return OverflowReason.NETWORK_AND_DAY
    # Rule 1: what is not checked gets the room that is not reserved, and no more.
    open_room = limits.per_host - limits.reserved_for_checked
    if used.host[host, day] >= limits.per_host or (not is_reserved and used.unchecked[host, day] >= open_room):
        return OverflowReason.HOST_AND_DAY
    if violation.is_registered:
        return None
    if used.unregistered[day] >= limits.unregistered_violations:
        return OverflowReason.UNREGISTERED_VIOLATIONS
    # The limits below are for hosts that would be added; this one is kept already.
    if host in used.hosts:
        return None
    if len(used.hosts) >= limits.unregistered_hosts:
        return OverflowReason.UNREGISTERED_HOSTS
    if is_known and used.new_hosts[network, day] >= limits.unregistered_hosts_per_network:
        return OverflowReason.UNREGISTERED_HOSTS_OF_NETWORK
    return None


def _has_reserved_room(violation: NewViolation, used: Usage, limits: NewViolationLimits) -> bool:
    """Whether there is room for it among the reserved. Of hosts without a policy anybody may have certificates."""
    leaf = violation.checked_leaf
    if leaf is None or not violation.is_registered:
        return False
    return used.leaf[violation.host, leaf, violation.day] < limits.per_checked_leaf


def _use(usage: Usage, violation: NewViolation, *, is_new_host: bool, is_reserved: bool) -> None:
    """Add an accepted violation."""
    host, network, day = violation.host, violation.network, violation.day
    usage.host[host, day] += 1
    usage.unchecked[host, day] += not is_reserved
    if violation.checked_leaf is not None:
        # In the open room, too: which room a violation was accepted in is not stored, only its leaf.
        usage.leaf[host, violation.checked_leaf, day] += 1
    usage.network_and_host[network, host, day] += 1
    usage.network[network, day] += 1
    usage.unregistered[day] += not violation.is_registered
    if is_new_host:
        usage.hosts[host] = 1
        usage.new_hosts[network, day] += 1
