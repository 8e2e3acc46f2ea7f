"""What an app's configuration says: layers of pin entries, as frozen values.

::

    PinLayer (one library or system that checks) ── PinEntry (one name) ── CarriedPin …
       all layers must accept a chain                the layer's overlap rule chooses the entries of a host

A common "list of pins" would lose what decides an answer: the scope of a name, how overlapping entries combine, which
certificates are compared, when a set expires, and whether a hash is of a key or of a certificate.
"""

import hashlib
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property

from app.hpkp.app_pins.forms import FORMS, Compares, ExpiryRule, Form, FormTraits, Overlap, PinKind, PinMode, Scope
from app.hpkp.hosts import superdomains
from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Element

_EASTERNMOST, _WESTERNMOST = timedelta(hours=14), timedelta(hours=-12)
"""The offsets from UTC between which every device's clock is."""


class ExpiryState(StrEnum):
    """Whether an entry checks at an instant. What the device's time zone decides is DEPENDS."""

    ON = "on"
    OFF = "off"
    DEPENDS = "depends"


@dataclass(frozen=True, slots=True, order=True)
class CarriedPin:
    """A hash that an app compares: of a key (SPKI) or of a whole certificate.

    Some forms accept a hash of any length; one that is not 32 bytes long matches nothing and locks everybody out.
    """

    digest: bytes
    kind: PinKind = PinKind.SPKI

    @property
    def can_match(self) -> bool:
        """Whether any certificate can have it."""
        return len(self.digest) == hashlib.sha256().digest_size

    @property
    def pin(self) -> Pin | None:
        """The pin of a key; None for a certificate's hash and for what matches nothing."""
        return Pin(self.digest) if self.kind is PinKind.SPKI and self.can_match else None

    def __str__(self) -> str:
        """Return the base64 text."""
        return b2a_base64(self.digest, newline=False).decode("ascii")


def carry(pins: Iterable[Pin]) -> tuple[CarriedPin, ...]:
    """Return pins of keys as an app carries them."""
    return tuple(CarriedPin(pin.digest) for pin in pins)


@dataclass(frozen=True, slots=True)
class PathKey:
    """What a pin is compared with: the pin and the SHA-256 of one certificate of a path; None if unreadable."""

    pin: bytes | None
    certificate: bytes | None

    @classmethod
    def of_element(cls, element: Element) -> "PathKey":
        """Take both from a certificate."""
        return cls(None if element.pin is None else element.pin.digest, element.fingerprint)

    def has(self, carried: CarriedPin) -> bool:
        """Whether the carried pin is this certificate's or its key's."""
        # The kind decides: a certificate's hash and a key's are both 32 bytes, and compared with the wrong one never
        # match.
        return carried.digest == (self.pin if carried.kind is PinKind.SPKI else self.certificate)


@dataclass(frozen=True, slots=True)
class PinEntry:
    """The pins that a layer puts on a name.

    ``pins``: any one suffices. ``leaf_pins`` and ``ca_pins`` are compared with the leaf and with all other
    certificates; where both are given, both must match. An entry of mode EXCLUDE has none of them.
    """

    name: str
    """In the spelling of the form, without wildcards: lower case except where the library minds case."""
    scope: Scope = Scope.EXACT
    mode: PinMode = PinMode.ENFORCE
    pins: tuple[CarriedPin, ...] = ()
    leaf_pins: tuple[CarriedPin, ...] = ()
    ca_pins: tuple[CarriedPin, ...] = ()
    expires_on: date | None = None
    report_uris: tuple[str, ...] = ()
    reports_to_vendor: bool = False
    """Whether the library sends a copy of each report to its vendor (TrustKit: Data Theorem)."""

    @property
    def all_pins(self) -> tuple[CarriedPin, ...]:
        """Every pin that can let a chain pass."""
        return (*self.pins, *self.leaf_pins, *self.ca_pins)

    def covers(self, host: str) -> bool:
        """Whether the entry is for the host, a canonical name."""
        if host == self.name:
            # `*.example.com` of OkHttp does not cover example.com.
            return self.scope is not Scope.ONE_LABEL
        label, _, parent = host.partition(".")
        match self.scope:
            case Scope.NAME_AND_BELOW:
                # With the dot, because evilexample.com is not below example.com.
                return host.endswith("." + self.name)
            case Scope.ONE_LABEL | Scope.NAME_AND_ONE_LABEL:
                return bool(label) and parent == self.name
            case Scope.EXACT:
                return False

    def covers_all_of(self, other: "PinEntry") -> bool:
        """Whether every host of another entry is also one of this."""
        if other.name.endswith("." + self.name):
            depth = other.name.count(".") - self.name.count(".")
            return self.scope is Scope.NAME_AND_BELOW or (
                self.scope is not Scope.EXACT and depth == 1 and other.scope is Scope.EXACT
            )
        return other.name == self.name and (self.scope is other.scope or other.scope in _WITHIN[self.scope])

    def overlaps(self, other: "PinEntry") -> bool:
        """Whether some host is covered by both."""
        return any(self.covers(host) and other.covers(host) for entry in (self, other) for host in entry.sample_hosts)

    @property
    def sample_hosts(self) -> tuple[str, ...]:
        """Hosts that stand for all: the name, one and two labels below it. Not all are covered."""
        return (self.name, f"a-label.{self.name}", f"two.labels.{self.name}")

    def state_at(self, at: datetime, rule: ExpiryRule | None) -> ExpiryState:
        """Whether the entry checks at an instant (UTC), by the form's rule of when a date ends."""
        # Without a rule the library reads no date, and never stops.
        if self.expires_on is None or rule is None:
            return ExpiryState.ON
        first, last = expiry_instants(self.expires_on, rule)
        if at < first:
            return ExpiryState.ON
        # Between the two some devices check and others do not, depending on their zones.
        return ExpiryState.OFF if at >= last else ExpiryState.DEPENDS


_WITHIN: dict[Scope, frozenset[Scope]] = {
    Scope.EXACT: frozenset(),
    Scope.ONE_LABEL: frozenset(),
    Scope.NAME_AND_ONE_LABEL: frozenset({Scope.EXACT, Scope.ONE_LABEL}),
    Scope.NAME_AND_BELOW: frozenset({Scope.EXACT, Scope.ONE_LABEL, Scope.NAME_AND_ONE_LABEL}),
}


def expiry_instants(expires_on: date, rule: ExpiryRule) -> tuple[datetime, datetime]:
    """Return the first and the last instant (UTC) at which a device anywhere stops to check."""
    midnight = datetime.combine(expires_on, time(), UTC)
    match rule:
        case ExpiryRule.UTC_START:
            return midnight, midnight
        case ExpiryRule.UTC_END:
            return midnight + timedelta(days=1), midnight + timedelta(days=1)
        case ExpiryRule.DEVICE_START:
            # Midnight comes first where the clock is furthest ahead of UTC.
            return midnight - _EASTERNMOST, midnight - _WESTERNMOST


@dataclass(frozen=True)
class PinLayer:
    """Entries that one library or system checks. All layers of a release must let a chain pass."""

    form: Form
    entries: tuple[PinEntry, ...]
    local_roots_bypass: bool = False
    """Whether chains to roots that the user or the device's owner installed are not compared with the pins."""

    @property
    def traits(self) -> FormTraits:
        """How this form decides."""
        return FORMS[self.form]

    @cached_property
    def _positions(self) -> dict[str, list[int]]:
        """The positions of the entries of each name, so that a host is found without going through all."""
        found: dict[str, list[int]] = {}
        for position, entry in enumerate(self.entries):
            found.setdefault(entry.name, []).append(position)
        return found

    def entries_for(self, host: str) -> tuple[PinEntry, ...]:
        """Return the entries by which a host is checked; none if it is not pinned. United entries add their pins."""
        near = sorted(found for name in (host, *superdomains(host)) for found in self._positions.get(name, ()))
        covering = [entry for entry in map(self.entries.__getitem__, near) if entry.covers(host)]
        if not covering:
            return ()
        match self.traits.overlap:
            case Overlap.UNITED:
                chosen = covering
            case Overlap.MOST_SPECIFIC:
                # An exact name outranks every parent; among parents the longest is the closest.
                chosen = [max(covering, key=lambda entry: (entry.name == host, len(entry.name)))]
            case Overlap.FIRST_MATCH:
                chosen = [next((entry for entry in covering if entry.name == host), covering[0])]
        # Only after the choice: an excluded name must not fall back to the pins of its parent.
        return tuple(entry for entry in chosen if entry.mode is not PinMode.EXCLUDE)

    def accepts(self, path: Sequence[PathKey], entries: Sequence[PinEntry]) -> bool:
        """Whether a validated path, leaf first, passes these entries of a host. Without any pins everything passes.

        Lists of united entries add up. A leaf list and a CA list must both match (Apple's SecPolicyServer.c).
        """
        # An empty list restricts nothing, so a layer without pins accepts every path, as its library does.
        compared = path if self.traits.compares is Compares.PATH else path[:1]
        lists = (
            (compared, [pin for entry in entries for pin in entry.pins]),
            (path[:1], [pin for entry in entries for pin in entry.leaf_pins]),
            (path[1:], [pin for entry in entries for pin in entry.ca_pins]),
        )
        return all(not pins or any(key.has(pin) for pin in pins for key in keys) for keys, pins in lists)

    def pins_for(self, host: str) -> frozenset[CarriedPin]:
        """Return all pins of a host that can let a chain pass."""
        return frozenset(pin for entry in self.entries_for(host) for pin in entry.all_pins)


@dataclass(frozen=True, slots=True)
class AppIdentity:
    """The app as the configuration names it; empty where it does not."""

    app: str = ""
    version: str = ""
    build: str = ""
