"""What a client is served: by the site, by an attacker, by software in between."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.differential.certificates import Certificate
from tests.support.differential.forgeries import FORGERIES, IMPOSSIBLE, BrokenChain
from tests.support.differential.hierarchy import (
    LEAF_EXPIRED,
    LEAF_LONG_VALID,
    LEAF_VALID,
    Authority,
    CertificateMaker,
    Hierarchy,
    Validity,
    make_hierarchy,
    make_roots,
)

PRODUCT = ("Acme Proxy CA", "Acme Security")
"""The common name and organization of an interception product's root, known to the collector."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is served, and what is on the device because of it."""

    summary: str
    served: tuple[Certificate, ...]
    cached: tuple[Certificate, ...] = ()
    """Certificates that the client has from elsewhere."""
    installed: tuple[Certificate, ...] = ()
    """Roots that were installed on the device."""
    broken: bool = False
    """Whether no client can find a path, because a link is invalid."""


class Scene:
    """The authorities of one world, and what they can have served."""

    def __init__(self, choice: random.Random) -> None:
        self.choice = choice
        self.maker = CertificateMaker(choice)
        self.chance = self.maker.chance
        self.roots = make_roots(self.maker)
        self.site = make_hierarchy(self.maker, self.roots, "Site")
        self.site_key, self.stray_key = self.maker.key(), self.maker.key()
        self.leaked = self.maker.authority("Leaked Root")
        """A root whose private key is public."""

    def draw(self) -> Situation:
        """Draw a situation."""
        weights: dict[Callable[[], Situation], int] = {
            self._own: 44,
            self._stray: 8,
            self._alien: 14,
            self._intercepted: 14,
            self._portal: 4,
            self._self_signed: 3,
            self._expired: 5,
            self._broken: 6,
        }
        return self.choice.choices(list(weights), list(weights.values()))[0]()

    def broken_chain(self, *, for_forgery: bool = False) -> BrokenChain:
        """Make a chain to a public root with an invalid link; for a forged report, also one with an unusable leaf."""
        public = self.choice.choice(self.roots.public)
        kinds = (*FORGERIES, *IMPOSSIBLE) if for_forgery else FORGERIES
        return self.choice.choice(kinds)(self.maker, public, self.roots.certificates[public])

    def _own(self) -> Situation:
        leaf = self.maker.leaf("our leaf", self.site_key, self.site.issuing, self._lifetime())
        return self._serve("our server", leaf, self.site)

    def _lifetime(self) -> Validity:
        """Draw how long a leaf is valid; long ones still are for a client whose clock is years off."""
        return LEAF_LONG_VALID if self.chance(0.2) else LEAF_VALID

    def _stray(self) -> Situation:
        other = make_hierarchy(self.maker, self.roots, "Other")
        renewed = self.chance(0.3)  # by another CA, with the same key
        label, key = ("our renewed leaf", self.site_key) if renewed else ("our stray leaf", self.stray_key)
        leaf = self.maker.leaf(label, key, other.issuing)
        return self._serve("a server of ours with another key and CA", leaf, other)

    def _alien(self) -> Situation:
        other = self.site if self.chance(0.25) else make_hierarchy(self.maker, self.roots, "Other")
        leaf = self.maker.leaf("an alien leaf", self.maker.key(), other.issuing, self._lifetime())
        return self._serve("an attacker with a certificate for the host", leaf, other)

    def _intercepted(self) -> Situation:
        impostor = Authority(self.roots.public[0].name, self.maker.key(), label="an impostor of Public Root A")
        corporate = self.maker.authority("Corporate Root", "Example Company")
        root = self.choice.choice((corporate, self.maker.authority(*PRODUCT), impostor, self.leaked))
        if root is self.leaked and self.chance(0.4):
            return self._leaked_below_a_public_root()
        certificate, issuing, between = self.maker.root(root), root, tuple[Certificate, ...]()
        if self.chance(0.3):
            issuing = self.maker.authority("Gateway CA", root.name.organization)
            between = (self.maker.certify(issuing, root),)
        leaf = self.maker.leaf("an intercepting leaf", self.maker.key(), issuing)
        served = (leaf, *between, *((certificate,) if self.chance(0.5) else ()))
        installed = (certificate,) if self.chance(0.75) else ()
        return Situation(f"intercepted under {root.label or root.name.common_name}", served, installed=installed)

    def _leaked_below_a_public_root(self) -> Situation:
        """Certify the compromised key by a public root, as happened with interception gateways."""
        public = self.choice.choice(self.roots.public)
        leaf = self.maker.leaf("an intercepting leaf", self.maker.key(), self.leaked)
        return Situation("intercepted by a compromised CA", (leaf, self.maker.certify(self.leaked, public)))

    def _portal(self) -> Situation:
        other = make_hierarchy(self.maker, self.roots, "Other")
        names = ("portal.hotel.example",)
        leaf = self.maker.leaf("a portal's leaf", self.maker.key(), other.issuing, names=names)
        return self._serve("a portal with a certificate for its own name", leaf, other)

    def _self_signed(self) -> Situation:
        lonely = Authority(self.site.issuing.name, self.maker.key())
        return Situation("a self-made leaf", (self.maker.leaf("a self-made leaf", lonely.key, lonely),))

    def _expired(self) -> Situation:
        ours = self.chance(0.7)
        key = self.site_key if ours else self.maker.key()
        leaf = self.maker.leaf("our leaf" if ours else "an alien leaf", key, self.site.issuing, LEAF_EXPIRED)
        return self._serve("an expired leaf", leaf, self.site)

    def _broken(self) -> Situation:
        chain = self.broken_chain()
        return Situation(f"a chain without a path: {chain.how}", chain.served, broken=True)

    def _serve(self, summary: str, leaf: Certificate, hierarchy: Hierarchy) -> Situation:
        """Draw which certificates the server sends with its leaf, and in what order; and which the client has."""
        every, choice = list(hierarchy.certificates), self.choice
        sent = self._sent(hierarchy)
        cached = tuple(certificate for certificate in every if certificate not in sent and self.chance(0.35))
        if self.chance(0.2):
            sent += choice.sample(self.roots.of(*hierarchy.roots), 1)
        if self.chance(0.12):
            sent += [self._superfluous()]
        if sent and self.chance(0.1):
            sent += [choice.choice((leaf, *sent))]
        if self.chance(0.25):
            choice.shuffle(sent)
        return Situation(summary, (leaf, *sent), cached)

    def _sent(self, hierarchy: Hierarchy) -> list[Certificate]:
        draw = self.choice.random()
        if draw < 0.08:  # the server forgot its intermediates
            return []
        if draw < 0.35:
            return list(hierarchy.certificates)
        sent = [certificate for certificate in hierarchy.steps if self.chance(0.7)] or list(hierarchy.steps[:1])
        return sent + [certificate for certificate in hierarchy.crosses if self.chance(0.4)]

    def _superfluous(self) -> Certificate:
        """Make a certificate that has nothing to do with the leaf."""
        names = ("x.example",)
        namesake = Authority(self.site.issuing.name, self.maker.key(), label="a namesake of the CA")
        by_namesake = self.maker.certify(namesake, self.choice.choice(self.roots.public))
        stranger = self.maker.leaf("another host's leaf", self.maker.key(), self.site.issuing, names=names)
        root = self.choice.choice(self.roots.of(*self.roots.public))
        return self.choice.choice((root, self.maker.root(self.leaked), stranger, by_namesake))
