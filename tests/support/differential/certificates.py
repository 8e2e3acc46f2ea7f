"""Certificates written byte by byte, so that a world can contain what no honest CA signs.

Each certificate keeps the facts that were written into it; the verifier of this test reads those, and OpenSSL checks
that the DER says the same.
"""

import base64
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property, lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256, deterministic_signing=True)
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Algorithm(Enum):
    """A signature algorithm, by its DER AlgorithmIdentifier."""

    ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
    RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
    RSA_SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A key pair."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    spki: bytes = field(repr=False)
    pin: str
    """Base64 of the SHA-256 of the SubjectPublicKeyInfo."""

    @classmethod
    def of(cls, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> "Key":
        """Add the SubjectPublicKeyInfo and the pin to a private key."""
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(private, spki, base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii"))

    @property
    def is_rsa(self) -> bool:
        """Whether it is an RSA key."""
        return isinstance(self.private, rsa.RSAPrivateKey)

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        """Sign a message; the algorithm must suit the key."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            digest = hashes.SHA1() if algorithm is Algorithm.RSA_SHA1 else _SHA256
            return self.private.sign(message, padding.PKCS1v15(), digest)
        return self.private.sign(message, _ECDSA)


@lru_cache(maxsize=1)
def key_pool() -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    """Make the keys of all worlds: P-256, the same in every run, and a few of RSA-2048, which are slow to make."""
    numbers = random.Random(7469)
    curve = ec.SECP256R1()
    elliptic = (Key.of(ec.derive_private_key(numbers.randrange(1, _P256_ORDER), curve)) for _ in range(96))
    rsa_keys = (Key.of(rsa.generate_private_key(public_exponent=65537, key_size=2048)) for _ in range(4))
    return tuple(elliptic), tuple(rsa_keys)


class Spelling(Enum):
    """How a name is written; RFC 5280 section 7.1 takes all of them for the same name."""

    UTF8 = "UTF8String"
    PRINTABLE = "PrintableString"
    CAPITALS = "UTF8String, in capitals with two blanks"


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name of an organization and a common name."""

    common_name: str
    organization: str = "Worlds of Test"
    spelling: Spelling = Spelling.UTF8

    def spelled(self, spelling: Spelling) -> "Name":
        """Return the same name, written otherwise."""
        return Name(self.common_name, self.organization, spelling)

    @property
    def canonical(self) -> tuple[str, str]:
        """The name as RFC 5280 section 7.1 compares it."""
        return self.organization.casefold(), self.common_name.casefold()

    def der(self) -> bytes:
        """Encode the name."""
        return _name_der(self)


@lru_cache(maxsize=4096)
def _name_der(name: Name) -> bytes:
    tag = 0x13 if name.spelling is Spelling.PRINTABLE else 0x0C
    attributes = ((b"\x55\x04\x0a", name.organization), (b"\x55\x04\x03", name.common_name))
    return tlv(0x30, *(_attribute(oid, tag, text, name.spelling) for oid, text in attributes))


def _attribute(oid: bytes, tag: int, text: str, spelling: Spelling) -> bytes:
    if spelling is Spelling.CAPITALS:
        text = text.upper().replace(" ", "  ")
    return tlv(0x31, tlv(0x30, tlv(0x06, oid), tlv(tag, text.encode("ascii"))))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is written into a certificate, apart from its keys."""

    subject: Name
    issuer: Name
    not_before: datetime
    not_after: datetime
    ca: bool = False
    signs_certificates: bool = True
    """Whether keyUsage has keyCertSign; of CAs only."""
    path_length: int | None = None
    dns_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate: its facts, its DER, and which parts the signature covers. Equal when the DER is equal."""

    facts: Facts
    key: Key
    algorithm: Algorithm
    tbs: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    label: str
    """Its name in failure messages."""

    @cached_property
    def der(self) -> bytes:
        """The whole certificate."""
        return tlv(0x30, self.tbs, self.algorithm.value, tlv(0x03, b"\x00", self.signature))

    @property
    def pin(self) -> str:
        """The pin of its key."""
        return self.key.pin

    @property
    def self_issued(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.facts.subject.canonical == self.facts.issuer.canonical

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def valid_at(self, moment: datetime) -> bool:
        """Whether the moment lies in its validity."""
        return self.facts.not_before <= moment <= self.facts.not_after


def make_certificate(
    label: str,
    facts: Facts,
    key: Key,
    *,
    signer: Key,
    algorithm: Algorithm | None = None,
    signature: bytes | None = None,
) -> Certificate:
    """Make a certificate signed by a key, or with any signature at all.

    The AuthorityKeyIdentifier is the signer's. The algorithm is only a label where the signature is given.
    """
    algorithm = algorithm or (Algorithm.RSA_SHA256 if signer.is_rsa else Algorithm.ECDSA_SHA256)
    tbs = _to_be_signed(label, facts, key, signer, algorithm)
    return Certificate(facts, key, algorithm, tbs, signature or signer.sign(tbs, algorithm), label)


def _to_be_signed(label: str, facts: Facts, key: Key, signer: Key, algorithm: Algorithm) -> bytes:
    # The serial number follows from the content: the same world has the same certificates in every run.
    content = f"{label} {facts} {key.pin} {signer.pin}".encode()
    serial = b"\x01" + hashlib.sha256(content).digest()[:8]
    extensions = tlv(0xA3, tlv(0x30, *_extensions(facts, key, signer)))
    validity = tlv(0x30, _time(facts.not_before), _time(facts.not_after))
    return tlv(
        0x30, b"\xa0\x03\x02\x01\x02", tlv(0x02, serial), algorithm.value, facts.issuer.der(), validity,
        facts.subject.der(), key.spki, extensions,
    )  # fmt: skip


def _extensions(facts: Facts, key: Key, signer: Key) -> Sequence[bytes]:
    basic = b"\x01\x01\xff" if facts.ca else b""
    if facts.path_length is not None:
        basic += tlv(0x02, bytes((facts.path_length,)))
    # keyCertSign and cRLSign; cRLSign alone; digitalSignature
    usage = (b"\x01\x06" if facts.signs_certificates else b"\x01\x02") if facts.ca else b"\x07\x80"
    found = [
        _extension(b"\x55\x1d\x13", tlv(0x30, basic), critical=True),
        _extension(b"\x55\x1d\x0f", tlv(0x03, usage), critical=True),
        _extension(b"\x55\x1d\x0e", tlv(0x04, _key_id(key))),
        _extension(b"\x55\x1d\x23", tlv(0x30, tlv(0x80, _key_id(signer)))),
    ]
    if not facts.ca:
        found.append(_extension(b"\x55\x1d\x25", tlv(0x30, tlv(0x06, bytes.fromhex("2b06010505070301")))))
    if facts.dns_names:
        names = (tlv(0x82, name.encode("ascii")) for name in facts.dns_names)
        found.append(_extension(b"\x55\x1d\x11", tlv(0x30, *names)))
    return found


def _extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    return tlv(0x30, tlv(0x06, oid), b"\x01\x01\xff" if critical else b"", tlv(0x04, value))


def _key_id(key: Key) -> bytes:
    return hashlib.sha256(key.spki).digest()[:20]


def _time(moment: datetime) -> bytes:
    """Encode a date as RFC 5280 section 4.1.2.5 wants it."""
    if 1950 <= moment.year < 2050:
        return tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode("ascii"))
    return tlv(0x18, f"{moment:%Y%m%d%H%M%SZ}".encode("ascii"))


def tlv(tag: int, *content: bytes) -> bytes:
    """Encode one DER element."""
    value = b"".join(content)
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + value
