"""Chains that look like paths to a public root and are none: one link does not hold, or no client takes the leaf."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.certificates import Algorithm, Certificate, Facts, Key, Name, make_certificate
from tests.differential.hierarchy import LEAF_EXPIRED, LEAF_VALID, VALID, Authority, Ministry
from tests.differential.world import HOST


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """What a server may send, and what a forger says that a client validated."""

    how: str
    served: tuple[Certificate, ...]
    validated: tuple[Certificate, ...]
    links_hold: bool = False


_Make = Callable[[Ministry, Authority, Certificate], BrokenChain]


def _garbage_as_sha1(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    signature = random.Random(ministry.choice.random()).randbytes(256)
    leaf = _leaf(ministry.key(), public.name, public.key, Algorithm.RSA_SHA1, signature)
    return BrokenChain("the signature is garbage, called sha1WithRSA", (leaf,), (leaf, root))


def _garbage_below_an_intermediate(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    issuing = ministry.authority("Real CA")
    between = ministry.certify(issuing, public)
    signature = random.Random(ministry.choice.random()).randbytes(256)
    leaf = _leaf(ministry.key(), issuing.name, issuing.key, Algorithm.RSA_SHA256, signature)
    return BrokenChain("a garbage signature below a real intermediate", (leaf, between), (leaf, between, root))


def _another_key(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    issuing = ministry.authority("Real CA")
    between = ministry.certify(issuing, public)
    leaf = _leaf(ministry.key(), issuing.name, ministry.key())
    return BrokenChain("signed by another key than the issuer's", (leaf, between), (leaf, between, root))


def _by_an_ordinary_leaf(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    issuing, holder = ministry.authority("Real CA"), ministry.key()
    between = ministry.certify(issuing, public)
    ordinary = ministry.leaf("an ordinary leaf", holder, issuing, names=("attacker.example",))
    leaf = _leaf(ministry.key(), ordinary.facts.subject, holder)
    return BrokenChain("signed by an ordinary leaf", (leaf, ordinary, between), (leaf, ordinary, between, root))


def _not_a_ca(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    between, key = _intermediate(ministry, public, ca=False)
    leaf = _leaf(ministry.key(), between.facts.subject, key)
    return BrokenChain("the intermediate is no CA", (leaf, between), (leaf, between, root))


def _not_for_certificates(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    between, key = _intermediate(ministry, public, signs_certificates=False)
    leaf = _leaf(ministry.key(), between.facts.subject, key)
    return BrokenChain("the intermediate may not sign certificates", (leaf, between), (leaf, between, root))


def _too_long(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    upper, lower = ministry.authority("Upper CA"), ministry.authority("Lower CA")
    first, second = ministry.certify(upper, public, path_length=0), ministry.certify(lower, upper)
    leaf = ministry.leaf("a forged leaf", ministry.key(), lower)
    return BrokenChain("the path is too long", (leaf, second, first), (leaf, second, first, root))


def _another_issuer_name(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    issuing = ministry.authority("Real CA")
    between = ministry.certify(issuing, public)
    leaf = _leaf(ministry.key(), Name("No Such CA"), issuing.key)
    return BrokenChain("the issuer's name is another", (leaf, between), (leaf, between, root))


def _root_appended(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    own = ministry.authority("Forger's CA")
    leaf = ministry.leaf("a forged leaf", ministry.key(), own)
    between = ministry.root(own)
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
"""Each makes a chain to the public root that is given, with a link that does not hold."""


def _expired(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    issuing = ministry.authority("Real CA")
    between = ministry.certify(issuing, public)
    leaf = ministry.leaf("an old leaf", ministry.key(), issuing, LEAF_EXPIRED)
    return BrokenChain("the leaf had expired", (leaf, between), (leaf, between, root), links_hold=True)


def _another_name(ministry: Ministry, public: Authority, root: Certificate) -> BrokenChain:
    issuing = ministry.authority("Real CA")
    between = ministry.certify(issuing, public)
    leaf = ministry.leaf("another host's leaf", ministry.key(), issuing, names=("attacker.example",))
    return BrokenChain("the leaf is for another host", (leaf, between), (leaf, between, root), links_hold=True)


IMPOSSIBLE: tuple[_Make, ...] = (_expired, _another_name)
"""Chains whose links hold, and which no client that validates takes."""


def _leaf(
    key: Key, issuer: Name, signer: Key, algorithm: Algorithm | None = None, signature: bytes | None = None
) -> Certificate:
    facts = Facts(Name(HOST), issuer, *LEAF_VALID, dns_names=(HOST,))
    return make_certificate("a forged leaf", facts, key, signer=signer, algorithm=algorithm, signature=signature)


def _intermediate(
    ministry: Ministry, by: Authority, *, ca: bool = True, signs_certificates: bool = True
) -> tuple[Certificate, Key]:
    key = ministry.key()
    facts = Facts(Name("Unfit CA"), by.name, *VALID, ca=ca, signs_certificates=signs_certificates)
    return make_certificate("Unfit CA", facts, key, signer=by.key), key
