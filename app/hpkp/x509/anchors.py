"""Where paths may end, and the certificates that are known without being sent.

An anchor is a name and a key, whatever certificates it has (RFC 5280 section 6.1.1 d): CAs reissue their roots and
cross-sign them. Hence everything is kept by `Identity`, and a store's certificate stands for the dates alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.names import Name
from app.hpkp.x509.signatures import Verification, verify_link

Identity = tuple[Name, Pin]
"""A CA as clients see it: its normalised name and its key."""


def identity_of(certificate: Certificate) -> Identity:
    """Return whose certificate this is."""
    return certificate.subject_name, certificate.pin


class Anchor(StrEnum):
    """Where a path ends."""

    PUBLIC = "public"
    """At a root that is in Mozilla's store at the moment asked."""
    OPERATOR = "operator"
    """At a certificate that the operator named."""
    FORMER_PUBLIC = "former_public"
    """At a root that is in Mozilla's store at another time than the moment asked."""
    KNOWN_BAD = "known_bad"
    """Anywhere, with a key on the path that is known to be compromised or misused."""
    PRIVATE = "private"
    """At a self-signed certificate that is in no store."""
    UNKNOWN = "unknown"
    """Nowhere: the issuer of the last certificate is not at hand."""


PROVING_ANCHORS = frozenset({Anchor.PUBLIC, Anchor.FORMER_PUBLIC, Anchor.OPERATOR})
"""Checked signatures up to one of these cannot be forged."""


@dataclass(frozen=True, slots=True)
class RootDeparture:
    """When a root left Mozilla's store for servers, and why."""

    left: date
    how: str
    """``removed``, ``trust_off`` (kept for mail), ``expired``, ``bundle`` (left out by the bundle alone) …"""
    reason: str
    bug: int | None = None
    """At bugzilla.mozilla.org."""
    distrust_after: datetime | None = None
    """Leaves whose validity begins later were no longer trusted, while the root still was in the store."""


@dataclass(frozen=True)
class StoredRoot:
    """A root for one span in Mozilla's store; one that came back has several."""

    certificate: Certificate
    since: date | None = None
    departure: RootDeparture | None = None

    def holds(self, at: datetime) -> bool:
        """Whether the root was in the store on that day."""
        day = at.date()
        return (self.since is None or self.since <= day) and (self.departure is None or day < self.departure.left)


@dataclass
class _Entry:
    """What the stores hold of one identity."""

    certificates: list[Certificate] = field(default_factory=list)
    public: bool = False
    operator: bool = False
    spans: list[StoredRoot] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class KnownCertificates:
    """Anchors of three kinds, and intermediates and cross-certificates that complete what was not sent.

    Immutable; the indexes are built when first asked for, 30 microseconds a certificate.
    """

    public: tuple[Certificate, ...] = ()
    operator: tuple[Certificate, ...] = ()
    former: tuple[StoredRoot, ...] = ()
    intermediates: tuple[Certificate, ...] = ()
    known_bad: frozenset[Pin] = frozenset()

    @cached_property
    def _entries(self) -> Mapping[Identity, _Entry]:
        """What the stores hold of each CA, by name and key."""
        entries: dict[Identity, _Entry] = {}

        def entry_of(certificate: Certificate) -> _Entry:
            entry = entries.setdefault(identity_of(certificate), _Entry())
            # A root that left and came back has several spans with the same certificate.
            if certificate not in entry.certificates:
                entry.certificates.append(certificate)
            return entry

        for certificate in self.public:
            entry_of(certificate).public = True
        for certificate in self.operator:
            entry_of(certificate).operator = True
        for span in self.former:
            entry_of(span.certificate).spans.append(span)
        return entries

    @cached_property
    def _by_identity(self) -> Mapping[Identity, tuple[Certificate, ...]]:
        """Every known certificate of each CA, those of a store first."""
        found: dict[Identity, dict[bytes, Certificate]] = {}
        stored = (certificate for entry in self._entries.values() for certificate in entry.certificates)
        for certificate in (*stored, *self.intermediates):
            # By fingerprint, because an operator may give an intermediate that a store holds, too.
            found.setdefault(identity_of(certificate), {})[certificate.fingerprint] = certificate
        return {identity: tuple(certificates.values()) for identity, certificates in found.items()}

    @cached_property
    def _by_name(self) -> Mapping[Name, tuple[Identity, ...]]:
        """The CAs of each normalised name: those that may have issued a certificate."""
        found: dict[Name, list[Identity]] = {}
        for identity in self._by_identity:
            found.setdefault(identity[0], []).append(identity)
        return {name: tuple(identities) for name, identities in found.items()}

    @cached_property
    def _fingerprints(self) -> frozenset[bytes]:
        """Of every known certificate, to tell them from those that a sender chose."""
        return frozenset(one.fingerprint for certificates in self._by_identity.values() for one in certificates)

    @cached_property
    def _links(self) -> dict[tuple[bytes, Pin], Verification]:
        """Links between known certificates that were verified; no sender can add to them."""
        return {}

    def __contains__(self, certificate: Certificate) -> bool:
        """Whether exactly this certificate is known."""
        return certificate.fingerprint in self._fingerprints

    def identities_named(self, name: Name) -> tuple[Identity, ...]:
        """Return the known CAs of that name."""
        return self._by_name.get(name, ())

    def certificates_of(self, identity: Identity) -> tuple[Certificate, ...]:
        """Return every known certificate of a CA, those of a store first."""
        return self._by_identity.get(identity, ())

    def anchors_of(self, identity: Identity) -> tuple[Certificate, ...]:
        """Return the certificates that a store holds of a CA; empty where it is no anchor."""
        entry = self._entries.get(identity)
        return () if entry is None else tuple(entry.certificates)

    def named_by_operator(self, identity: Identity) -> bool:
        """Whether the operator named it; then even a leaf may be an anchor."""
        entry = self._entries.get(identity)
        return entry is not None and entry.operator

    def kind_of(self, identity: Identity, at: datetime) -> Anchor | None:
        """Say which store holds a CA at that moment, whatever is known of its key; None for none.

        Public comes first: what the whole web trusts is no private matter because an operator lists it too.
        """
        entry = self._entries.get(identity)
        if entry is None:
            return None
        # By the store of that moment: a report of a time when the root was in the store is judged as it was then.
        if entry.public or any(span.holds(at) for span in entry.spans):
            return Anchor.PUBLIC
        return Anchor.OPERATOR if entry.operator else Anchor.FORMER_PUBLIC

    def anchor_kind(self, certificate: Certificate, at: datetime) -> Anchor | None:
        """Say what kind of anchor a certificate's name and key are at that moment; None where they are none."""
        # A compromised key beats every store: others can issue below it.
        return Anchor.KNOWN_BAD if certificate.pin in self.known_bad else self.kind_of(identity_of(certificate), at)

    def departure_of(self, certificate: Certificate) -> RootDeparture | None:
        """Say when and why a root left Mozilla's store the last time; None where it never did or is in it today."""
        entry = self._entries.get(identity_of(certificate))
        if entry is None or entry.public:
            return None
        # ePKI and GLOBALTRUST 2020 left, came back and left again: the last departure counts.
        departures = [span.departure for span in entry.spans if span.departure is not None]
        return max(departures, key=lambda departure: departure.left, default=None)

    def distrust_after(self, identity: Identity) -> datetime | None:
        """Return the moment from which on leaves below a root were not trusted."""
        entry = self._entries.get(identity)
        # Mozilla's dates, which the bundle cannot express: it holds a root whole or not at all.
        dates = [s.departure.distrust_after for s in entry.spans if s.departure] if entry else []
        return min((moment for moment in dates if moment is not None), default=None)

    def verify(self, child: Certificate, issuer: Certificate) -> Verification:
        """Verify a link between two known certificates, once for all: there are finitely many."""
        key = child.fingerprint, issuer.pin
        if (found := self._links.get(key)) is None:
            found = self._links[key] = verify_link(child, issuer)
        return found
