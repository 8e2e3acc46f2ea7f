"""Where the parts of a certificate lie in its DER.

::

    Certificate    ::= SEQUENCE { tbsCertificate TBSCertificate, signatureAlgorithm SEQUENCE,
                                  signatureValue BIT STRING }                                RFC 5280 section 4.1
    TBSCertificate ::= SEQUENCE { [0] version DEFAULT v1, serialNumber INTEGER, signature SEQUENCE, issuer SEQUENCE,
                                  validity SEQUENCE, subject SEQUENCE, subjectPublicKeyInfo SEQUENCE,
                                  [1] issuerUniqueID OPTIONAL, [2] subjectUniqueID OPTIONAL,
                                  [3] extensions OPTIONAL }

The parts are found without being read, so that a malformed one hides no other; only their order and tags must hold,
else nothing says which bytes are the key.
"""

from typing import NamedTuple

from app.hpkp.errors import InvalidCertificate
from app.hpkp.x509.der import BIT_STRING, INTEGER, SEQUENCE, Tlv, expect, read_element

_VERSION = 0xA0


class Slices(NamedTuple):
    """The parts of one certificate up to its key, and the end of what is signed."""

    outer: Tlv
    tbs: Tlv
    version: Tlv | None
    serial_number: Tlv
    inner_algorithm: Tlv
    issuer: Tlv
    validity: Tlv
    subject: Tlv
    spki: Tlv


def slice_certificate(der: bytes) -> Slices:
    """Find the parts. Raises InvalidCertificate, naming the byte, where the structure is not that of a certificate.

    Bytes after the certificate are ignored.
    """
    outer = expect(read_element(der, 0, len(der)), SEQUENCE, "certificate")
    tbs = expect(read_element(der, outer.content, outer.end), SEQUENCE, "the signed part of the certificate")
    first = read_element(der, tbs.content, tbs.end)
    # DER leaves out a default, so version 1 begins with the serial number.
    version = first if first.tag == _VERSION else None
    at = first.end if version else first.start
    serial_number = expect(read_element(der, at, tbs.end), INTEGER, "serialNumber")
    algorithm = expect(read_element(der, serial_number.end, tbs.end), SEQUENCE, "signature")
    issuer = expect(read_element(der, algorithm.end, tbs.end), SEQUENCE, "issuer")
    validity = expect(read_element(der, issuer.end, tbs.end), SEQUENCE, "validity")
    subject = expect(read_element(der, validity.end, tbs.end), SEQUENCE, "subject")
    spki = expect(read_element(der, subject.end, tbs.end), SEQUENCE, "SubjectPublicKeyInfo")
    return Slices(outer, tbs, version, serial_number, algorithm, issuer, validity, subject, spki)


class OuterParts(NamedTuple):
    """What stands after the signed part: the algorithm's SEQUENCE as encoded, and the octets of the signature."""

    algorithm: bytes
    signature: bytes


def read_outer_parts(der: bytes, slices: Slices) -> OuterParts:
    """Read algorithm and signature. Raises InvalidCertificate where they are malformed."""
    algorithm = expect(read_element(der, slices.tbs.end, slices.outer.end), SEQUENCE, "signatureAlgorithm")
    signature = expect(read_element(der, algorithm.end, slices.outer.end), BIT_STRING, "signatureValue")
    if signature.end != slices.outer.end:
        raise InvalidCertificate(f"bytes follow the signature at byte {signature.end}")
    # The first octet counts unused bits; a signature is of whole octets.
    if signature.content == signature.end or der[signature.content] != 0:
        raise InvalidCertificate(f"the signature at byte {signature.start} is no whole number of octets")
    return OuterParts(der[algorithm.start : algorithm.end], der[signature.content + 1 : signature.end])
