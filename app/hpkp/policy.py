"""The operator's Pinning Policy: the expected pins of a host, revision after revision.

A policy is what the operator expects; what a UA remembers are known pins and come with a report. Revisions are
never changed or removed, because a report may speak of any policy that was ever in force.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.hpkp.app_pins.release import AppRelease
from app.hpkp.errors import InvalidPolicy
from app.hpkp.hosts import Host, is_address
from app.hpkp.pins import Pin


class Mode(StrEnum):
    """Whether a violation only makes a report or ends the connection too (RFC 7469 section 2.6)."""

    REPORT_ONLY = "report-only"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class ExpectedPin:
    """A pin that the operator expects, with the operator's own word for the key."""

    pin: Pin
    label: str = ""


@dataclass(frozen=True, slots=True)
class PinningPolicy:
    """One revision of a host's policy.

    ``max_age`` is in seconds (RFC 7469 section 2.1.2). ``own_keys`` are pins of keys the operator holds without
    pinning them: a leaf with such a key is our own mistake, not an attack. ``withdrawn`` marks the revision that
    ended pinning.
    """

    host: Host
    pins: tuple[ExpectedPin, ...]
    revision: int = 1
    include_subdomains: bool = False
    max_age: int | None = None
    mode: Mode = Mode.REPORT_ONLY
    report_uri: str | None = None
    own_keys: frozenset[Pin] = frozenset()
    effective_from: datetime | None = None
    withdrawn: bool = False

    def __post_init__(self) -> None:
        """Refuse what no policy can be; doubtful but possible policies are for readiness to judge."""
        if is_address(self.host):
            raise InvalidPolicy("an IP address cannot be a Pinned Host (RFC 7469 section 2.3.1)")
        if self.max_age is not None and self.max_age < 0:
            raise InvalidPolicy("max_age is a number of seconds, zero or more")
        if len(self.expected) != len(self.pins):
            raise InvalidPolicy("a pin stands twice in the policy")

    @property
    def expected(self) -> frozenset[Pin]:
        """The expected pins, without their labels."""
        return frozenset(expected.pin for expected in self.pins)

    def says_the_same_as(self, other: "PinningPolicy") -> bool:
        """Whether two revisions differ in nothing but their number and their dates."""
        return replace(self, revision=other.revision, effective_from=other.effective_from) == other

    def looks_like(self, other: "PinningPolicy") -> bool:
        """Whether clients see no difference between two revisions: labels, own keys and dates are the operator's."""
        return self._seen_by_clients == other._seen_by_clients

    @property
    def _seen_by_clients(self) -> tuple[object, ...]:
        return self.expected, self.include_subdomains, self.max_age, self.mode, self.report_uri, self.withdrawn

    def covers(self, host: str) -> bool:
        """Whether the policy speaks for ``host`` (RFC 7469 section 2.1.3)."""
        return host == self.host or (self.include_subdomains and host.endswith("." + self.host))


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """All revisions of one host's policy, in the order in which they took effect.

    ``live_keys`` are pins of leaf keys that the host itself was seen to serve, in chains that held. ``control_pins``
    match nothing and belong to no revision (`app.hpkp.control`); ``control_domains`` are names below the host where
    clients know nothing else. ``releases`` are the registered releases of apps that may pin the host or a name near it;
    they may be there without any revision.
    """

    revisions: tuple[PinningPolicy, ...]
    live_keys: frozenset[Pin] = frozenset()
    control_pins: frozenset[Pin] = frozenset()
    control_domains: frozenset[str] = frozenset()
    releases: tuple[AppRelease, ...] = ()

    @classmethod
    def of(
        cls,
        revisions: Sequence[PinningPolicy],
        live_keys: frozenset[Pin] = frozenset(),
        control_pins: frozenset[Pin] = frozenset(),
        control_domains: frozenset[str] = frozenset(),
        releases: tuple[AppRelease, ...] = (),
    ) -> "PolicyHistory":
        """Order revisions by the moment they took effect, then by number."""

        def order(policy: PinningPolicy) -> tuple[float, int]:
            start = policy.effective_from
            return (start.timestamp() if start else 0.0, policy.revision)

        return cls(tuple(sorted(revisions, key=order)), live_keys, control_pins, control_domains, releases)

    @property
    def is_registered(self) -> bool:
        """Whether the operator said anything of the host: by a policy, or by a release of an app that pins it."""
        return bool(self.revisions or self.releases)

    def in_force(self, at: datetime) -> PinningPolicy | None:
        """Return the revision in force at ``at``, or None before the first and after a withdrawal."""
        current = None
        for policy in self.revisions:
            if policy.effective_from is None or policy.effective_from <= at:
                current = policy
        return None if current is None or current.withdrawn else current

    def unchanged_since(self, policy: PinningPolicy) -> datetime | None:
        """Return since when clients see what a revision of this history says: revisions that look like it count on."""
        since = policy.effective_from
        until = self.revisions.index(policy) if policy in self.revisions else 0
        for previous in reversed(self.revisions[:until]):
            if not previous.looks_like(policy):
                break
            since = previous.effective_from
        return since

    def ever_expected(self, at: datetime) -> frozenset[Pin]:
        """Return every pin of every revision that took effect by ``at``, former ones included."""
        return frozenset(
            pin
            for policy in self.revisions
            if policy.effective_from is None or policy.effective_from <= at
            for pin in policy.expected
        )

    @property
    def all_pins(self) -> frozenset[Pin]:
        """Every pin of every revision, those that take effect later included."""
        return frozenset(pin for policy in self.revisions for pin in policy.expected)

    @property
    def own_keys(self) -> frozenset[Pin]:
        """Every key that the operator ever called their own, or that their host was seen to serve."""
        return self.live_keys | frozenset(pin for policy in self.revisions for pin in policy.own_keys)
