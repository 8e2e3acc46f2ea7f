"""Random worlds, each the same for the same number."""

import random
from collections.abc import Callable

from tests.differential.certificates import Certificate, Key
from tests.differential.clients import Connection, connect, reports
from tests.differential.forgeries import FORGERIES, BrokenChain
from tests.differential.hierarchy import (
    LEAF_EXPIRED,
    LEAF_VALID,
    Authority,
    Hierarchy,
    Ministry,
    make_hierarchy,
    make_roots,
)
from tests.differential.world import (
    DAY,
    HOST,
    NOW,
    YEAR,
    Client,
    Family,
    Forgery,
    Knowledge,
    Policies,
    Store,
    World,
)

EXAMPLE_PIN = "A" * 43 + "="
"""A pin that texts give as an example; the collector knows it as that."""
PRODUCT = ("Acme Proxy CA", "Acme Security")
"""The common name and organization of an interception product's root, known to the collector."""

_FORGED = 0.12
_ATTEMPTS = 400


def make_world(number: int) -> tuple[World, Connection]:
    """Make the world of a number: one in which the client reports, or somebody forges a report."""
    choice = random.Random(number)
    forged = choice.random() < _FORGED
    for _ in range(_ATTEMPTS):
        maker = _Maker(number, choice)
        world = maker.forged() if forged else maker.honest()
        connection = connect(world, choice)
        if forged or reports(world.client, connection):
            return world, connection
    raise AssertionError(f"world {number}: no client reports")


class _Maker:
    """Draws one world."""

    def __init__(self, number: int, choice: random.Random) -> None:
        self.number, self.choice = number, choice
        self.ministry = Ministry(choice)
        self.chance = self.ministry.chance
        self.roots = make_roots(self.ministry)
        self.site = make_hierarchy(self.ministry, self.roots, "Site")
        self.site_key = self.ministry.key()
        self.local = self._local_roots()
        self.local_bad = self.chance(0.2)
        self.story: list[str] = []

    def _local_roots(self) -> tuple[Authority, ...]:
        """Make the roots that somebody may have installed; the last one's private key is public."""
        impostor = self.ministry.authority("Public Root A")  # a public root's name, another key
        return (
            self.ministry.authority("Corporate Root", "Example Company"),
            self.ministry.authority(*PRODUCT),
            impostor,
            self.ministry.authority("Leaked Root"),
        )

    # Worlds

    def honest(self) -> World:
        """Draw what is served and to whom."""
        situations: dict[Callable[[], tuple[Certificate, ...]], int] = {
            self._own: 44,
            self._stray: 8,
            self._alien: 14,
            self._intercepted: 14,
            self._portal: 4,
            self._self_signed: 3,
            self._expired: 5,
            self._broken: 6,
        }
        situation = self.choice.choices(list(situations), list(situations.values()))[0]
        self.stray_key = self.ministry.key()
        self.installed: tuple[Certificate, ...] = ()
        self.cached: tuple[Certificate, ...] = ()
        served = situation()
        policies = self._policies()
        return World(
            self.number, tuple(self.story), served, self._client(policies), policies, self._knowledge()
        )

    def forged(self) -> World:
        """Draw a report that no client can have sent: its chain has no path, and it says that it has."""
        self.stray_key, self.installed, self.cached = self.ministry.key(), (), ()
        broken = self._broken_chain()
        policies = self._policies()
        client = self._client(policies, forged=True)
        known = policies.expected or policies.ever
        client = Client(
            client.family,
            client.store,
            NOW,
            client.enforcing,
            tuple(sorted(known)),
            validates_to_report=True,
            system_checks_pins=client.system_checks_pins,
        )
        self.story.append(f"forged: {broken.how}")
        forgery = Forgery(broken.how, broken.validated)
        return World(self.number, tuple(self.story), broken.served, client, policies, self._knowledge(), forgery)

    # What the server, or somebody in its place, sends

    def _own(self) -> tuple[Certificate, ...]:
        self.story.append("our server")
        leaf = self.ministry.leaf("our leaf", self.site_key, self.site.issuing)
        return self._serve(leaf, self.site)

    def _stray(self) -> tuple[Certificate, ...]:
        self.story.append("a server of ours with another key and CA")
        other = make_hierarchy(self.ministry, self.roots, "Other")
        return self._serve(self.ministry.leaf("our stray leaf", self.stray_key, other.issuing), other)

    def _alien(self) -> tuple[Certificate, ...]:
        self.story.append("somebody with a certificate for the host")
        other = self.site if self.chance(0.25) else make_hierarchy(self.ministry, self.roots, "Other")
        return self._serve(self.ministry.leaf("an alien leaf", self.ministry.key(), other.issuing), other)

    def _intercepted(self) -> tuple[Certificate, ...]:
        root = self.choice.choice(self.local)
        self.story.append(f"intercepted under {root.name.common_name}, {root.name.organization}")
        certificate = self.ministry.root(root)
        between: tuple[Certificate, ...] = ()
        issuing = root
        if self.chance(0.3):
            issuing = self.ministry.authority("Gateway CA", root.name.organization)
            between = (self.ministry.certify(issuing, root),)
        if self.chance(0.75):
            self.installed = (certificate,)
        leaf = self.ministry.leaf("an intercepting leaf", self.ministry.key(), issuing)
        return (leaf, *between, *((certificate,) if self.chance(0.5) else ()))

    def _portal(self) -> tuple[Certificate, ...]:
        self.story.append("a portal with a certificate for its own name")
        other = make_hierarchy(self.ministry, self.roots, "Other")
        leaf = self.ministry.leaf(
            "a portal's leaf", self.ministry.key(), other.issuing, names=("portal.hotel.example",)
        )
        return self._serve(leaf, other)

    def _self_signed(self) -> tuple[Certificate, ...]:
        self.story.append("a self-signed leaf")
        authority = Authority(self.site.issuing.name, self.ministry.key())
        lonely = Authority(authority.name, authority.key)
        return (self.ministry.leaf("a self-made leaf", authority.key, lonely),)

    def _expired(self) -> tuple[Certificate, ...]:
        ours = self.chance(0.7)
        self.story.append("an expired leaf of ours" if ours else "an expired leaf")
        key = self.site_key if ours else self.ministry.key()
        return self._serve(self.ministry.leaf("the leaf", key, self.site.issuing, LEAF_EXPIRED), self.site)

    def _broken(self) -> tuple[Certificate, ...]:
        broken = self._broken_chain()
        self.story.append(f"a chain that cannot be validated: {broken.how}")
        return broken.served

    def _broken_chain(self) -> BrokenChain:
        make = self.choice.choice(FORGERIES)
        public = self.choice.choice(self.roots.public)
        return make(self.ministry, public, self.roots.certificates[public])

    def _serve(self, leaf: Certificate, hierarchy: Hierarchy) -> tuple[Certificate, ...]:
        """Draw which certificates the server sends with its leaf, and in what order; and which the client has."""
        every, choice = list(hierarchy.certificates), self.choice
        if self.chance(0.08):
            sent = list[Certificate]()
            self.story.append("without its intermediates")
        elif self.chance(0.3):
            sent = every
        else:
            sent = [c for c in hierarchy.steps if self.chance(0.7)] or list(hierarchy.steps[:1])
            sent += [c for c in hierarchy.crosses if self.chance(0.4)]
        self.cached = tuple(c for c in every if c not in sent and self.chance(0.35))
        if self.chance(0.2):
            sent += choice.sample(self.roots.of(*hierarchy.roots), 1)
        if self.chance(0.12):
            sent += [self._superfluous()]
        if sent and self.chance(0.1):
            sent += [choice.choice((leaf, *sent))]
        if self.chance(0.25):
            choice.shuffle(sent)
        return (leaf, *sent)

    def _superfluous(self) -> Certificate:
        """Make a certificate that has nothing to do with the leaf."""
        return self.choice.choice(
            (
                *self.roots.of(*self.roots.public[:2]),
                self.ministry.root(self.local[-1]),
                self.ministry.leaf("a leaf of another host", self.ministry.key(), self.site.issuing, names=("x.example",)),
            )
        )

    # Who meets it, and what everybody knows

    def _policies(self) -> Policies:
        """Draw which keys of the site's hierarchy the operator pins, and pinned before or will pin."""
        choice, keys = self.choice, [self.site_key, *(c.key for c in self.site.certificates)]
        keys += [root.key for root in self.site.roots]
        on_paths = list(dict.fromkeys(key.pin for key in keys))
        backup = self.ministry.key().pin

        def draw() -> frozenset[str]:
            count = choice.choice((0, 1, 1, 1, 2))
            return frozenset((*choice.sample(on_paths, min(count, len(on_paths))), backup, self.ministry.key().pin))

        own = {key.pin for key in (self.site_key, self.stray_key) if self.chance(0.6)}
        return Policies(
            current=draw(),
            former=draw() if self.chance(0.5) else frozenset(),
            future=draw() if self.chance(0.2) else frozenset(),
            own_keys=frozenset(own),
            withdrawn=self.chance(0.03),
        )

    def _known_pins(self, policies: Policies) -> tuple[str, ...]:
        foreign = (self.ministry.key().pin, self.ministry.key().pin)
        sets = (policies.current, policies.former, policies.future, policies.current | policies.former)
        known = self.choice.choices((*sets, foreign, (EXAMPLE_PIN, foreign[0])), (62, 16, 5, 6, 8, 3))[0]
        return tuple(sorted(known or policies.current))

    def _client(self, policies: Policies, *, forged: bool = False) -> Client:
        choice, roots = self.choice, self.roots
        family = choice.choice((*Family, Family.TRUSTKIT_APPLE, Family.TRUSTKIT_ANDROID))
        shipped = [root for root in roots.of(*roots.public) if not self.chance(0.12)]
        shipped += [root for root in roots.of(*roots.former) if self.chance(0.4)]
        shipped += [root for root in roots.of(roots.elsewhere) if self.chance(0.4)]
        if self.chance(0.06):
            shipped += choice.sample(self.site.steps, 1)
        installed = [*self.installed, *(root for root in roots.of(roots.operator) if self.chance(0.5))]
        always = family in (Family.GO, Family.PROTON_BRIDGE, Family.PROTON_VPN)
        trustkit_android = family is Family.TRUSTKIT_ANDROID
        return Client(
            family=family,
            store=Store(tuple(shipped), tuple(installed)),
            clock=NOW if forged or not self.chance(0.07) else NOW + choice.choice((-3, -1, 1, 4)) * YEAR,
            enforcing=always or self.chance(0.5),
            known_pins=self._known_pins(policies),
            cached=self.cached,
            pin_only=family in (Family.GO, Family.PROTON_BRIDGE) and self.chance(0.3) and not forged,
            system_checks_pins=trustkit_android and self.chance(0.6),
            on_macos=family is Family.TRUSTKIT_APPLE and self.chance(0.25),
            validates_to_report=self.chance(0.7),
            zone=choice.choice((-11, -5, 0, 0, 3, 9)) * DAY / 24 if trustkit_android else DAY * 0,
        )

    def _knowledge(self) -> Knowledge:
        known = tuple(c for c in self.site.certificates if self.chance(0.25))
        bad = frozenset({self.local[-1].key.pin})
        of = self.roots.of
        return Knowledge(
            of(*self.roots.public), of(*self.roots.former), of(self.roots.operator), known, known_bad=bad
        )
