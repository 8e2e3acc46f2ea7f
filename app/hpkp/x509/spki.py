"""SubjectPublicKeyInfo bytes, sliced out of DER as they stand there.

Knows the outermost shape of a few structures and nothing else. The bytes are never made anew from a parsed
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
_BIT_STRING = 0x03
_OCTET_STRING = 0x04
_VERSION = 0xA0
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
"""The object identifier id-ecPublicKey (RFC 5480 section 2.1.1), encoded."""
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
"""The object identifier id-signedData (RFC 5652 section 5.1), encoded."""


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
    element = _expect(_read_element(der, at, body.end), _SEQUENCE, "SubjectPublicKeyInfo")
    spki = der[element.start : element.end]
    # Other signed structures, such as a CRL, have a SEQUENCE in this place too: a wrong pin is worse than none.
    split_spki(spki)
    return spki


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


def split_spki(spki: bytes) -> tuple[bytes, bytes]:
    """Return the algorithm (SEQUENCE) and the key (BIT STRING) of a SubjectPublicKeyInfo, each as encoded.

    Raises InvalidCertificate where the bytes are not exactly one (RFC 5280 section 4.1.2.7).
    """
    outer = _expect(_read_element(spki, 0, len(spki)), _SEQUENCE, "SubjectPublicKeyInfo")
    algorithm = _expect(_read_element(spki, outer.content, outer.end), _SEQUENCE, "algorithm")
    key = _expect(_read_element(spki, algorithm.end, outer.end), _BIT_STRING, "subjectPublicKey")
    if not key.end == outer.end == len(spki):
        raise InvalidCertificate("bytes follow the subjectPublicKey")
    return spki[algorithm.start : algorithm.end], spki[key.start : key.end]


def algorithm_of_private_key(der: bytes) -> bytes | None:
    """Return the algorithm that a private key states for itself, as the SEQUENCE a SubjectPublicKeyInfo would hold.

    Of PKCS #8 (RFC 5958 section 2) the one that stands there, of an ECPrivateKey (RFC 5915 section 3) one made of
    its parameters; None for an RSAPrivateKey, which states none. Raises InvalidCertificate for other DER.
    """
    outer = _expect(_read_element(der, 0, len(der)), _SEQUENCE, "private key")
    version = _expect(_read_element(der, outer.content, outer.end), _INTEGER, "version")
    following = _read_element(der, version.end, outer.end)
    if following.tag == _SEQUENCE:
        return der[following.start : following.end]
    if following.tag == _OCTET_STRING:
        parameters = _expect(_read_element(der, following.end, outer.end), _VERSION, "parameters")
        return _sequence(_EC_PUBLIC_KEY + der[parameters.content : parameters.end])
    return None


def make_spki(algorithm: bytes, key: bytes) -> bytes:
    """Put a SubjectPublicKeyInfo together from its two encoded parts."""
    return _sequence(algorithm + key)


def _sequence(content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((_SEQUENCE, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((_SEQUENCE, 0x80 | len(octets))) + octets + content


def certificate_end(der: bytes) -> int:
    """Return how many bytes of ``der`` the outermost element takes; what follows is not part of it.

    Raises InvalidCertificate where no element can be read.
    """
    return _read_element(der, 0, len(der)).end


def is_signed_data(data: bytes) -> bool:
    """Whether the bytes begin as a ContentInfo of SignedData does (RFC 5652 section 3), in DER or BER."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return False
    octets = data[1] & 0x7F if data[1] > 0x80 else 0
    return data[2 + octets :].startswith(_SIGNED_DATA)
