"""Chains that cost as much as a stranger can make them: each is built to spend one limit of the path builder.

At most 40 certificates, a leaf first: two chains of 20 share it.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from app.hpkp.x509.slices import slice_certificate
from app.senders.wire import MAX_CHAIN

HOST = "www.example.com"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_SEQUENCE = 0x30

Signer = ec.EllipticCurvePrivateKey
_SIGNER = ec.generate_private_key(ec.SECP256R1())
_SERIALS = iter(range(1000, 10**9))


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    *,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | None = None,
    signer: Signer = _SIGNER,
    digest: hashes.SHA256 | hashes.SHA3_512 | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    ca: bool = True,
) -> bytes:
    """Make the DER of a certificate; nobody needs the private key of ``key``."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key or _SIGNER.public_key())
        .serial_number(next(_SERIALS))
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(NOW + timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def name(text: str, *more: str) -> x509.Name:
    """Make a name of one common name, and organizational units."""
    kinds = (x509.oid.NameOID.COMMON_NAME, *[x509.oid.NameOID.ORGANIZATIONAL_UNIT_NAME] * len(more))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in zip(kinds, (text, *more), strict=True)])


_LEAF, _CA = name(HOST), name("Namesake")


def namesakes(
    keys: Iterator[rsa.RSAPublicKey | ec.EllipticCurvePublicKey], sign: Callable[[bytes], bytes] = bytes
) -> list[bytes]:
    """Make a leaf and CAs of the name that it gives as its issuer, which they give as theirs as well."""
    made = [certificate(_LEAF, _CA, ca=False), *(certificate(_CA, _CA, key=key) for key in keys)]
    return [sign(der) for der in made]


def _sign_with_rsa(der: bytes) -> bytes:
    """Say of a certificate that RSA 8192 signed it, with something of the right length and below every modulus."""
    ecdsa, sha256_with_rsa = (
        bytes.fromhex(one) for one in ("300a06082a8648ce3d040302", "300d06092a864886f70d01010b0500")
    )
    slices = slice_certificate(der)
    inner = der[slices.tbs.content : slices.tbs.end].replace(ecdsa, sha256_with_rsa, 1)
    signature = b"\x00" + b"\x7a" * 1024
    return _tlv(0x30, _tlv(0x30, inner) + sha256_with_rsa + _tlv(0x03, signature))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes((tag, 0x83)) + size.to_bytes(3, "big") + content


def _curve_keys(curve: type[ec.EllipticCurve]) -> Iterator[ec.EllipticCurvePublicKey]:
    return (ec.generate_private_key(curve()).public_key() for _ in range(2 * MAX_CHAIN - 1))


def _rsa_keys(bits: int, exponent: int) -> Iterator[rsa.RSAPublicKey]:
    moduli = ((1 << (bits - 1)) + 2 * number + 1 for number in range(2 * MAX_CHAIN - 1))
    return (rsa.RSAPublicNumbers(exponent, modulus).public_key() for modulus in moduli)


def _clique(size: int) -> list[bytes]:
    """Make CAs of which each signed a certificate for every other; without an anchor no path of theirs ends early."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(size)]
    numbered = [name(f"CA {number}") for number in range(size)]
    crosses = [
        certificate(numbered[one], numbered[other], key=keys[one].public_key(), signer=keys[other])
        for one, other in permutations(range(size), 2)
    ]
    return [certificate(_LEAF, numbered[0], signer=keys[0], ca=False), *crosses]


def _lattice(wide: int, high: int) -> list[bytes]:
    """Make layers of CAs, each signed by every CA of the layer above."""
    keys = [[ec.generate_private_key(ec.SECP256R1()) for _ in range(wide)] for _ in range(high)]
    made = [certificate(_LEAF, name("0/0"), signer=keys[0][0], ca=False)]
    for layer, (one, other) in product(range(high - 1), product(range(wide), repeat=2)):
        subject, issuer = name(f"{layer}/{one}"), name(f"{layer + 1}/{other}")
        made.append(certificate(subject, issuer, key=keys[layer][one].public_key(), signer=keys[layer + 1][other]))
    return made


def _alternatives() -> list[bytes]:
    """Make one CA's name and key in many certificates, at two layers."""
    upper, lower = name("Upper"), name("Lower")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    lowers = [certificate(lower, upper, key=keys[0].public_key(), signer=keys[1]) for _ in range(MAX_CHAIN)]
    uppers = [certificate(upper, upper, key=keys[1].public_key(), signer=keys[1]) for _ in range(MAX_CHAIN - 1)]
    return [certificate(_LEAF, lower, signer=keys[0], ca=False), *lowers, *uppers]


def _constrained(count: int, cas: int, labels: int) -> list[bytes]:
    """Make a leaf of many names below CAs with name constraints."""
    dns = [x509.DNSName(f"{'a.' * labels}{number}.b") for number in range(count)]
    subtrees = [x509.DNSName(f"{number}.b") for number in range(count)]
    constraints = x509.NameConstraints(subtrees, None)
    leaf = certificate(_LEAF, name("CA 0"), ca=False, extensions=[x509.SubjectAlternativeName(dns)])
    above = [
        certificate(name(f"CA {number}"), name(f"CA {number + 1}"), extensions=[constraints] if number < 2 else ())
        for number in range(cas)
    ]
    return [leaf, *above]


def _deep(depth: int) -> list[bytes]:
    """Make certificates with extensions of nested sequences."""
    nested = b""
    for _ in range(depth):
        size = len(nested)
        nested = bytes((_SEQUENCE, 0x82)) + size.to_bytes(2, "big") + nested
    oids = (x509.ObjectIdentifier(f"2.5.29.{arc}") for arc in (15, 17, 30, 35, 37))
    extensions = [x509.UnrecognizedExtension(oid, nested) for oid in oids]
    return [certificate(_CA, _CA, extensions=extensions) for _ in range(2 * MAX_CHAIN)]


def _many_extensions(count: int) -> list[bytes]:
    oids = [x509.ObjectIdentifier(f"1.2.{number}") for number in range(count)]
    extensions = [x509.UnrecognizedExtension(oid, b"") for oid in oids]
    return [certificate(_CA, _CA, extensions=extensions) for _ in range(2 * MAX_CHAIN)]


def _long_names() -> list[bytes]:
    numbered = [name(f"CA {number}", *(f"{unit}" for unit in range(23))) for number in range(2 * MAX_CHAIN + 1)]
    return [certificate(numbered[n], numbered[n + 1]) for n in range(2 * MAX_CHAIN)]


def _many_leaves(count: int) -> list[bytes]:
    """Make a CA first and leaves after it, so that the names of each are read to find the one for the host."""
    dns = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, _tlv(0x30, b"\x82\x01a" * count))
    leaves = [certificate(name("Leaf"), _CA, ca=False, extensions=[dns]) for _ in range(MAX_CHAIN - 1)]
    return [certificate(_CA, _CA), *leaves, *namesakes(iter(_curve_keys(ec.SECP384R1)))[:MAX_CHAIN]]


def _extensions_below_one_name() -> list[bytes]:
    units = tuple(f"{unit}" for unit in range(23))
    oids = [x509.ObjectIdentifier(f"1.2.{number}") for number in range(60)]
    extensions = [x509.UnrecognizedExtension(oid, b"") for oid in oids]
    ca = name("Namesake", *units)
    cas = [certificate(ca, ca, key=key, extensions=extensions) for key in _curve_keys(ec.SECP256R1)]
    return [certificate(name("Leaf", *units), ca, ca=False), *cas]


def _all_at_once() -> list[bytes]:
    """Make names of 24 attributes, many extensions, a leaf of many names, and keys that are dear to verify with."""
    units = tuple(f"{unit}" for unit in range(23))
    oids = [x509.ObjectIdentifier(f"1.2.{number}") for number in range(60)]
    extensions = [x509.UnrecognizedExtension(oid, b"") for oid in oids]
    dns = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, _tlv(0x30, b"\x82\x01a" * 5000))
    ca = name("Namesake", *units)
    leaf = certificate(name("Leaf", *units), ca, ca=False, extensions=[dns])
    return [leaf, *(certificate(ca, ca, key=key, extensions=extensions) for key in _curve_keys(ec.BrainpoolP384R1))]


def _large_child() -> list[bytes]:
    """Make a leaf that is slow to hash, and CAs of the name of its issuer."""
    filling = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(60_000))
    leaf = certificate(_LEAF, _CA, ca=False, extensions=[filling], digest=hashes.SHA3_512())
    return [leaf, *namesakes(iter(_curve_keys(ec.SECP256R1)))[1:]]


CHAINS: dict[str, Callable[[], list[bytes]]] = {
    "one name, P-256": lambda: namesakes(_curve_keys(ec.SECP256R1)),
    "one name, P-384": lambda: namesakes(_curve_keys(ec.SECP384R1)),
    "one name, P-521": lambda: namesakes(_curve_keys(ec.SECP521R1)),
    "one name, brainpoolP512r1": lambda: namesakes(_curve_keys(ec.BrainpoolP512R1)),
    "one name, RSA 8192, exponent of 33 bits": lambda: namesakes(_rsa_keys(8192, (1 << 33) - 1), _sign_with_rsa),
    "one name, RSA 3072, exponent of 3064 bits": lambda: namesakes(_rsa_keys(3072, (1 << 3063) + 1)),
    "clique of 6 CAs": lambda: _clique(6),
    "lattice of 3 by 5 CAs": lambda: _lattice(3, 5),
    "lattice of 2 by 9 CAs": lambda: _lattice(2, 9),
    "40 certificates of two CAs": _alternatives,
    "4,900 names, 2 constrained CAs": lambda: _constrained(4900, 9, 1),
    "700 names of 40 labels, 2 constrained CAs": lambda: _constrained(700, 9, 40),
    "sequences 200 deep": lambda: _deep(200),
    "120 extensions": lambda: _many_extensions(120),
    "60 extensions, P-256": _extensions_below_one_name,
    "names of 24 attributes": _long_names,
    "19 leaves of 2,000 names": lambda: _many_leaves(2000),
    "a leaf of 60 kB": _large_child,
    "all at once": _all_at_once,
}
