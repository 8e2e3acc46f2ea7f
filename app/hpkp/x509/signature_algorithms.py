"""Signature algorithms by their object identifiers, with the parameters of RSASSA-PSS (RFC 4055 section 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

from app.hpkp.errors import InvalidCertificate
from app.hpkp.x509.der import INTEGER, OBJECT_IDENTIFIER, SEQUENCE, encode_oid, expect, read_element, read_elements

# These are verified, too: the library's certificate refuses SHA-1 unseen, and then a forged link is not distinguished
# from a weak one.
WEAK_HASHES = frozenset({"md5", "sha1"})
BROKEN_HASHES = frozenset({"md5"})
"""Chosen-prefix collisions of MD5 made a CA certificate in 2008; nothing that is signed with it proves anything."""


class Scheme(StrEnum):
    """How a key signs."""

    RSA = "RSASSA-PKCS1-v1_5"
    RSA_PSS = "RSASSA-PSS"
    ECDSA = "ECDSA"
    DSA = "DSA"
    ED25519 = "Ed25519"
    ED448 = "Ed448"
    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """An algorithm that can be verified; ``digest`` is None where the scheme fixes its own."""

    scheme: Scheme
    digest: hashes.HashAlgorithm | None = None
    mask_digest: hashes.HashAlgorithm | None = None
    """Of MGF1, for RSASSA-PSS."""
    salt_length: int = 0

    @property
    def hash_name(self) -> str | None:
        """The name of the digest, such as ``sha256``."""
        return None if self.digest is None else self.digest.name


_NIST = "2.16.840.1.101.3.4"
_HASHES: Mapping[bytes, hashes.HashAlgorithm] = {
    encode_oid("1.2.840.113549.2.5"): hashes.MD5(),
    encode_oid("1.3.14.3.2.26"): hashes.SHA1(),
    encode_oid(f"{_NIST}.2.1"): hashes.SHA256(),
    encode_oid(f"{_NIST}.2.2"): hashes.SHA384(),
    encode_oid(f"{_NIST}.2.3"): hashes.SHA512(),
    encode_oid(f"{_NIST}.2.4"): hashes.SHA224(),
    encode_oid(f"{_NIST}.2.8"): hashes.SHA3_256(),
    encode_oid(f"{_NIST}.2.9"): hashes.SHA3_384(),
    encode_oid(f"{_NIST}.2.10"): hashes.SHA3_512(),
}
# Without MD2: the library has no such hash, so the one root that has it stays unchecked.
_FIXED: Mapping[str, tuple[Scheme, hashes.HashAlgorithm | None]] = {
    "1.2.840.113549.1.1.4": (Scheme.RSA, hashes.MD5()),
    "1.2.840.113549.1.1.5": (Scheme.RSA, hashes.SHA1()),
    # An older identifier of the same.
    "1.3.14.3.2.29": (Scheme.RSA, hashes.SHA1()),
    "1.2.840.113549.1.1.11": (Scheme.RSA, hashes.SHA256()),
    "1.2.840.113549.1.1.12": (Scheme.RSA, hashes.SHA384()),
    "1.2.840.113549.1.1.13": (Scheme.RSA, hashes.SHA512()),
    "1.2.840.113549.1.1.14": (Scheme.RSA, hashes.SHA224()),
    f"{_NIST}.3.14": (Scheme.RSA, hashes.SHA3_256()),
    f"{_NIST}.3.15": (Scheme.RSA, hashes.SHA3_384()),
    f"{_NIST}.3.16": (Scheme.RSA, hashes.SHA3_512()),
    "1.2.840.10045.4.1": (Scheme.ECDSA, hashes.SHA1()),
    "1.2.840.10045.4.3.1": (Scheme.ECDSA, hashes.SHA224()),
    "1.2.840.10045.4.3.2": (Scheme.ECDSA, hashes.SHA256()),
    "1.2.840.10045.4.3.3": (Scheme.ECDSA, hashes.SHA384()),
    "1.2.840.10045.4.3.4": (Scheme.ECDSA, hashes.SHA512()),
    f"{_NIST}.3.10": (Scheme.ECDSA, hashes.SHA3_256()),
    f"{_NIST}.3.11": (Scheme.ECDSA, hashes.SHA3_384()),
    f"{_NIST}.3.12": (Scheme.ECDSA, hashes.SHA3_512()),
    "1.2.840.10040.4.3": (Scheme.DSA, hashes.SHA1()),
    f"{_NIST}.3.1": (Scheme.DSA, hashes.SHA224()),
    f"{_NIST}.3.2": (Scheme.DSA, hashes.SHA256()),
    f"{_NIST}.3.3": (Scheme.DSA, hashes.SHA384()),
    f"{_NIST}.3.4": (Scheme.DSA, hashes.SHA512()),
    "1.3.101.112": (Scheme.ED25519, None),
    "1.3.101.113": (Scheme.ED448, None),
    f"{_NIST}.3.17": (Scheme.ML_DSA_44, None),
    f"{_NIST}.3.18": (Scheme.ML_DSA_65, None),
    f"{_NIST}.3.19": (Scheme.ML_DSA_87, None),
}
_BY_OID = {encode_oid(dotted): SignatureAlgorithm(*fixed) for dotted, fixed in _FIXED.items()}
_PSS = encode_oid("1.2.840.113549.1.1.10")
_MGF1 = encode_oid("1.2.840.113549.1.1.8")
_HASH, _MASK, _SALT, _TRAILER = 0xA0, 0xA1, 0xA2, 0xA3
# Octets of an 8192-bit modulus, the longest that is verified: no signature can hold a longer salt.
_LONGEST_SALT = 1024


def read_signature_algorithm(identifier: bytes) -> SignatureAlgorithm:
    """Read an AlgorithmIdentifier. Raises InvalidCertificate where it is malformed or not supported."""
    read = _read_identifier(identifier, 0, len(identifier))
    # The only scheme whose hash is in the parameters and not in the identifier.
    if read.oid == _PSS:
        return _read_pss(read.parameters)
    if (found := _BY_OID.get(read.oid)) is None:
        raise InvalidCertificate("the signature's algorithm is not supported")
    return found


class _Identifier(NamedTuple):
    oid: bytes
    parameters: bytes


def _read_identifier(der: bytes, at: int, end: int) -> _Identifier:
    """Read an AlgorithmIdentifier: the octets of its identifier, and its parameters as encoded."""
    sequence = expect(read_element(der, at, end), SEQUENCE, "AlgorithmIdentifier")
    oid = expect(read_element(der, sequence.content, sequence.end), OBJECT_IDENTIFIER, "algorithm")
    return _Identifier(der[oid.content : oid.end], der[oid.end : sequence.end])


def _read_pss(parameters: bytes) -> SignatureAlgorithm:
    """Read RSASSA-PSS-params, whose defaults are SHA-1 and a salt of 20 octets."""
    sequence = expect(read_element(parameters, 0, len(parameters)), SEQUENCE, "RSASSA-PSS-params")
    digest: hashes.HashAlgorithm = hashes.SHA1()
    mask: hashes.HashAlgorithm = hashes.SHA1()
    salt = 20
    for element in read_elements(parameters, sequence.content, sequence.end, limit=4):
        if element.tag == _HASH:
            digest = _read_hash(_read_identifier(parameters, element.content, element.end))
        elif element.tag == _MASK:
            mask = _read_mask(_read_identifier(parameters, element.content, element.end))
        elif element.tag == _SALT:
            salt = _read_integer(parameters, element.content, element.end)
        # RFC 4055 section 3.1 knows one trailer field.
        elif element.tag != _TRAILER or _read_integer(parameters, element.content, element.end) != 1:
            raise InvalidCertificate("odd parameters of RSASSA-PSS")
    if not 0 <= salt <= _LONGEST_SALT:
        raise InvalidCertificate("odd length of salt of RSASSA-PSS")
    return SignatureAlgorithm(Scheme.RSA_PSS, digest, mask, salt)


def _read_mask(identifier: _Identifier) -> hashes.HashAlgorithm:
    """Read the hash of the mask generation, which can only be MGF1. Raises InvalidCertificate."""
    if identifier.oid != _MGF1:
        raise InvalidCertificate("a mask generation of RSASSA-PSS that is not MGF1")
    return _read_hash(_read_identifier(identifier.parameters, 0, len(identifier.parameters)))


def _read_hash(identifier: _Identifier) -> hashes.HashAlgorithm:
    """Look up a hash. Raises InvalidCertificate if it is not supported."""
    if (found := _HASHES.get(identifier.oid)) is None:
        raise InvalidCertificate("a hash of RSASSA-PSS that is not supported")
    return found


def _read_integer(der: bytes, at: int, end: int) -> int:
    """Read one INTEGER. Raises InvalidCertificate for another element."""
    element = expect(read_element(der, at, end), INTEGER, "INTEGER")
    return int.from_bytes(der[element.content : element.end], "big", signed=True)
