"""Distinguished names: for people as RFC 4514 text, for comparison in a normal form (RFC 5280 section 7.1).

::

    Name ::= SEQUENCE OF RelativeDistinguishedName
    RelativeDistinguishedName ::= SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }      RFC 5280 section 4.1.2.4

Two names are the same where their RDNs are, in order, as sets of (type, text): letters A to Z folded, blanks at the
ends cut and between words squeezed to one, whichever of five string types holds the text. Chromium and OpenSSL compare
so; Go, rustls and Firefox compare bytes. Values of other types, TeletexString among them, are compared as bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NewType

from app.hpkp.errors import InvalidCertificate
from app.hpkp.x509.der import (
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    encode_oid,
    expect,
    read_element,
    read_elements,
    read_single,
    write_oid,
)

Name = NewType("Name", bytes)
"""The normal form of a name, encoded without ambiguity; of a name that cannot be read, its own bytes."""

COMMON_NAME = encode_oid("2.5.4.3")
ORGANIZATION = encode_oid("2.5.4.10")

_LONGEST = 4096
"""Bytes of a name that is taken apart; those of public CAs take under 300."""
_MOST_ATTRIBUTES = 24
"""Strangers choose the names, and each attribute takes 3 microseconds; public CAs use up to 9."""

_COMPARED_AS_TEXT = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""UTF8String, PrintableString, IA5String, UniversalString, BMPString, with their encodings."""
_SHOWN_AS_TEXT = _COMPARED_AS_TEXT | {0x12: "ascii", 0x14: "latin-1", 0x1A: "ascii"}
"""Besides: NumericString, TeletexString as it was used in practice, VisibleString."""

_KEYWORDS = {
    COMMON_NAME: "CN", encode_oid("2.5.4.7"): "L", encode_oid("2.5.4.8"): "ST", ORGANIZATION: "O",
    encode_oid("2.5.4.11"): "OU", encode_oid("2.5.4.6"): "C", encode_oid("2.5.4.9"): "STREET",
    encode_oid("0.9.2342.19200300.100.1.25"): "DC", encode_oid("0.9.2342.19200300.100.1.1"): "UID",
}  # fmt: skip
"""RFC 4514 section 3; all other types are written with dots."""


class Attribute(NamedTuple):
    """One attribute: the object identifier's octets, the value's tag, the value as encoded and its contents."""

    oid: bytes
    tag: int
    encoded: bytes
    value: bytes

    @property
    def text(self) -> str | None:
        """The value as text; None where it is of no string type, or not in that type's encoding."""
        return _decode(self.value, _SHOWN_AS_TEXT.get(self.tag))


@dataclass(frozen=True, slots=True)
class ReadName:
    """A name taken apart, or the reason why it cannot be."""

    rdns: tuple[tuple[Attribute, ...], ...] = ()
    reason: str | None = None

    def __str__(self) -> str:
        """Return RFC 4514 text, the last RDN first; values that are no text as ``#`` and hexadecimal (section 2.4)."""
        if self.reason is not None:
            return f"<unreadable: {self.reason}>"
        return ",".join("+".join(map(_write_attribute, rdn)) for rdn in reversed(self.rdns))

    def texts(self, oid: bytes) -> tuple[str, ...]:
        """Return every value of an attribute type that is text, in order."""
        return tuple(a.text for rdn in self.rdns for a in rdn if a.oid == oid and a.text is not None)

    def faults(self) -> Iterator[str]:
        """Say what of the name cannot be read as text."""
        if self.reason is not None:
            yield self.reason
        for rdn in self.rdns:
            for attribute in rdn:
                if attribute.tag in _SHOWN_AS_TEXT and attribute.text is None:
                    yield f"attribute {write_oid(attribute.oid)} is not in the encoding of its string type"


def read_name(der: bytes) -> ReadName:
    """Take the DER of a name apart; never raises."""
    try:
        return ReadName(tuple(_read_rdns(der)))
    except InvalidCertificate as error:
        return ReadName(reason=str(error))


def _read_rdns(der: bytes) -> Iterator[tuple[Attribute, ...]]:
    """Yield the attributes of each RDN in order. Raises InvalidCertificate at the first that is malformed."""
    outer = read_single(der, SEQUENCE, "name")
    # After the tag, so that bytes which are no name are named as such.
    if len(der) > _LONGEST:
        raise InvalidCertificate(f"longer than {_LONGEST} bytes")
    left = _MOST_ATTRIBUTES
    for rdn in read_elements(der, outer.content, outer.end, limit=_MOST_ATTRIBUTES):
        expect(rdn, SET, "RelativeDistinguishedName")
        attributes = read_elements(der, rdn.content, rdn.end, limit=left)
        if not attributes:
            raise InvalidCertificate(f"empty RelativeDistinguishedName at byte {rdn.start}")
        # The limit is for the whole name: with many attributes in each of many RDNs, the cost would be the product.
        left -= len(attributes)
        yield tuple(_read_attribute(der, attribute.start, rdn.end) for attribute in attributes)


def _read_attribute(der: bytes, at: int, end: int) -> Attribute:
    """Read one AttributeTypeAndValue. Raises InvalidCertificate."""
    outer = expect(read_element(der, at, end), SEQUENCE, "attribute")
    kind = expect(read_element(der, outer.content, outer.end), OBJECT_IDENTIFIER, "attribute type")
    value = read_element(der, kind.end, outer.end)
    if value.end != outer.end:
        raise InvalidCertificate(f"bytes follow the attribute value at byte {value.end}")
    return Attribute(
        der[kind.content : kind.end], value.tag, der[value.start : value.end], der[value.content : value.end]
    )


def normalize_name(der: bytes) -> Name:
    """Return the normal form of a name in DER; never raises."""
    # Bytes are not enough: 139 pairs of CCADB's CA certificates have names that agree only in this form.
    # A normal form begins with another letter than what stands for itself, so that nobody can imitate one.
    return _normalize_short(der) if len(der) <= _LONGEST else Name(b"?" + der)


@lru_cache(maxsize=1024)  # of 2 x 4096 bytes at most; issuers repeat
def _normalize_short(der: bytes) -> Name:
    """Return the normal form of a name that is not too long to be kept."""
    read = read_name(der)
    if read.reason is not None:
        # Equal to itself alone: what cannot be read must not match another name.
        return Name(b"?" + der)
    return Name(b"=" + b"".join(map(_normalize_rdn, read.rdns)))


def _normalize_rdn(rdn: tuple[Attribute, ...]) -> bytes:
    """Encode an RDN with the number of its attributes before it."""
    # Sorted, because an RDN is a SET, which has no order.
    return b"%d:" % len(rdn) + b"".join(sorted(map(_normalize_attribute, rdn)))


def _normalize_attribute(attribute: Attribute) -> bytes:
    """Encode type and value, each with its length before it, so that no two pairs give the same bytes."""
    tag, value = attribute.tag, attribute.value
    text = _decode(value, _COMPARED_AS_TEXT.get(tag))
    if text is not None:
        # bytes.lower folds A to Z alone, as section 7.1 demands at the least.
        # Tag 0 for all five string types, so that UTF8String and PrintableString agree.
        tag, value = 0, b" ".join(filter(None, text.encode().lower().split(b" ")))
    return b"%d,%d,%d:" % (len(attribute.oid), tag, len(value)) + attribute.oid + value


def _decode(value: bytes, encoding: str | None) -> str | None:
    """Return text in an encoding; None without one, or if the bytes are not in it."""
    try:
        return None if encoding is None else value.decode(encoding)
    except UnicodeDecodeError:
        return None


def _write_attribute(attribute: Attribute) -> str:
    """Write an attribute as RFC 4514 does; a value that is no text as its DER in hexadecimal."""
    keyword = _KEYWORDS.get(attribute.oid) or write_oid(attribute.oid)
    text = attribute.text
    return f"{keyword}={'#' + attribute.encoded.hex() if text is None else _escape(text)}"


_ESCAPES = {ord(character): "\\" + character for character in '\\"+,;<>'} | {0: "\\00"}


def _escape(text: str) -> str:
    """Escape what RFC 4514 section 2.4 reserves, wherever it stands or at the ends."""
    escaped = text.translate(_ESCAPES)
    if text.startswith(("#", " ")):
        escaped = "\\" + escaped
    if text.endswith(" ") and len(text) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped
