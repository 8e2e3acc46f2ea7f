"""Public keys out of certificates: what kind they are, whether they are fit to verify with, and what that costs.

Here `cryptography` begins: it gets a SubjectPublicKeyInfo, and only of algorithms that are named below, because for
others it warns or raises in ways that change with its version.

Verifying with a stranger's key costs what the stranger chooses (measured, microseconds, with OpenSSL 4.0): RSA 2048
22, RSA 8192 with an exponent of 33 bits 600, RSA 3072 with an exponent of 3071 bits 5,440, brainpoolP512r1 900.
Hence the limits, which are BoringSSL's for the exponent and Go's for the modulus.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.hpkp.errors import InvalidCertificate
from app.hpkp.x509.der import OBJECT_IDENTIFIER, encode_oid, expect, read_element
from app.hpkp.x509.spki import split_spki

MlDsaKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
VerifyingKey = (
    rsa.RSAPublicKey
    | ec.EllipticCurvePublicKey
    | dsa.DSAPublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | MlDsaKey
)

RSA_PSS = encode_oid("1.2.840.113549.1.1.10")
_EC = encode_oid("1.2.840.10045.2.1")
_LOADABLE = frozenset(
    map(
        encode_oid,
        (
            "1.2.840.113549.1.1.1", "1.2.840.10040.4.1", "1.3.101.112", "1.3.101.113",
            "2.16.840.1.101.3.4.3.17", "2.16.840.1.101.3.4.3.18", "2.16.840.1.101.3.4.3.19",
        ),
    )
) | {RSA_PSS, _EC}  # fmt: skip
"""rsaEncryption, id-dsa, Ed25519, Ed448, ML-DSA-44, -65, -87; id-RSASSA-PSS and id-ecPublicKey."""

_MOST_MODULUS_BITS, _FEWEST_MODULUS_BITS = 8192, 1024
_MOST_EXPONENT_BITS = 33
_MOST_DSA_BITS = 4096
_LONGEST_SPKI = 8192
"""Bytes of a SubjectPublicKeyInfo that is loaded: ML-DSA-87 takes 2,614, RSA 16384 2,080."""

_CURVES = {
    "secp224r1": 100, "secp256r1": 75, "secp384r1": 400, "secp521r1": 450, "secp256k1": 340,
    "brainpoolP256r1": 330, "brainpoolP384r1": 700, "brainpoolP512r1": 960,
}  # fmt: skip
"""The curves on which signatures are verified, and what one costs in microseconds."""


@dataclass(frozen=True, slots=True)
class KeyFault:
    """Why a key cannot be loaded or must not be verified with."""

    reason: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A loaded key with its cost of one verification in microseconds, or why it must not be used for one."""

    key: VerifyingKey
    kind: str
    """For people, such as ``EC secp256r1`` or ``RSA 2048``."""
    for_pss_only: bool
    """Whether the key says id-RSASSA-PSS, with which no other signature may be verified (RFC 4055 section 1.2)."""
    cost: int
    unfit: str | None = None


def load_public_key(spki: bytes) -> PublicKey | KeyFault:
    """Load a SubjectPublicKeyInfo; never raises."""
    try:
        algorithm, encoded = split_spki(spki)
        sequence = read_element(algorithm, 0, len(algorithm))
        oid = expect(read_element(algorithm, sequence.content, sequence.end), OBJECT_IDENTIFIER, "algorithm")
    except InvalidCertificate as error:
        return KeyFault(str(error))
    kind = algorithm[oid.content : oid.end]
    if kind not in _LOADABLE:
        return KeyFault("its algorithm is not supported")
    if len(spki) > _LONGEST_SPKI:
        return KeyFault(f"it is longer than {_LONGEST_SPKI} bytes")
    # Loading is not in the cost of a check, so a point that is slow to load must not get there.
    if kind == _EC and not _is_uncompressed(encoded):
        return KeyFault("its point is compressed or malformed")
    try:
        key = load_der_public_key(spki)
    except Exception as error:  # noqa: BLE001  which errors a version raises for odd keys is not documented
        return KeyFault(str(error) or type(error).__name__)
    return _assess_key(key, for_pss_only=kind == RSA_PSS) if isinstance(key, VerifyingKey) else KeyFault("unknown kind")


def _is_uncompressed(point: bytes) -> bool:
    """Whether a BIT STRING holds a point as RFC 5480 section 2.2 demands; taking roots costs 0.4 ms on P-224."""
    content = read_element(point, 0, len(point)).content
    return point[content : content + 2] == b"\x00\x04"


def _assess_key(key: VerifyingKey, *, for_pss_only: bool) -> PublicKey:
    """Say what kind of key it is, what a verification costs at most, and why it must not be used for one."""
    unfit = None
    if isinstance(key, rsa.RSAPublicKey):
        bits, exponent = key.key_size, key.public_numbers().e
        # One multiplication for each bit of the exponent, in the square of the modulus; above all that was measured.
        kind, cost = f"RSA {bits}", 10 + bits * bits * max(exponent.bit_length(), 17) * 28 // 104_857_600
        if not _FEWEST_MODULUS_BITS <= bits <= _MOST_MODULUS_BITS:
            unfit = f"RSA of {bits} bits, verified are {_FEWEST_MODULUS_BITS} to {_MOST_MODULUS_BITS}"
        # With RSA 3072, an exponent of 3071 bits costs 5.4 ms a check instead of 0.04: the sender chooses it freely.
        elif exponent.bit_length() > _MOST_EXPONENT_BITS or not exponent & 1:
            unfit = f"RSA exponent of {exponent.bit_length()} bits, verified are odd ones up to {_MOST_EXPONENT_BITS}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, cost = f"EC {key.curve.name}", _CURVES.get(key.curve.name, 0)
        # A curve without a measured cost cannot be paid for.
        unfit = None if cost else f"the curve {key.curve.name} is not supported"
    elif isinstance(key, dsa.DSAPublicKey):
        kind, cost = f"DSA {key.key_size}", 10 + key.key_size**2 // 13_000
        unfit = f"DSA of {key.key_size} bits" if key.key_size > _MOST_DSA_BITS else None
    else:
        kind = type(key).__name__.strip("_").removesuffix("PublicKey")
        # Ed25519 takes 97, ML-DSA-65 144 and Ed448 158.
        cost = 220
    return PublicKey(key, kind, for_pss_only, cost, unfit)
