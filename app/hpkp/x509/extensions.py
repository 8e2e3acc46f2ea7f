"""The extensions of a certificate, each read on its own (RFC 5280 section 4.2).

::

    Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }

Read are those on which a path depends. Readers raise InvalidCertificate; they are lenient where clients are (FALSE
written out, TRUE in another octet), and limited in number, because strangers choose the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from app.hpkp.errors import InvalidCertificate
from app.hpkp.x509.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    encode_oid,
    expect,
    read_element,
    read_elements,
    read_single,
    write_oid,
)
from app.hpkp.x509.slices import Slices

BASIC_CONSTRAINTS = encode_oid("2.5.29.19")
KEY_USAGE = encode_oid("2.5.29.15")
EXTENDED_KEY_USAGE = encode_oid("2.5.29.37")
AUTHORITY_KEY_IDENTIFIER = encode_oid("2.5.29.35")
SUBJECT_KEY_IDENTIFIER = encode_oid("2.5.29.14")
ALTERNATIVE_NAMES = encode_oid("2.5.29.17")
NAME_CONSTRAINTS = encode_oid("2.5.29.30")

UNDERSTOOD = frozenset(
    encode_oid(f"2.5.29.{arc}") for arc in (9, 14, 15, 16, 17, 18, 19, 30, 31, 32, 33, 35, 36, 37, 46, 54)
) | {encode_oid("1.3.6.1.5.5.7.1.1"), encode_oid("1.3.6.1.5.5.7.1.11"), encode_oid("2.16.840.1.113730.1.1")}
"""Those of RFC 5280 and Netscape's certificate type: some client takes them when critical. No other is taken."""

SERVER_USES = frozenset(
    map(encode_oid, ("1.3.6.1.5.5.7.3.1", "2.5.29.37.0", "2.16.840.1.113730.4.1", "1.3.6.1.4.1.311.10.3.3"))
)
"""serverAuth, any, and the two "server gated" uses that clients took for serverAuth in CA certificates."""

_EXTENSIONS = 0xA3
_MOST_EXTENSIONS = 64
"""Per certificate; real ones have up to 20."""
_MOST_USES = 64
_MOST_NAMES = 5000
"""In one SubjectAltName; large ones on the web have 2,000. 5,000 take 5 ms."""
_MOST_SUBTREES = 5000
_LONGEST_PATH = 255
_MINIMUM_ZERO = b"\x80\x01\x00"
"""The default of a subtree's minimum, written out."""


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """A part of a certificate that cannot be read, such as ``not_before`` or ``extension 2.5.29.17``, and why."""

    part: str
    reason: str


class Extension(NamedTuple):
    """One extension: whether it is critical, and the DER inside its OCTET STRING."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions of one certificate by the octets of their object identifiers; of duplicates the first counts."""

    by_oid: Mapping[bytes, Extension] = field(default_factory=dict)
    duplicates: tuple[bytes, ...] = ()
    unreadable: tuple[UnreadablePart, ...] = ()
    """Elements that are no extension, and whatever follows a broken length."""

    @property
    def not_understood(self) -> tuple[bytes, ...]:
        """Critical extensions that no client takes."""
        return tuple(oid for oid, found in self.by_oid.items() if found.critical and oid not in UNDERSTOOD)


def read_extensions(der: bytes, slices: Slices) -> Extensions:
    """Read the extensions of a certificate, as far as they can be read; never raises."""
    found: dict[bytes, Extension] = {}
    duplicates, unreadable = list[bytes](), list[UnreadablePart]()
    try:
        at, end = _find_extensions(der, slices)
    except InvalidCertificate as error:
        return Extensions(unreadable=(UnreadablePart("extensions", str(error)),))
    number = 0
    while at < end:
        try:
            if number == _MOST_EXTENSIONS:
                raise InvalidCertificate(f"more than {_MOST_EXTENSIONS} extensions")
            element = read_element(der, at, end)
        except InvalidCertificate as error:  # where the next one begins is not known
            unreadable.append(UnreadablePart("extensions", str(error)))
            break
        try:
            oid, extension = _read_extension(der, at, end)
            # A defect and not an error: clients refuse a duplicate on every certificate below the anchor, and it hides
            # no other extension.
            if oid in found:
                duplicates.append(oid)
            found.setdefault(oid, extension)
        except InvalidCertificate as error:
            unreadable.append(UnreadablePart(f"extension at position {number}", str(error)))
        at, number = element.end, number + 1
    return Extensions(found, tuple(duplicates), tuple(unreadable))


def _find_extensions(der: bytes, slices: Slices) -> tuple[int, int]:
    """Return where the extensions begin and end; they follow the unique identifiers, if anything does."""
    # Two unique identifiers and the extensions: no more than three can follow the key.
    for element in read_elements(der, slices.spki.end, slices.tbs.end, limit=3):
        if element.tag == _EXTENSIONS:
            inner = expect(read_element(der, element.content, element.end), SEQUENCE, "extensions")
            return inner.content, inner.end
    return 0, 0


def _read_extension(der: bytes, at: int, end: int) -> tuple[bytes, Extension]:
    """Read one Extension: the octets of its identifier, and its value unread. Raises InvalidCertificate."""
    outer = expect(read_element(der, at, end), SEQUENCE, "extension")
    oid = expect(read_element(der, outer.content, outer.end), OBJECT_IDENTIFIER, "extnID")
    value = read_element(der, oid.end, outer.end)
    critical = False
    if value.tag == BOOLEAN:
        # FALSE written out and TRUE in another octet are against DER: the library refuses the whole certificate.
        critical = any(der[value.content : value.end])
        value = read_element(der, value.end, outer.end)
    expect(value, OCTET_STRING, f"extnValue of {write_oid(der[oid.content : oid.end])}")
    return der[oid.content : oid.end], Extension(critical, der[value.content : value.end])


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    """Section 4.2.1.9: whether it is a CA, and how many CAs that are not self-issued may follow it."""

    ca: bool
    path_length: int | None = None


def read_basic_constraints(value: bytes) -> BasicConstraints:
    """Read section 4.2.1.9."""
    outer = read_single(value, SEQUENCE, "BasicConstraints")
    ca, path_length = False, None
    for element in read_elements(value, outer.content, outer.end, limit=2):
        content = value[element.content : element.end]
        if element.tag == BOOLEAN:
            ca = any(content)
        elif element.tag == INTEGER and content:
            # Paths here have ten certificates at most, so larger numbers mean the same, and Python refuses to print
            # huge ones.
            path_length = min(int.from_bytes(content, "big", signed=True), _LONGEST_PATH)
        else:
            raise InvalidCertificate(f"unexpected tag 0x{element.tag:02x} at byte {element.start}")
    if path_length is not None and path_length < 0:
        raise InvalidCertificate(f"negative pathLenConstraint {max(path_length, -_LONGEST_PATH)}")
    return BasicConstraints(ca, path_length)


def read_may_sign_certificates(value: bytes) -> bool:
    """Read bit 5, keyCertSign, of a KeyUsage (section 4.2.1.3)."""
    bits = read_single(value, BIT_STRING, "KeyUsage")
    # The first octet counts the unused bits of the last one.
    if bits.content == bits.end or value[bits.content] > 7:
        raise InvalidCertificate("KeyUsage is no BIT STRING")
    # Bit 0 is the highest of the octet, so bit 5 is 0x04. Bits at the end that are left out are zero.
    return bits.end > bits.content + 1 and bool(value[bits.content + 1] & 0x04)


def read_extended_key_usage(value: bytes) -> frozenset[bytes]:
    """Read the uses, as octets of object identifiers (section 4.2.1.12)."""
    outer = read_single(value, SEQUENCE, "ExtKeyUsageSyntax")
    uses = read_elements(value, outer.content, outer.end, limit=_MOST_USES)
    if not uses:
        raise InvalidCertificate("no use in ExtKeyUsageSyntax")
    return frozenset(value[use.content : use.end] for use in uses if expect(use, OBJECT_IDENTIFIER, "KeyPurposeId"))


def read_subject_key_identifier(value: bytes) -> bytes:
    """Read section 4.2.1.2."""
    identifier = read_single(value, OCTET_STRING, "SubjectKeyIdentifier")
    return value[identifier.content : identifier.end]


def read_authority_key_identifier(value: bytes) -> bytes | None:
    """Read the keyIdentifier of section 4.2.1.1; None where issuer and serial number alone are named."""
    outer = read_single(value, SEQUENCE, "AuthorityKeyIdentifier")
    for element in read_elements(value, outer.content, outer.end, limit=3):
        if element.tag == 0x80:
            return value[element.content : element.end]
    return None


@dataclass(frozen=True, slots=True)
class AlternativeNames:
    """The dNSNames and iPAddresses of section 4.2.1.6; of other kinds of names nothing is read."""

    dns: tuple[str, ...] = ()
    addresses: tuple[bytes, ...] = ()
    faults: tuple[str, ...] = ()
    """Why names could not be read, or not all of them."""


def read_alternative_names(value: bytes) -> AlternativeNames:
    """Read every name that can be read. Raises InvalidCertificate where there is no sequence of names."""
    outer = read_single(value, SEQUENCE, "GeneralNames")
    dns, addresses, faults = list[str](), list[bytes](), list[str]()
    at, left = outer.content, _MOST_NAMES
    while at < outer.end:
        try:
            if not left:
                raise InvalidCertificate(f"more than {_MOST_NAMES} names")
            tag, _, content, at = read_element(value, at, outer.end)
        # The names before stay readable; where the next one begins is unknown.
        except InvalidCertificate as error:
            faults.append(str(error))
            break
        left -= 1
        name = value[content:at]
        # [2] dNSName and [7] iPAddress; the other kinds of names are no host's.
        if tag == 0x82 and name.isascii():
            dns.append(name.decode("ascii"))
        elif tag == 0x87 and len(name) in (4, 16):
            addresses.append(name)
        elif tag in (0x82, 0x87) and len(faults) < 10:  # ten tell enough
            faults.append(f"malformed {'dNSName' if tag == 0x82 else 'iPAddress'} at byte {content}")
    return AlternativeNames(tuple(dns), tuple(addresses), tuple(faults))


@dataclass(frozen=True, slots=True)
class Subtrees:
    """Permitted or excluded subtrees of two kinds; addresses with their masks, 8 or 32 octets together."""

    dns: frozenset[str] = frozenset()
    addresses: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """Section 4.2.1.10 for dNSName and iPAddress: other kinds restrict neither."""

    permitted: Subtrees
    excluded: Subtrees


def read_name_constraints(value: bytes) -> NameConstraints:
    """Read both lists; what is malformed in either makes the whole unreadable."""
    outer = read_single(value, SEQUENCE, "NameConstraints")
    lists = {0xA0: Subtrees(), 0xA1: Subtrees()}
    for element in read_elements(value, outer.content, outer.end, limit=2):
        if element.tag not in lists:
            raise InvalidCertificate(f"unexpected tag 0x{element.tag:02x} at byte {element.start}")
        lists[element.tag] = _read_subtrees(value, element.content, element.end)
    return NameConstraints(lists[0xA0], lists[0xA1])


def _read_subtrees(value: bytes, at: int, end: int) -> Subtrees:
    """Read one list of GeneralSubtrees. Raises InvalidCertificate for a dNSName or iPAddress that is malformed."""
    dns, addresses = set[str](), set[bytes]()
    for subtree in read_elements(value, at, end, limit=_MOST_SUBTREES):
        expect(subtree, SEQUENCE, "GeneralSubtree")
        tag, start, content, base_end = read_element(value, subtree.content, subtree.end)
        # RFC 5280 section 4.2.1.10 allows no other minimum and no maximum.
        if value[base_end : subtree.end] not in (b"", _MINIMUM_ZERO):
            raise InvalidCertificate(f"minimum or maximum after byte {base_end}")
        base = value[content:base_end]
        if tag == 0x82 and base.isascii():
            dns.add(base.decode("ascii").lower())
        elif tag == 0x87 and len(base) in (8, 32):
            addresses.add(base)
        # Skipped, it would permit what it excludes; unreadable, the path is no longer a usable one.
        elif tag in (0x82, 0x87):
            raise InvalidCertificate(f"malformed base at byte {start}")
    return Subtrees(frozenset(dns), frozenset(addresses))
