"""DER elements, read one header at a time (X.690); nothing here recurses, and nothing is decoded that is not asked for.

Every reader raises InvalidCertificate with the byte and the reason. Counts are limited by those who call: strangers
choose the bytes.
"""

from typing import NamedTuple

from app.hpkp.errors import InvalidCertificate

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31

_LONGEST_OID = 64
"""Octets of an object identifier that is written with dots; the longest in use take some 20."""


class Tlv(NamedTuple):
    """One element: its tag, and where in the bytes its header and its value begin and where it ends."""

    tag: int
    start: int
    content: int
    end: int


def read_element(der: bytes, at: int, end: int) -> Tlv:
    """Read the header of one DER element that must lie inside ``der[at:end]``."""
    if end - at < 2:
        raise InvalidCertificate(f"DER ends early at byte {at}")
    tag, length, content = der[at], der[at + 1], at + 2
    # No structure that is read here has such tags, and their number may be of any length.
    if tag & 0x1F == 0x1F:
        raise InvalidCertificate(f"tag number over 30 at byte {at}")
    if length == 0x80:
        raise InvalidCertificate(f"indefinite length at byte {at}; DER does not allow it")
    if length > 0x80:
        octets = length & 0x7F
        # Four octets reach 4 GiB, and no input is that long.
        if octets > 4 or content + octets > end:
            raise InvalidCertificate(f"impossible length at byte {at}")
        length = int.from_bytes(der[content : content + octets], "big")
        content += octets
    # Reading beyond could take the bytes of another element for a key, and so give a wrong pin (decision record 1).
    if content + length > end:
        raise InvalidCertificate(f"element at byte {at} is longer than what holds it")
    return Tlv(tag, at, content, content + length)


def expect(element: Tlv, tag: int, name: str) -> Tlv:
    """Return the element. Raises InvalidCertificate where it has another tag."""
    if element.tag != tag:
        raise InvalidCertificate(f"{name} expected at byte {element.start}, found tag 0x{element.tag:02x}")
    return element


def read_elements(der: bytes, at: int, end: int, *, limit: int) -> list[Tlv]:
    """Read the elements that fill ``der[at:end]``. Raises InvalidCertificate where they do not, or exceed ``limit``."""
    found: list[Tlv] = []
    while at < end:
        # Counted while reading, because the sender chooses how many there are.
        if len(found) == limit:
            raise InvalidCertificate(f"more than {limit} elements up to byte {at}")
        element = read_element(der, at, end)
        found.append(element)
        at = element.end
    return found


def read_single(der: bytes, tag: int, name: str) -> Tlv:
    """Read the one element that all of ``der`` must be."""
    element = expect(read_element(der, 0, len(der)), tag, name)
    if element.end != len(der):
        raise InvalidCertificate(f"bytes follow the {name} at byte {element.end}")
    return element


def write_oid(content: bytes) -> str:
    """Write the contents octets of an object identifier with dots; in hexadecimal where they are none."""
    # A last octet with its high bit set leaves a number without an end.
    if not content or content[-1] & 0x80 or len(content) > _LONGEST_OID:
        return "0x" + content[:_LONGEST_OID].hex()
    arcs, value = list[int](), 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    # The first number holds two arcs: 40 times the first, plus the second, which is below 40 unless the first is 2.
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def encode_oid(dotted: str) -> bytes:
    """Return the contents octets of an object identifier, for tables of them."""
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(0x80 | arc & 0x7F)
        encoded.extend(reversed(octets))
    return bytes(encoded)
