"""SubjectPublicKeyInfo bytes, sliced out of DER as they stand there.

Knows the outermost shape of three structures and nothing else. The bytes are never made anew from a parsed
key: for RSASSA-PSS keys and EC keys with explicit parameters that gives other bytes, and so another pin.

::

    Certificate          ::= SEQUENCE { tbsCertificate TBSCertificate, … }             RFC 5280 section 4.1
    TBSCertificate       ::= SEQUENCE { [0] version OPTIONAL, serialNumber INTEGER, signature SEQUENCE,
                                        issuer SEQUENCE, validity SEQUENCE, subject SEQUENCE,
                                        subjectPublicKeyInfo SEQUENCE, … }
    CertificationRequest ::= SEQUENCE { certificationRequestInfo SEQUENCE {
                                        version INTEGER, subject SEQUENCE, subjectPKInfo SEQUENCE, … }, … }
                                                                                       RFC 2986 section 4
"""

from typing import NamedTuple

from app.hpkp.errors import InvalidCertificate

_SEQUENCE = 0x30
_INTEGER = 0x02
_VERSION = 0xA0


class _Element(NamedTuple):
    tag: int
    start: int
    content: int
    end: int


def _read_element(der: bytes, at: int, end: int) -> _Element:
    """Read the header of one DER element that must lie inside ``der[at:end]``."""
    if end - at < 2:
        raise InvalidCertificate(f"DER ends early at byte {at}")
    length, content = der[at + 1], at + 2
    if length == 0x80:
        raise InvalidCertificate(f"indefinite length at byte {at}; DER does not allow it")
    if length > 0x80:
        octets = length & 0x7F
        if octets > 4 or content + octets > end:
            raise InvalidCertificate(f"impossible length at byte {at}")
        length = int.from_bytes(der[content : content + octets], "big")
        content += octets
    if content + length > end:
        raise InvalidCertificate(f"element at byte {at} is longer than what holds it")
    return _Element(der[at], at, content, content + length)


def _expect(element: _Element, tag: int, name: str) -> _Element:
    if element.tag != tag:
        raise InvalidCertificate(f"{name} expected at byte {element.start}, found tag 0x{element.tag:02x}")
    return element


def _slice_after(der: bytes, body: _Element, fields: tuple[tuple[int, str], ...]) -> bytes:
    at = body.content
    for tag, name in fields:
        at = _expect(_read_element(der, at, body.end), tag, name).end
    spki = _expect(_read_element(der, at, body.end), _SEQUENCE, "SubjectPublicKeyInfo")
    return der[spki.start : spki.end]


def _open_signed(der: bytes, name: str) -> _Element:
    outer = _expect(_read_element(der, 0, len(der)), _SEQUENCE, name)
    return _expect(_read_element(der, outer.content, outer.end), _SEQUENCE, f"the signed part of the {name}")


def spki_of_certificate(der: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, byte for byte as encoded (RFC 7469 section 2.4).

    Raises InvalidCertificate, naming the byte, where the structure is not that of a certificate. Bytes after
    the certificate are ignored.
    """
    body = _open_signed(der, "certificate")
    first = _read_element(der, body.content, body.end)
    version = ((_VERSION, "version"),) if first.tag == _VERSION else ()
    before = ("signature", "issuer", "validity", "subject")
    return _slice_after(der, body, (*version, (_INTEGER, "serialNumber"), *((_SEQUENCE, name) for name in before)))


def spki_of_signing_request(der: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a PKCS#10 certification request, as encoded.

    Raises InvalidCertificate where the structure is not that of a request.
    """
    body = _open_signed(der, "certification request")
    return _slice_after(der, body, ((_INTEGER, "version"), (_SEQUENCE, "subject")))


def certificate_end(der: bytes) -> int:
    """Return how many bytes of ``der`` the outermost element takes; what follows is not part of it.

    Raises InvalidCertificate where no element can be read.
    """
    return _read_element(der, 0, len(der)).end
