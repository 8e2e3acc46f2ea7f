"""What a key says of a certificate: whether its signature is that key's.

Verified by the key itself and not by the library's certificate: that refuses SHA-1 and names in other string types
without saying whether the signature is right, and a link that is not verified must never confer trust.

::

    child, issuer ──verify_link──> Verification(link, detail)     names are compared, then:
        the AlgorithmIdentifier inside and outside must be the same bytes      RFC 5280 section 4.1.1.2
        the key must be fit (public_keys.py), and of the kind that the algorithm names
        the signature is that of the key over the signed part as it stands

The answer depends on the child's bytes and the issuer's name and key alone, so it is kept.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from lru import LRU

from app.hpkp.errors import InvalidCertificate
from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.public_keys import KeyFault, MlDsaKey, PublicKey
from app.hpkp.x509.signature_algorithms import WEAK_HASHES, Scheme, SignatureAlgorithm


class Link(StrEnum):
    """What the signature says about two certificates of which one names the other as its issuer."""

    SIGNED = "signed"
    SIGNED_WEAKLY = "signed_weakly"
    """Signed, with MD5 or SHA-1: others could have made a certificate with the same hash."""
    NOT_SIGNED = "not_signed"
    NOT_CHECKABLE = "not_checkable"
    """An algorithm or a key that is not supported, or beyond the limits. It says nothing, and confers nothing."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A link with the hash that makes it weak, or why it could not be checked."""

    link: Link
    detail: str = ""


_SIGNED, _NOT_SIGNED = Verification(Link.SIGNED), Verification(Link.NOT_SIGNED)

_KEPT: "LRU[tuple[bytes, Pin], Verification]" = LRU(8192)
"""Chains share their upper links, and a signature takes 0.1 ms and more. An entry takes some 300 bytes."""

_PER_MEBIBYTE = 4000
"""Microseconds of hashing a mebibyte with SHA3-512, the slowest; SHA-256 takes a seventh."""


def check_link(child: Certificate, issuer: Certificate) -> Link:
    """Say whether ``issuer``'s key signed ``child``, and the names agree (RFC 5280 section 7.1)."""
    return verify_link(child, issuer).link


def verify_link(child: Certificate, issuer: Certificate) -> Verification:
    """Like `check_link`, with the detail; never raises."""
    if child.issuer_name != issuer.subject_name:
        return _NOT_SIGNED
    # The names come first, because the key of the cache has none: a CA can have several names with one key.
    key = child.fingerprint, issuer.pin
    kept = _KEPT.get(key)
    if kept is None:
        kept = _KEPT[key] = _verify(child, issuer.public_key)
    return kept


def cost_of_link(child: Certificate, issuer: Certificate) -> int:
    """Return what `verify_link` costs at most, in microseconds of the machine it was measured on; 0 without a check.

    The same whether the answer is kept or not, so that a budget gives the same result every time.
    """
    key = issuer.public_key
    if isinstance(key, KeyFault) or key.unfit:
        return 0
    # The sender chooses how long the certificate is that has to be hashed.
    return key.cost + len(child.der) * _PER_MEBIBYTE // 1_048_576


def _verify(child: Certificate, key: PublicKey | KeyFault) -> Verification:
    """Verify a signature by the issuer's key; whatever is unusual is not checkable, and never signed.

    1. The key can be loaded, and is within the limits of cost.
    2. The algorithm is supported, and the same inside and outside of what is signed.
    3. A key for RSASSA-PSS verifies nothing else.
    4. The signature is that of the key; with MD5 or SHA-1 it is a weak one.
    """
    # 1
    if isinstance(key, KeyFault):
        return _not_checkable(f"the issuer's key cannot be used: {key.reason}")
    if key.unfit:
        return _not_checkable(f"the issuer's key is not verified with: {key.unfit}")
    # 2: the key verifies by one of the two identifiers, and does not notice if the other one differs.
    algorithm = child.signature_algorithm
    if algorithm is None:
        return _not_checkable("the signature's algorithm is not supported")
    try:
        outer = child.outer_parts
    except InvalidCertificate as error:
        return _not_checkable(str(error))
    if outer.algorithm != child.inner_algorithm:
        return _not_checkable("the signature's algorithm inside and outside of what is signed are not the same")
    # 3
    if key.for_pss_only and algorithm.scheme is not Scheme.RSA_PSS:
        return _not_checkable("the issuer's key is for RSASSA-PSS alone")
    # 4
    try:
        supported = _verify_by_key(key, _Signed(outer.signature, child.signed_bytes), algorithm)
    except InvalidSignature:
        return _NOT_SIGNED
    except Exception as error:  # noqa: BLE001  a policy of the system's OpenSSL may refuse whatever it likes
        return _not_checkable(str(error) or type(error).__name__)
    if not supported:
        return _NOT_SIGNED  # a key of another kind made it
    weak = algorithm.hash_name in WEAK_HASHES
    return Verification(Link.SIGNED_WEAKLY, algorithm.hash_name or "") if weak else _SIGNED


def _not_checkable(reason: str) -> Verification:
    """Make the answer for a link that cannot be checked."""
    return Verification(Link.NOT_CHECKABLE, reason)


class _Signed(NamedTuple):
    signature: bytes
    data: bytes


def _verify_by_key(key: PublicKey, signed: _Signed, algorithm: SignatureAlgorithm) -> bool:
    """Verify by key and scheme; False where they do not belong together. Raises InvalidSignature."""
    scheme, public = algorithm.scheme, key.key
    digest = algorithm.digest
    if isinstance(public, rsa.RSAPublicKey) and digest is not None:
        return _verify_rsa(public, signed, algorithm, digest)
    if isinstance(public, ec.EllipticCurvePublicKey) and scheme is Scheme.ECDSA and digest is not None:
        public.verify(*signed, ec.ECDSA(digest))
    elif isinstance(public, dsa.DSAPublicKey) and scheme is Scheme.DSA and digest is not None:
        public.verify(*signed, digest)
    elif (isinstance(public, ed25519.Ed25519PublicKey) and scheme is Scheme.ED25519) or (
        isinstance(public, ed448.Ed448PublicKey) and scheme is Scheme.ED448
    ):
        public.verify(*signed)
    elif isinstance(public, MlDsaKey) and scheme in (Scheme.ML_DSA_44, Scheme.ML_DSA_65, Scheme.ML_DSA_87):
        # Each parameter set has another class of keys, which verifies signatures of that set alone.
        if key.kind.lower() != scheme.replace("-", "").lower():
            return False
        public.verify(*signed)
    else:
        return False
    return True


def _verify_rsa(
    key: rsa.RSAPublicKey, signed: _Signed, algorithm: SignatureAlgorithm, digest: hashes.HashAlgorithm
) -> bool:
    """Verify with either padding; False for another scheme. Raises InvalidSignature."""
    if algorithm.scheme is Scheme.RSA:
        key.verify(*signed, padding.PKCS1v15(), digest)
    elif algorithm.scheme is Scheme.RSA_PSS and algorithm.mask_digest is not None:
        mask = padding.MGF1(algorithm.mask_digest)
        key.verify(*signed, padding.PSS(mask, algorithm.salt_length), digest)
    else:
        return False
    return True
