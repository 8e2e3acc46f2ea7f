"""Certificates and certificate chains, part by part.

Knows where the parts of a certificate lie, and asks for each when it is wanted: a name, a date or an extension that is
malformed is a reason of its own and hides no other. Nothing here raises; what cannot be read is listed in
``unreadable_parts``. A place where not even the key can be found is an `UnreadableCertificate`.

::

    DER ──read_certificate──> Certificate | UnreadableCertificate
"""

import hashlib
import ipaddress
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from app.hpkp.errors import InvalidCertificate
from app.hpkp.hosts import is_address, matches_name
from app.hpkp.pins import Pin, pin_of_spki
from app.hpkp.x509.der import INTEGER, Tlv, read_element, read_elements, write_oid
from app.hpkp.x509.extensions import (
    ALTERNATIVE_NAMES,
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    SUBJECT_KEY_IDENTIFIER,
    AlternativeNames,
    BasicConstraints,
    Extensions,
    NameConstraints,
    UnreadablePart,
    read_alternative_names,
    read_authority_key_identifier,
    read_basic_constraints,
    read_extended_key_usage,
    read_extensions,
    read_may_sign_certificates,
    read_name_constraints,
    read_subject_key_identifier,
)
from app.hpkp.x509.names import COMMON_NAME, ORGANIZATION, Name, ReadName, normalize_name, read_name
from app.hpkp.x509.public_keys import KeyFault, PublicKey, load_public_key
from app.hpkp.x509.signature_algorithms import SignatureAlgorithm, read_signature_algorithm
from app.hpkp.x509.slices import OuterParts, Slices, read_outer_parts, slice_certificate
from app.hpkp.x509.times import read_time

T = TypeVar("T")

# Serial numbers of zero are against RFC 5280 section 4.1.2.2 but stand in real roots; where the library loads a whole
# certificate it warns of them, and that is no news here.
warnings.filterwarnings("ignore", message="Parsed a serial number which wasn't positive")

_LONGEST_SERIAL_NUMBER = 64
"""Octets; RFC 5280 section 4.1.2.2 allows 20, and Python writes no number of more than 4,300 digits."""


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


# Not the library's certificate. Of CCADB's 10,217 CA certificates that refuses 15 whole, and all extensions of 25 more
# for the sake of one; what it raises is of several unrelated kinds.
@dataclass(frozen=True)
class Certificate:
    """A certificate as it was sent; equal when the DER is equal.

    Every part is read when it is first asked for. Of extensions, None means that there is none, and a value that is an
    `UnreadablePart` that there is one and it cannot be read.
    """

    der: bytes = field(repr=False, compare=False)
    fingerprint: bytes
    """SHA-256 of the DER, 32 bytes; the key under which the store keeps it."""
    pin: Pin = field(compare=False)

    @cached_property
    def _slices(self) -> Slices:
        """Where the parts are; found once, because every part is read by it."""
        return slice_certificate(self.der)

    def _bytes(self, part: Tlv) -> bytes:
        """Return the bytes of a part as encoded, with its header."""
        return self.der[part.start : part.end]

    # Names

    @cached_property
    def subject_der(self) -> bytes:
        """The subject as it stands."""
        return self._bytes(self._slices.subject)

    @cached_property
    def issuer_der(self) -> bytes:
        """The issuer as it stands."""
        return self._bytes(self._slices.issuer)

    @cached_property
    def subject_name(self) -> Name:
        """The subject for comparison (RFC 5280 section 7.1)."""
        return normalize_name(self.subject_der)

    @cached_property
    def issuer_name(self) -> Name:
        """The issuer for comparison."""
        return normalize_name(self.issuer_der)

    @cached_property
    def _read_subject(self) -> ReadName:
        """The subject taken apart, to be shown; what is compared is `subject_name`."""
        return read_name(self.subject_der)

    @cached_property
    def _read_issuer(self) -> ReadName:
        """The issuer taken apart, to be shown; what is compared is `issuer_name`."""
        return read_name(self.issuer_der)

    @cached_property
    def subject(self) -> str:
        """The subject as an RFC 4514 string, or a note in angle brackets that it cannot be read."""
        return str(self._read_subject)

    @cached_property
    def issuer(self) -> str:
        """The issuer as an RFC 4514 string, or a note in angle brackets that it cannot be read."""
        return str(self._read_issuer)

    @property
    def common_name(self) -> str | None:
        """The first commonName of the subject."""
        return next(iter(self._read_subject.texts(COMMON_NAME)), None)

    @property
    def issuer_common_name(self) -> str | None:
        """The first commonName of the issuer."""
        return next(iter(self._read_issuer.texts(COMMON_NAME)), None)

    @cached_property
    def issuer_organizations(self) -> tuple[str, ...]:
        """Every organizationName of the issuer, in its order."""
        return self._read_issuer.texts(ORGANIZATION)

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name (RFC 5280 section 3.2)."""
        return self.subject_name == self.issuer_name

    # Numbers, dates, keys

    @cached_property
    def version(self) -> int | None:
        """1, 2 or 3; None for others."""
        return _read_version(self.der, self._slices.version)

    @cached_property
    def _serial_number(self) -> int | UnreadablePart:
        """The serial number, or why it cannot be read."""
        return _attempt("serial_number", lambda: _read_serial_number(self._bytes(self._slices.serial_number)))

    @property
    def serial_number(self) -> int | None:
        """The serial number; zero and negative ones are told as they are. None where it is absurdly long."""
        return _or_none(self._serial_number)

    @cached_property
    def _validity(self) -> tuple[datetime | UnreadablePart, datetime | UnreadablePart]:
        """Both dates, UTC, each by itself or with the reason why it cannot be read."""
        der, validity = self.der, self._slices.validity
        try:
            # A validity that is no pair costs the dates and nothing else.
            begin, end = read_elements(der, validity.content, validity.end, limit=2)
        except (InvalidCertificate, ValueError):
            return tuple(UnreadablePart(part, "the validity is no pair") for part in ("not_before", "not_after"))  # type: ignore[return-value]
        return (
            _attempt("not_before", lambda: read_time(begin.tag, der[begin.content : begin.end])),
            _attempt("not_after", lambda: read_time(end.tag, der[end.content : end.end])),
        )

    @property
    def not_before(self) -> datetime | None:
        """Start of the validity, UTC; None where it cannot be read."""
        return _or_none(self._validity[0])

    @property
    def not_after(self) -> datetime | None:
        """End of the validity, UTC; None where it cannot be read."""
        return _or_none(self._validity[1])

    @property
    def validity_text(self) -> str:
        """Both dates for people, such as ``2026-05-02 to 2026-07-31``."""
        begin, end = (
            f"{time:%Y-%m-%d}" if time else "an unreadable date" for time in (self.not_before, self.not_after)
        )
        return f"{begin} to {end}"

    @cached_property
    def public_key(self) -> PublicKey | KeyFault:
        """The key for verifying, or why it cannot be loaded."""
        return load_public_key(self._bytes(self._slices.spki))

    @property
    def key_kind(self) -> str | None:
        """What kind of key it is for, such as ``EC secp256r1`` or ``RSA 2048``; None where it cannot be loaded."""
        return None if isinstance(self.public_key, KeyFault) else self.public_key.kind

    # The signature

    @property
    def signed_bytes(self) -> bytes:
        """The TBSCertificate as it stands."""
        return self._bytes(self._slices.tbs)

    @property
    def inner_algorithm(self) -> bytes:
        """The AlgorithmIdentifier inside of what is signed."""
        return self._bytes(self._slices.inner_algorithm)

    @property
    def outer_parts(self) -> OuterParts:
        """Algorithm and signature after what is signed. Raises InvalidCertificate where they are malformed."""
        return read_outer_parts(self.der, self._slices)

    @cached_property
    def _signature_algorithm(self) -> SignatureAlgorithm | UnreadablePart:
        """How it is signed, or why that is not supported."""
        return _attempt("signature_algorithm", lambda: read_signature_algorithm(self.inner_algorithm))

    @property
    def signature_algorithm(self) -> SignatureAlgorithm | None:
        """How it is signed; None where that is not supported."""
        return _or_none(self._signature_algorithm)

    @property
    def signature_hash(self) -> str | None:
        """The hash of the signature, such as ``sha256``; None where the scheme names none or is not supported."""
        algorithm = self.signature_algorithm
        return None if algorithm is None else algorithm.hash_name

    # Extensions

    @cached_property
    def extensions(self) -> Extensions:
        """All extensions, unread."""
        return read_extensions(self.der, self._slices)

    def _extension(self, oid: bytes, read: Callable[[bytes], T]) -> T | UnreadablePart | None:
        """Read one extension by its identifier; None if there is none."""
        found = self.extensions.by_oid.get(oid)
        # Each extension by itself, so that a malformed SCT list does not hide the names.
        return None if found is None else _attempt(f"extension {write_oid(oid)}", lambda: read(found.value))

    @cached_property
    def basic_constraints(self) -> BasicConstraints | UnreadablePart | None:
        """Whether it is a CA (RFC 5280 section 4.2.1.9)."""
        return self._extension(BASIC_CONSTRAINTS, read_basic_constraints)

    @cached_property
    def may_sign_certificates(self) -> bool | UnreadablePart | None:
        """Whether a KeyUsage has keyCertSign (section 4.2.1.3)."""
        return self._extension(KEY_USAGE, read_may_sign_certificates)

    @cached_property
    def extended_key_usage(self) -> frozenset[bytes] | UnreadablePart | None:
        """What the key is for, as octets of object identifiers (section 4.2.1.12)."""
        return self._extension(EXTENDED_KEY_USAGE, read_extended_key_usage)

    @cached_property
    def subject_key_identifier(self) -> bytes | UnreadablePart | None:
        """A hint which key this is (section 4.2.1.2)."""
        return self._extension(SUBJECT_KEY_IDENTIFIER, read_subject_key_identifier)

    @cached_property
    def authority_key_identifier(self) -> bytes | UnreadablePart | None:
        """A hint which key signed it (section 4.2.1.1)."""
        return self._extension(AUTHORITY_KEY_IDENTIFIER, read_authority_key_identifier)

    @cached_property
    def name_constraints(self) -> NameConstraints | UnreadablePart | None:
        """Which names certificates below may have (section 4.2.1.10)."""
        return self._extension(NAME_CONSTRAINTS, read_name_constraints)

    @cached_property
    def alternative_names(self) -> AlternativeNames | UnreadablePart | None:
        """The SubjectAltName (section 4.2.1.6)."""
        return self._extension(ALTERNATIVE_NAMES, read_alternative_names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """DNS names and IP addresses of the SubjectAltName, those that can be read."""
        found = self.alternative_names
        if not isinstance(found, AlternativeNames):
            return ()
        return (*found.dns, *(str(ipaddress.ip_address(address)) for address in found.addresses))

    def covers(self, host: str) -> bool | None:
        """Whether the certificate is for ``host`` (RFC 6125 section 6.4).

        None where names could not be read and none of the others covers it. The commonName counts only where there is
        no DNS name or address (section 6.4.4).
        """
        found, names = self.alternative_names, self.names
        # Unread names give None at the end, not False: one malformed entry must not make an unknown key look like a
        # certificate for another host.
        unread = isinstance(found, UnreadablePart) or (found is not None and bool(found.faults))
        if not names and not unread and self.common_name:
            names = (self.common_name,)
        # An address is compared whole: a wildcard covers labels of names only.
        covered = host in names if is_address(host) else any(matches_name(host, name) for name in names)
        return covered or (None if unread else False)

    @cached_property
    def unreadable_parts(self) -> tuple[UnreadablePart, ...]:
        """Every part that cannot be read, with the reason. Asks for all of them."""
        return tuple(self._faults())

    def _faults(self) -> Iterator[UnreadablePart]:
        """Yield every part that cannot be read; all are asked for."""
        yield from (UnreadablePart("subject", fault) for fault in self._read_subject.faults())
        yield from (UnreadablePart("issuer", fault) for fault in self._read_issuer.faults())
        if self.version is None:
            yield UnreadablePart("version", "it is none of 1, 2 and 3")
        parts = (
            self._serial_number, *self._validity, self._signature_algorithm, self.basic_constraints,
            self.may_sign_certificates, self.extended_key_usage, self.subject_key_identifier,
            self.authority_key_identifier, self.name_constraints, self.alternative_names,
        )  # fmt: skip
        yield from (part for part in parts if isinstance(part, UnreadablePart))
        if isinstance(self.public_key, KeyFault):
            yield UnreadablePart("public_key", self.public_key.reason)
        yield from self.extensions.unreadable
        if isinstance(self.alternative_names, AlternativeNames):
            where = f"extension {write_oid(ALTERNATIVE_NAMES)}"
            yield from (UnreadablePart(where, fault) for fault in self.alternative_names.faults)
        try:
            self.outer_parts  # noqa: B018  only whether it can be read
        except InvalidCertificate as error:
            yield UnreadablePart("signature", str(error))


Element = Certificate | UnreadableCertificate
Chain = tuple[Element, ...]

_MOST_PARTS_TOLD = 5


def why_unreadable(element: Element) -> str | None:
    """Say in one line what of an element cannot be read, and why; None if all of it can."""
    if not isinstance(element, Certificate):
        return element.reason
    parts = [f"{fault.part}: {fault.reason}" for fault in element.unreadable_parts]
    told = parts[:_MOST_PARTS_TOLD]
    if more := len(parts) - len(told):
        told.append(f"and {more} more")
    return "; ".join(told) or None


def _attempt(part: str, read: Callable[[], T]) -> T | UnreadablePart:
    """Return what is read, or why it cannot be."""
    try:
        return read()
    except InvalidCertificate as error:
        return UnreadablePart(part, str(error))


def _or_none(value: T | UnreadablePart) -> T | None:
    """Return the value, or None in place of a reason."""
    return None if isinstance(value, UnreadablePart) else value


def _read_serial_number(encoded: bytes) -> int:
    """Read an encoded INTEGER. Raises InvalidCertificate if it is absurdly long."""
    element = read_element(encoded, 0, len(encoded))
    if not 1 <= element.end - element.content <= _LONGEST_SERIAL_NUMBER:
        raise InvalidCertificate(f"it has not 1 to {_LONGEST_SERIAL_NUMBER} octets")
    return int.from_bytes(encoded[element.content :], "big", signed=True)


def _read_version(der: bytes, part: Tlv | None) -> int | None:
    """Read the version, which is v1 where it is left out, and one more than the number that stands there."""
    if part is None:
        return 1
    number = der[part.content : part.end]
    return number[2] + 1 if len(number) == 3 and number[0] == INTEGER and number[1] == 1 and number[2] <= 2 else None


def read_certificate(der: bytes, *, position: int = 0) -> Element:
    """Read one certificate. Whatever the bytes, the answer is a value, never an error.

    Bytes after the certificate are cut off; ``position`` is only kept for the `UnreadableCertificate`.
    """
    try:
        slices = slice_certificate(der)
    except InvalidCertificate as error:
        # Even its key cannot be found, so it has no pin.
        return UnreadableCertificate(position, str(error), der or None)
    # Bytes that follow are no part of it. With them, one certificate would have as many fingerprints as a sender likes.
    der = der[: slices.outer.end]
    pin = pin_of_spki(der[slices.spki.start : slices.spki.end])
    return Certificate(der, hashlib.sha256(der).digest(), pin)


def pins_of(chain: Iterable[Element]) -> frozenset[Pin]:
    """Return the pins of a chain, unreadable certificates included where they have one."""
    return frozenset(element.pin for element in chain if element.pin is not None)
