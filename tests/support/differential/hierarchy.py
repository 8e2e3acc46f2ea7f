"""Certification authorities of one world: roots, issuing CAs under several of them, cross-certificates."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.support.differential.certificates import (
    Algorithm,
    Certificate,
    Facts,
    Key,
    Name,
    Spelling,
    key_pool,
    make_certificate,
)
from tests.support.differential.world import HOST, NOW, YEAR

VALID = (NOW - 6 * YEAR, NOW + 6 * YEAR)
EXPIRED = (NOW - 6 * YEAR, NOW - YEAR / 2)
LEAF_VALID = (NOW - YEAR / 6, NOW + YEAR / 6)
LEAF_LONG_VALID = (NOW - 4 * YEAR, NOW + 5 * YEAR)
LEAF_EXPIRED = (NOW - YEAR / 2, NOW - YEAR / 6)

Validity = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA as its certificates' readers know it: a name and a key."""

    name: Name
    key: Key
    label: str = ""
    """Its name in failure messages, if that is not its common name."""


class CertificateMaker:
    """Makes the keys, names and certificates of one world."""

    def __init__(self, choice: random.Random) -> None:
        self.choice = choice
        elliptic, rsa = key_pool()
        self._keys = choice.sample(elliptic, 60)
        self._rsa = list(rsa)
        self.spellings = choice.random() < 0.12
        """Whether issuers encode names otherwise than their subjects do."""
        self.old_signatures = choice.random() < 0.06
        """Whether CAs sign with SHA-1, as before 2016; only RSA keys can."""

    def chance(self, probability: float) -> bool:
        """Draw."""
        return self.choice.random() < probability

    def key(self) -> Key:
        """Take an unused key."""
        return self._keys.pop()

    def ca_key(self) -> Key:
        """Take a CA's key, now and then RSA."""
        wanted = 1.0 if self.old_signatures else 0.1
        return self._rsa.pop() if self._rsa and self.chance(wanted) else self.key()

    def authority(self, name: str, organization: str = "Worlds of Test") -> Authority:
        """Make a CA."""
        return Authority(Name(name, organization), self.ca_key())

    def root(self, authority: Authority, validity: Validity = VALID) -> Certificate:
        """Let a CA sign itself."""
        facts = Facts(authority.name, authority.name, *validity, ca=True)
        label = authority.label or authority.name.common_name
        return make_certificate(label, facts, authority.key, signer=authority.key)

    def certify(
        self, subject: Authority, by: Authority, validity: Validity = VALID, *, path_length: int | None = None
    ) -> Certificate:
        """Let one CA certify another."""
        facts = Facts(subject.name, self._spelled(by.name), *validity, ca=True, path_length=path_length)
        label = f"{subject.label or subject.name.common_name} by {by.name.common_name}{self._past(validity)}"
        return make_certificate(label, facts, subject.key, signer=by.key, algorithm=self._algorithm(by.key))

    def leaf(
        self, label: str, key: Key, by: Authority, validity: Validity = LEAF_VALID, names: Sequence[str] = (HOST,)
    ) -> Certificate:
        """Let a CA certify an end entity."""
        facts = Facts(Name(names[0]), self._spelled(by.name), *validity, dns_names=tuple(names))
        full = f"{label} by {by.name.common_name}{self._past(validity)}"
        return make_certificate(full, facts, key, signer=by.key, algorithm=self._algorithm(by.key))

    def _spelled(self, name: Name) -> Name:
        return name.spelled(self.choice.choice(list(Spelling))) if self.spellings else name

    def _algorithm(self, key: Key) -> Algorithm | None:
        return Algorithm.RSA_SHA1 if self.old_signatures and key.is_rsa else None

    @staticmethod
    def _past(validity: Validity) -> str:
        return " (expired)" if validity[1] < NOW else ""


@dataclass(frozen=True, slots=True)
class Roots:
    """The roots of a world, by the stores that contain them."""

    public: tuple[Authority, ...]
    former: tuple[Authority, ...]
    operator: Authority
    elsewhere: Authority
    """Shipped with some devices, in no store that the collector knows."""
    certificates: dict[Authority, Certificate]

    def of(self, *authorities: Authority) -> tuple[Certificate, ...]:
        """Return their self-signed certificates."""
        return tuple(self.certificates[authority] for authority in authorities)


def make_roots(maker: CertificateMaker) -> Roots:
    """Make three public roots, one or two former ones, and one of each other kind."""
    public = tuple(maker.authority(f"Public Root {letter}") for letter in "ABC")
    former = tuple(maker.authority(f"Former Root {letter}") for letter in "DE"[: maker.choice.randint(1, 2)])
    operator, elsewhere = maker.authority("Operator Root"), maker.authority("Root Shipped Elsewhere")
    certificates = {root: maker.root(root) for root in (*public, operator, elsewhere)}
    certificates |= {root: maker.root(root, EXPIRED if maker.chance(0.3) else VALID) for root in former}
    return Roots(public, former, operator, elsewhere, certificates)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """An issuing CA with all that leads up from it."""

    issuing: Authority
    """The one that signs leaves."""
    steps: tuple[Certificate, ...]
    """Certificates of the issuing CA and, where there is one, of the CA between it and the roots."""
    crosses: tuple[Certificate, ...]
    """Certificates of roots by other roots."""
    roots: tuple[Authority, ...]
    """The roots above, those that only a cross-certificate reaches at the end."""

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Everything but the roots themselves."""
        return (*self.steps, *self.crosses)


def make_hierarchy(maker: CertificateMaker, roots: Roots, name: str) -> Hierarchy:
    """Make an issuing CA under one to three roots, some certificates expired, perhaps with cross-certificates."""
    choice = maker.choice
    candidates = [*roots.public, *roots.public, *roots.former, roots.operator, roots.elsewhere]
    above = list(dict.fromkeys(choice.sample(candidates, choice.choice((1, 1, 2, 2, 3)))))
    middle = maker.authority(f"{name} CA")
    steps = [maker.certify(middle, root, EXPIRED if maker.chance(0.12) else VALID) for root in above]
    if maker.chance(0.08):
        steps.append(maker.certify(middle, above[0], EXPIRED))  # an older certificate of the same key
    issuing = middle
    if maker.chance(0.25):
        issuing = maker.authority(f"{name} Sub CA")
        steps.insert(0, maker.certify(issuing, middle, path_length=choice.choice((None, 0))))
    crosses = []
    for upper in above[:2]:
        if maker.chance(0.4):
            by = choice.choice([root for root in (*roots.former, *roots.public) if root != upper])
            crosses.append(maker.certify(upper, by, EXPIRED if maker.chance(0.3) else VALID))
            above.append(by)
    return Hierarchy(issuing, tuple(steps), tuple(crosses), tuple(dict.fromkeys(above)))
