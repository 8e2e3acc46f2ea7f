"""Certificates, certificate chains, and the paths that signatures make of them.

Knows X.509 through `cryptography`; this is the one file where that library ends. A certificate that it
refuses is a value, `UnreadableCertificate`, and keeps its pin where the SubjectPublicKeyInfo can be sliced out.

::

    DER ──read_certificate──> Certificate | UnreadableCertificate
    chain (as sent, leaf first) ──build_path(anchors)──> Path: positions joined by verified signatures,
                                                          and the TrustAnchor kind where it ends
"""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property, lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID

from app.hpkp.errors import InvalidCertificate
from app.hpkp.hosts import is_address, matches_name
from app.hpkp.pins import Pin, pin_of_spki
from app.hpkp.x509.spki import certificate_end, spki_of_certificate

# Serial numbers of zero are against RFC 5280 section 4.1.2.2 but stand in real chains; they are no news here.
warnings.filterwarnings("ignore", message="Parsed a serial number which wasn't positive")

_OLD_HASHES = frozenset({"md2", "md5", "sha1"})


@dataclass(frozen=True, slots=True)
class UnreadableCertificate:
    """A place in a chain where no certificate could be read, with the reason.

    ``position`` counts from 0. ``pin`` is there when the SubjectPublicKeyInfo could still be sliced out.
    """

    position: int
    reason: str
    der: bytes | None = None
    pin: Pin | None = None

    @property
    def fingerprint(self) -> bytes | None:
        """SHA-256 of the DER, 32 bytes, where there is DER."""
        return None if self.der is None else hashlib.sha256(self.der).digest()


@dataclass(frozen=True)
class Certificate:
    """A certificate as it was sent; equal when the DER is equal."""

    der: bytes = field(repr=False)
    fingerprint: bytes
    """SHA-256 of the DER, 32 bytes; the key under which the store keeps it."""
    pin: Pin

    @cached_property
    def parsed(self) -> x509.Certificate:
        """The certificate as the X.509 library reads it."""
        return x509.load_der_x509_certificate(self.der)

    @cached_property
    def subject(self) -> str:
        """The subject as an RFC 4514 string, or a note in angle brackets that it cannot be read."""
        return _name_text(self.parsed, "subject")

    @cached_property
    def issuer(self) -> str:
        """The issuer as an RFC 4514 string, or a note in angle brackets that it cannot be read."""
        return _name_text(self.parsed, "issuer")

    @cached_property
    def subject_der(self) -> bytes | None:
        """The subject as DER, for the comparison with an issuer (RFC 5280 section 7.1, byte for byte)."""
        return _name_der(self.parsed, "subject")

    @cached_property
    def issuer_der(self) -> bytes | None:
        """The issuer as DER."""
        return _name_der(self.parsed, "issuer")

    @cached_property
    def serial_number(self) -> int:
        """The serial number; zero and negative ones are told as they are."""
        return self.parsed.serial_number

    @property
    def not_before(self) -> datetime:
        """Start of the validity, UTC."""
        return self.parsed.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """End of the validity, UTC."""
        return self.parsed.not_valid_after_utc

    @cached_property
    def names(self) -> tuple[str, ...]:
        """DNS names and IP addresses of the SubjectAltName; empty where there is none or it is unreadable."""
        try:
            value = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            dns = value.get_values_for_type(x509.DNSName)
            addresses = [str(address) for address in value.get_values_for_type(x509.IPAddress)]
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return ()
        return (*dns, *addresses)

    @cached_property
    def common_name(self) -> str | None:
        """The first commonName of the subject."""
        try:
            found = self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:
            return None
        return str(found[0].value) if found else None

    @cached_property
    def issuer_common_name(self) -> str | None:
        """The first commonName of the issuer."""
        return next(iter(self._issuer_attributes(NameOID.COMMON_NAME)), None)

    @cached_property
    def issuer_organizations(self) -> tuple[str, ...]:
        """Every organizationName of the issuer, in its order."""
        return self._issuer_attributes(NameOID.ORGANIZATION_NAME)

    def _issuer_attributes(self, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
        try:
            return tuple(str(attribute.value) for attribute in self.parsed.issuer.get_attributes_for_oid(kind))
        except ValueError:
            return ()

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name (RFC 5280 section 3.2)."""
        return self.subject_der is not None and self.subject_der == self.issuer_der

    @cached_property
    def key_kind(self) -> str | None:
        """What kind of key it is for, such as ``EC secp256r1`` or ``RSA 2048``; None where the library knows it not."""
        try:
            key = self.parsed.public_key()
        except (UnsupportedAlgorithm, ValueError):
            return None
        if isinstance(key, ec.EllipticCurvePublicKey):
            return f"EC {key.curve.name}"
        name = type(key).__name__.strip("_").removesuffix("PublicKey")
        return f"{name} {key.key_size}" if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey) else name

    @cached_property
    def signature_hash(self) -> str | None:
        """The hash of the signature, such as ``sha256``; None where the scheme names none or is unknown."""
        try:
            algorithm = self.parsed.signature_hash_algorithm
        except (UnsupportedAlgorithm, ValueError):
            return None
        return None if algorithm is None else algorithm.name

    def covers(self, host: str) -> bool:
        """Whether the certificate is for ``host`` (RFC 6125 section 6.4).

        The commonName counts only where there is no SubjectAltName at all (section 6.4.4).
        """
        names = self.names or ((self.common_name,) if self.common_name else ())
        if is_address(host):
            return host in names
        return any(matches_name(host, name) for name in names)


Element = Certificate | UnreadableCertificate
Chain = tuple[Element, ...]


def _name_text(parsed: x509.Certificate, which: str) -> str:
    try:
        name: x509.Name = getattr(parsed, which)
        return name.rfc4514_string()
    except ValueError as error:
        return f"<unreadable: {error}>"


def _name_der(parsed: x509.Certificate, which: str) -> bytes | None:
    try:
        name: x509.Name = getattr(parsed, which)
        return name.public_bytes()
    except ValueError:
        return None


def read_certificate(der: bytes, *, position: int = 0) -> Element:
    """Read one certificate. Whatever the bytes, the answer is a value, never an error.

    Bytes after the certificate are cut off; ``position`` is only kept for the `UnreadableCertificate`.
    """
    try:
        der = der[: certificate_end(der)]
        pin = pin_of_spki(spki_of_certificate(der))
    except InvalidCertificate as error:
        return UnreadableCertificate(position, str(error), der or None)
    try:
        certificate = Certificate(der, hashlib.sha256(der).digest(), pin)
        certificate.parsed.not_valid_after_utc  # noqa: B018  a date beyond reading shows here
        certificate.serial_number  # noqa: B018
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, Warning) as error:
        return UnreadableCertificate(position, f"X.509 refused: {error}", der, pin)
    return certificate


def pins_of(chain: Iterable[Element]) -> frozenset[Pin]:
    """Return the pins of a chain, unreadable certificates included where they have one."""
    return frozenset(element.pin for element in chain if element.pin is not None)


class Link(StrEnum):
    """What the signature says about two certificates of which one names the other as its issuer."""

    SIGNED = "signed"
    NOT_SIGNED = "not_signed"
    NOT_CHECKABLE = "not_checkable"


_LINKS = 512
"""How many answers of `check_link` are kept: chains share their upper links, and a signature takes 0.1 ms and more."""


@lru_cache(maxsize=_LINKS)
def check_link(certificate: Certificate, issuer: Certificate) -> Link:
    """Say whether ``issuer``'s key signed ``certificate`` and the names agree.

    MD5 and SHA-1 signatures, and algorithms the library does not know, are not checkable: no verifier of today
    takes them, which makes an old path doubtful, not forged.
    """
    if certificate.issuer_der is None or certificate.issuer_der != issuer.subject_der:
        return Link.NOT_SIGNED
    if certificate.signature_hash in _OLD_HASHES:
        return Link.NOT_CHECKABLE
    try:
        certificate.parsed.verify_directly_issued_by(issuer.parsed)
    except InvalidSignature:
        return Link.NOT_SIGNED
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Link.NOT_CHECKABLE
    return Link.SIGNED


class Anchor(StrEnum):
    """Where a path ends."""

    PUBLIC = "public"
    """At a root of the public store."""
    OPERATOR = "operator"
    """At a root that the operator supplied."""
    PRIVATE = "private"
    """At a self-signed certificate, or a validated chain's end, that is in neither store."""
    KNOWN_BAD = "known_bad"
    """At a certificate whose key is known to be compromised or misused."""
    UNKNOWN = "unknown"
    """Nowhere: the issuer of the last certificate is not at hand."""


@dataclass(frozen=True)
class TrustAnchors:
    """Roots that end a path: the public store and the operator's own."""

    public: tuple[Certificate, ...] = ()
    operator: tuple[Certificate, ...] = ()

    @cached_property
    def _by_subject(self) -> dict[bytes, list[tuple[Certificate, Anchor]]]:
        found: dict[bytes, list[tuple[Certificate, Anchor]]] = {}
        for roots, kind in ((self.operator, Anchor.OPERATOR), (self.public, Anchor.PUBLIC)):
            for root in roots:
                if root.subject_der is not None:
                    found.setdefault(root.subject_der, []).append((root, kind))
        return found

    def kind_of(self, certificate: Certificate) -> Anchor | None:
        """Say which store holds this key under this name; a cross-sign of a root counts as the root."""
        for root, kind in self._by_subject.get(certificate.subject_der or b"", ()):
            if root.pin == certificate.pin:
                return kind
        return None

    def issuer_of(self, certificate: Certificate) -> tuple[Certificate, Anchor, Link] | None:
        """Find a root that signed the certificate, for chains sent without their root."""
        for root, kind in self._by_subject.get(certificate.issuer_der or b"", ()):
            link = check_link(certificate, root)
            if link is not Link.NOT_SIGNED:
                return root, kind, link
        return None


@dataclass(frozen=True, slots=True)
class Path:
    """A path through a chain: positions from the leaf upward, joined by signatures."""

    positions: tuple[int, ...]
    anchor: Anchor
    links: tuple[Link, ...] = ()
    """One for each step between two positions, and one more where the anchor itself was not in the chain."""
    anchor_subject: str | None = None
    anchor_pin: Pin | None = None
    """The pin of the anchor, in the chain or not."""

    @property
    def trusted(self) -> bool:
        """Whether the path ends at a root of one of the two stores."""
        return self.anchor in (Anchor.PUBLIC, Anchor.OPERATOR)

    @property
    def checkable(self) -> bool:
        """Whether every signature on the path could be checked."""
        return all(link is Link.SIGNED for link in self.links)


def find_leaf(chain: Sequence[Element], host: str) -> int:
    """Return the position of the end-entity certificate.

    That is the first, as TLS wants it (RFC 8446 section 4.4.2), unless it signed another certificate of the chain:
    then a sender mixed the order up, and it is the one for ``host`` that signed none, or else any that signed none.
    """
    if not chain or not _signed_any(chain, 0):
        return 0
    ends = [i for i, element in enumerate(chain) if isinstance(element, Certificate) and not _signed_any(chain, i)]
    for position in ends:
        element = chain[position]
        if isinstance(element, Certificate) and element.covers(host):
            return position
    return ends[0] if ends else 0


def _signed_any(chain: Sequence[Element], position: int) -> bool:
    issuer = chain[position]
    return isinstance(issuer, Certificate) and any(
        isinstance(other, Certificate) and other != issuer and check_link(other, issuer) is not Link.NOT_SIGNED
        for other in chain
    )


def build_path(chain: Sequence[Element], anchors: TrustAnchors, *, leaf: int = 0) -> Path:
    """Follow signatures from the leaf upward through the certificates of the chain.

    Order and superfluous certificates do not matter; a certificate that no signature joins to the leaf is left
    out. An empty chain, or an unreadable leaf, gives an empty path.
    """
    start = chain[leaf] if chain else None
    if not isinstance(start, Certificate):
        return Path((), Anchor.UNKNOWN)
    positions, links, current = [leaf], list[Link](), start
    while True:
        if kind := anchors.kind_of(current):
            return Path(tuple(positions), kind, tuple(links), current.subject, current.pin)
        following = _issuer_in(chain, current, positions)
        if following is None:
            break
        position, link = following
        element = chain[position]
        assert isinstance(element, Certificate)
        positions.append(position)
        links.append(link)
        current = element
    if found := anchors.issuer_of(current):
        root, kind, link = found
        return Path(tuple(positions), kind, (*links, link), root.subject, root.pin)
    if current.self_issued and check_link(current, current) is not Link.NOT_SIGNED:
        return Path(tuple(positions), Anchor.PRIVATE, tuple(links), current.subject, current.pin)
    return Path(tuple(positions), Anchor.UNKNOWN, tuple(links))


def _issuer_in(chain: Sequence[Element], certificate: Certificate, used: list[int]) -> tuple[int, Link] | None:
    """Find the issuer among the certificates of the chain; a checked signature beats an uncheckable one."""
    doubtful = None
    for position, candidate in enumerate(chain):
        if position in used or not isinstance(candidate, Certificate):
            continue
        link = check_link(certificate, candidate)
        if link is Link.SIGNED:
            return position, link
        if link is Link.NOT_CHECKABLE and doubtful is None:
            doubtful = position, link
    return doubtful


def connected_to_leaf(chain: Sequence[Element], *, leaf: int = 0) -> frozenset[int]:
    """Return the positions that checked signatures join to the leaf, by any of several paths, leaf included.

    A certificate that is merely appended to a served chain is not among them: anyone can append one.
    """
    start = chain[leaf] if chain else None
    if not isinstance(start, Certificate):
        return frozenset()
    reached, frontier = {leaf}, [start]
    while frontier:
        certificate = frontier.pop()
        for position, candidate in enumerate(chain):
            if position in reached or not isinstance(candidate, Certificate):
                continue
            if check_link(certificate, candidate) is Link.SIGNED:
                reached.add(position)
                frontier.append(candidate)
    return frozenset(reached)


def outside_validity(chain: Sequence[Element], positions: Iterable[int], at: datetime) -> tuple[int, ...]:
    """Return which of the positions hold a certificate not valid at ``at`` (RFC 5280 section 4.1.2.5)."""
    when = at.astimezone(UTC)
    return tuple(
        position
        for position in positions
        if isinstance(certificate := chain[position], Certificate)
        and not certificate.not_before <= when <= certificate.not_after
    )
