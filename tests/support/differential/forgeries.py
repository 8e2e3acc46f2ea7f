"""Chains that look like paths to a public root and are none: one link is invalid, or no client accepts the leaf."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.differential.certificates import Algorithm, Certificate, Facts, Key, Name, make_certificate
from tests.support.differential.hierarchy import LEAF_EXPIRED, LEAF_VALID, VALID, Authority, CertificateMaker
from tests.support.differential.world import HOST


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """What a server may send, and what a forged report states as the validated path."""

    how: str
    served: tuple[Certificate, ...]
    validated: tuple[Certificate, ...]
    links_valid: bool = False


_Make = Callable[[CertificateMaker, Authority, Certificate], BrokenChain]


def _garbage_as_sha1(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    signature = random.Random(maker.choice.random()).randbytes(256)
    leaf = _leaf(maker.key(), public.name, public.key, Algorithm.RSA_SHA1, signature)
    return BrokenChain("the signature is garbage, called sha1WithRSA", (leaf,), (leaf, root))


def _garbage_below_an_intermediate(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    issuing = maker.authority("Real CA")
    between = maker.certify(issuing, public)
    signature = random.Random(maker.choice.random()).randbytes(256)
    leaf = _leaf(maker.key(), issuing.name, issuing.key, Algorithm.RSA_SHA256, signature)
    return BrokenChain("a garbage signature below a real intermediate", (leaf, between), (leaf, between, root))


def _another_key(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    issuing = maker.authority("Real CA")
    between = maker.certify(issuing, public)
    leaf = _leaf(maker.key(), issuing.name, maker.key())
    return BrokenChain("signed by another key than the issuer's", (leaf, between), (leaf, between, root))


def _by_an_ordinary_leaf(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    issuing, holder = maker.authority("Real CA"), maker.key()
    between = maker.certify(issuing, public)
    ordinary = maker.leaf("an ordinary leaf", holder, issuing, names=("attacker.example",))
    leaf = _leaf(maker.key(), ordinary.facts.subject, holder)
    return BrokenChain("signed by an ordinary leaf", (leaf, ordinary, between), (leaf, ordinary, between, root))


def _not_a_ca(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    between, key = _intermediate(maker, public, ca=False)
    leaf = _leaf(maker.key(), between.facts.subject, key)
    return BrokenChain("the intermediate is no CA", (leaf, between), (leaf, between, root))


def _not_for_certificates(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    between, key = _intermediate(maker, public, signs_certificates=False)
    leaf = _leaf(maker.key(), between.facts.subject, key)
    return BrokenChain("the intermediate may not sign certificates", (leaf, between), (leaf, between, root))


def _too_long(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    upper, lower = maker.authority("Upper CA"), maker.authority("Lower CA")
    first, second = maker.certify(upper, public, path_length=0), maker.certify(lower, upper)
    leaf = maker.leaf("a forged leaf", maker.key(), lower)
    return BrokenChain("the path is too long", (leaf, second, first), (leaf, second, first, root))


def _another_issuer_name(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    issuing = maker.authority("Real CA")
    between = maker.certify(issuing, public)
    leaf = _leaf(maker.key(), Name("No Such CA"), issuing.key)
    return BrokenChain("the issuer's name is another", (leaf, between), (leaf, between, root))


def _root_appended(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    own = maker.authority("Forger's CA")
    leaf = maker.leaf("a forged leaf", maker.key(), own)
    between = maker.root(own)
    return BrokenChain("a root is merely appended", (leaf, between), (leaf, between, root))


FORGERIES: tuple[_Make, ...] = (
    _garbage_as_sha1,
    _garbage_below_an_intermediate,
    _another_key,
    _by_an_ordinary_leaf,
    _not_a_ca,
    _not_for_certificates,
    _too_long,
    _another_issuer_name,
    _root_appended,
)
"""Each makes a chain to the public root that is given, with an invalid link."""


def _expired(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    issuing = maker.authority("Real CA")
    between = maker.certify(issuing, public)
    leaf = maker.leaf("an old leaf", maker.key(), issuing, LEAF_EXPIRED)
    return BrokenChain("the leaf had expired", (leaf, between), (leaf, between, root), links_valid=True)


def _another_name(maker: CertificateMaker, public: Authority, root: Certificate) -> BrokenChain:
    issuing = maker.authority("Real CA")
    between = maker.certify(issuing, public)
    leaf = maker.leaf("another host's leaf", maker.key(), issuing, names=("attacker.example",))
    return BrokenChain("the leaf is for another host", (leaf, between), (leaf, between, root), links_valid=True)


IMPOSSIBLE: tuple[_Make, ...] = (_expired, _another_name)
"""Chains with valid links that no client accepts if it validates them."""


def _leaf(
    key: Key, issuer: Name, signer: Key, algorithm: Algorithm | None = None, signature: bytes | None = None
) -> Certificate:
    facts = Facts(Name(HOST), issuer, *LEAF_VALID, dns_names=(HOST,))
    return make_certificate("a forged leaf", facts, key, signer=signer, algorithm=algorithm, signature=signature)


def _intermediate(
    maker: CertificateMaker, by: Authority, *, ca: bool = True, signs_certificates: bool = True
) -> tuple[Certificate, Key]:
    key = maker.key()
    facts = Facts(Name("Unfit CA"), by.name, *VALID, ca=ca, signs_certificates=signs_certificates)
    return make_certificate("Unfit CA", facts, key, signer=by.key), key
