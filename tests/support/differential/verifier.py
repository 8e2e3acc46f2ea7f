"""Which paths a client can validate: written from RFC 5280 section 6, sharing nothing with the project.

A path runs from the leaf to an anchor of the client's store. `verifier_faults` compares it with OpenSSL's own verifier.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.support.differential.certificates import Algorithm, Certificate, Key

Path = tuple[Certificate, ...]
"""Leaf first, anchor last."""

_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a client requires of a path. The defaults are those of OpenSSL."""

    at: datetime | None
    """The client's clock; None to ignore dates."""
    names_by_bytes: bool = False
    """Go compares names byte by byte, others as RFC 5280 section 7.1 says."""
    anchor_dates: bool = True
    """Android ignores the dates of an anchor."""
    ca_rules: bool = True
    """Off: only signatures and names join certificates."""

    def paths(self, leaf: Certificate, others: Iterable[Certificate], store: Sequence[Certificate]) -> tuple[Path, ...]:
        """Return every path from the leaf to an anchor of the store, through any of the other certificates."""
        if not self._in_time(leaf):
            return ()
        if leaf in store:
            return ((leaf,),)
        pool = [other for other in dict.fromkeys(others) if other != leaf and self._may_issue(other)]
        return tuple(dict.fromkeys(self._walk((leaf,), pool, store)))

    def _walk(self, path: Path, pool: list[Certificate], store: Sequence[Certificate]) -> Iterator[Path]:
        # RFC 4158 section 5.2: no name and key twice on a path.
        seen = {identity(certificate) for certificate in path}
        for anchor in store:
            in_time = not self.anchor_dates or self._in_time(anchor)
            if in_time and identity(anchor) not in seen and self._may_follow(path, anchor):
                yield (*path, anchor)
        if len(path) == _DEPTH:
            return
        for issuer in pool:
            if issuer not in store and identity(issuer) not in seen and self._may_follow(path, issuer):
                yield from self._walk((*path, issuer), pool, store)

    def _may_follow(self, path: Path, issuer: Certificate) -> bool:
        return self._long_enough(issuer, path) and self._issued(path[-1], issuer)

    def connected(self, leaf: Certificate, others: Iterable[Certificate]) -> frozenset[Certificate]:
        """Return the leaf and every certificate above it on the beginning of a path, wherever that ends."""
        found = {leaf}
        pool = [other for other in dict.fromkeys(others) if other != leaf and self._may_issue(other)]

        def climb(path: Path) -> None:
            found.update(path)
            seen = {identity(certificate) for certificate in path}
            for issuer in pool if len(path) < _DEPTH else ():
                if identity(issuer) not in seen and self._may_follow(path, issuer):
                    climb((*path, issuer))

        climb((leaf,))
        return frozenset(found)

    def _may_issue(self, certificate: Certificate) -> bool:
        facts = certificate.facts
        return self._in_time(certificate) and (not self.ca_rules or (facts.ca and facts.signs_certificates))

    def _in_time(self, certificate: Certificate) -> bool:
        return self.at is None or certificate.valid_at(self.at)

    def _long_enough(self, issuer: Certificate, below: Path) -> bool:
        """RFC 5280 section 6.1.4 (l): certificates below, without the leaf and the self-issued ones."""
        allowed = issuer.facts.path_length if self.ca_rules else None
        return allowed is None or sum(not certificate.self_issued for certificate in below[1:]) <= allowed

    def _issued(self, child: Certificate, issuer: Certificate) -> bool:
        if self.names_by_bytes:
            same = child.facts.issuer.der() == issuer.facts.subject.der()
        else:
            same = child.facts.issuer.canonical == issuer.facts.subject.canonical
        return same and is_signed(child, issuer.key)


def identity(certificate: Certificate) -> tuple[tuple[str, str], str]:
    """Return whose certificate it is: the CA's name and key, whatever certificates it has."""
    return certificate.facts.subject.canonical, certificate.pin


@lru_cache(maxsize=4096)
def is_signed(child: Certificate, key: Key) -> bool:
    """Whether the key made the certificate's signature."""
    public = key.private.public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            if child.algorithm is Algorithm.ECDSA_SHA256:
                return False
            digest = hashes.SHA1() if child.algorithm is Algorithm.RSA_SHA1 else hashes.SHA256()
            public.verify(child.signature, child.tbs, padding.PKCS1v15(), digest)
        elif child.algorithm is not Algorithm.ECDSA_SHA256:
            return False
        else:
            public.verify(child.signature, child.tbs, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def covers(leaf: Certificate, host: str) -> bool:
    """Whether one of the leaf's names is the host's (RFC 6125 section 6.4)."""
    parent = host.partition(".")[2]
    return any(name in (host, f"*.{parent}") for name in leaf.facts.dns_names)
