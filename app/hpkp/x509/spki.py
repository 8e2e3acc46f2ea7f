"""SubjectPublicKeyInfo bytes, sliced out of DER as they stand there.

Knows the outermost shape of a few structures and nothing else. The bytes are never made anew from a parsed
key: for RSASSA-PSS keys and EC keys with explicit parameters that gives other bytes, and so another pin.

::

    CertificationRequest ::= SEQUENCE { certificationRequestInfo SEQUENCE {
                                        version INTEGER, subject SEQUENCE, subjectPKInfo SEQUENCE, … }, … }
                                                                                       RFC 2986 section 4
"""

from app.hpkp.errors import InvalidCertificate
from app.hpkp.x509.der import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, expect, read_element
from app.hpkp.x509.slices import slice_certificate

_PARAMETERS = 0xA0
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
"""The object identifier id-ecPublicKey (RFC 5480 section 2.1.1), encoded."""
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
"""The object identifier id-signedData (RFC 5652 section 5.1), encoded."""


def spki_of_certificate(der: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, byte for byte as encoded (RFC 7469 section 2.4).

    Raises InvalidCertificate, naming the byte, where the structure is not that of a certificate. Bytes after
    the certificate are ignored.
    """
    spki = slice_certificate(der).spki
    return der[spki.start : spki.end]


def spki_of_signing_request(der: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a PKCS#10 certification request, as encoded.

    Raises InvalidCertificate where the structure is not that of a request.
    """
    outer = expect(read_element(der, 0, len(der)), SEQUENCE, "certification request")
    body = expect(read_element(der, outer.content, outer.end), SEQUENCE, "the signed part of the certification request")
    version = expect(read_element(der, body.content, body.end), INTEGER, "version")
    subject = expect(read_element(der, version.end, body.end), SEQUENCE, "subject")
    element = expect(read_element(der, subject.end, body.end), SEQUENCE, "SubjectPublicKeyInfo")
    spki = der[element.start : element.end]
    # A CRL (RFC 5280 section 5.1) has sequences in the same places: a wrong pin is worse than none.
    split_spki(spki)
    return spki


def split_spki(spki: bytes) -> tuple[bytes, bytes]:
    """Return the algorithm (SEQUENCE) and the key (BIT STRING) of a SubjectPublicKeyInfo, each as encoded.

    Raises InvalidCertificate where the bytes are not exactly one (RFC 5280 section 4.1.2.7).
    """
    outer = expect(read_element(spki, 0, len(spki)), SEQUENCE, "SubjectPublicKeyInfo")
    algorithm = expect(read_element(spki, outer.content, outer.end), SEQUENCE, "algorithm")
    key = expect(read_element(spki, algorithm.end, outer.end), BIT_STRING, "subjectPublicKey")
    # Further bytes would change the hash: the key has one pin only if it is exactly this structure.
    if not key.end == outer.end == len(spki):
        raise InvalidCertificate("bytes follow the subjectPublicKey")
    return spki[algorithm.start : algorithm.end], spki[key.start : key.end]


def algorithm_of_private_key(der: bytes) -> bytes | None:
    """Return the algorithm that a private key states for itself, as the SEQUENCE a SubjectPublicKeyInfo would hold.

    Of PKCS #8 (RFC 5958 section 2) the one that stands there, of an ECPrivateKey (RFC 5915 section 3) one made of
    its parameters; None for an RSAPrivateKey, which states none. Raises InvalidCertificate for other DER.
    """
    outer = expect(read_element(der, 0, len(der)), SEQUENCE, "private key")
    version = expect(read_element(der, outer.content, outer.end), INTEGER, "version")
    following = read_element(der, version.end, outer.end)
    # PKCS #8 has the algorithm after the version, ECPrivateKey the octets of the key, RSAPrivateKey a number.
    if following.tag == SEQUENCE:
        return der[following.start : following.end]
    if following.tag == OCTET_STRING:
        parameters = expect(read_element(der, following.end, outer.end), _PARAMETERS, "parameters")
        return _sequence(_EC_PUBLIC_KEY + der[parameters.content : parameters.end])
    return None


def make_spki(algorithm: bytes, key: bytes) -> bytes:
    """Put a SubjectPublicKeyInfo together from its two encoded parts."""
    return _sequence(algorithm + key)


def _sequence(content: bytes) -> bytes:
    """Encode a SEQUENCE, with the shortest form of its length as DER demands."""
    length = len(content)
    if length < 0x80:
        return bytes((SEQUENCE, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((SEQUENCE, 0x80 | len(octets))) + octets + content


def certificate_end(der: bytes) -> int:
    """Return how many bytes of ``der`` the outermost element takes; what follows is not part of it.

    Raises InvalidCertificate where no element can be read.
    """
    return read_element(der, 0, len(der)).end


def is_signed_data(data: bytes) -> bool:
    """Whether the bytes begin as a ContentInfo of SignedData does (RFC 5652 section 3), in DER or BER."""
    if len(data) < 2 or data[0] != SEQUENCE:
        return False
    # 0x80 is the indefinite length of BER, which no octets of length follow.
    octets = data[1] & 0x7F if data[1] > 0x80 else 0
    return data[2 + octets :].startswith(_SIGNED_DATA)
