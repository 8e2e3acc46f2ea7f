"""Right answers for a world: the causes that the facts support, and whether pins end the connection.

The causes are those of docs/causes.md. The first that holds names the cause, and what the sender says it checked
bounds which can hold:

* trusted, and no known pin matched (result 1, Chromium, and all that report nothing else): never ``clock``,
  ``name_mismatch``, ``untrusted_chain``;
* not trusted (result 2): unrelated to pins, and pins lock out no client;
* Chromium: the root is one that it ships, whatever the collector's stores say, so never a private root.

If a report does not show what its sender compared, several causes may be right: each one that is right for a
connection that would have produced the same report.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.support.differential.certificates import Certificate, Spelling
from tests.support.differential.clients import Connection, Failure
from tests.support.differential.situations import PRODUCT
from tests.support.differential.verifier import Path, Verifier, covers, identity
from tests.support.differential.world import HOST, Client, Family, World

BLOCKERS = frozenset({"other_trust_path", "own_key_not_pinned", "unknown_key_public_ca", "stale_known_pins"})
"""Causes that hold a verdict back; the last one where clients enforce."""
TRUSTED_ANCHORS = frozenset({"public", "former_public", "operator"})

_EVERY_CAUSE = (
    frozenset(
        {"no_evidence", "implausible", "matches_expected", "foreign_pins", "known_bad_key", "clock", "name_mismatch"}
        | {"untrusted_chain", "interception_product", "private_root"}
    )
    | BLOCKERS
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The right answers. An unknown ``locks_out`` is never wrong, only useless."""

    causes: frozenset[str]
    locks_out: frozenset[bool]


def right_answer(world: World, connection: Connection) -> Answer:
    """Return the right answers for the report of this connection."""
    if world.forgery is not None:
        # A forged report must not block enforcing; which of the other causes it gets matters little.
        return Answer(_EVERY_CAUSE - BLOCKERS, frozenset({True, False}))
    view = _View(world, connection)
    if not connection.trusted:
        return Answer(frozenset(view.untrusted()), frozenset({False}))
    causes = set(view.pins_failed(connection.path, connection.compared))
    for path, compared in view.like_this():
        causes |= set(view.pins_failed(path, compared))
    return Answer(frozenset(causes), view.locks_out())


def hides_the_path(client: Client) -> bool:
    """Whether the report omits the path that the client validated, or whether it validated one."""
    return (
        client.family is Family.PROTON_BRIDGE
        or client.pin_only
        or client.system_checks_pins
        or (client.family is Family.RFC7469 and not client.validates_to_report)
    )


class _View:
    """A connection as the collector can know it."""

    def __init__(self, world: World, connection: Connection) -> None:
        self.world, self.connection, self.client = world, connection, world.client
        self.leaf = world.served[0]
        self.known = frozenset(world.client.known_pins)
        self.expected, self.ever = world.policies.expected, world.policies.ever
        self.ours = self.leaf.pin in world.policies.own_keys | self.ever
        knowledge = world.knowledge
        self.reported = self._reported()
        self.visible = (*self.reported, *knowledge.intermediates, *knowledge.anchors)
        # Connected by signatures of certificates that may sign, expired ones included; and without those.
        self.joined = _pins(Verifier(None).connected(self.leaf, self.visible))
        self.joined_now = _pins(Verifier(self.client.clock).connected(self.leaf, self.visible))
        self.bad = knowledge.known_bad & self.joined

    def _reported(self) -> tuple[Certificate, ...]:
        client, path, served = self.client, self.connection.path or (), self.world.served
        match client.family:
            case Family.TRUSTKIT_APPLE | Family.PROTON_VPN | Family.PROTON_BRIDGE:
                return path or served
            case Family.TRUSTKIT_ANDROID if client.system_checks_pins:
                return served
            case Family.RFC7469 if not client.validates_to_report:
                return served
        return (*served, *path)

    def like_this(self) -> Iterator[tuple[Path | None, frozenset[str]]]:
        """Return other connections that would have made the same report: a path, and the pins compared."""
        if not hides_the_path(self.client):
            return
        client = self.client
        if client.family is Family.PROTON_BRIDGE:
            # The chain in the report is the verified one, or if there is none the served one. The served one is what
            # was compared: of a verified chain any part with the leaf, known pins excepted.
            yield from (
                (None, compared) for compared in (_pins(self.reported) - self.known, frozenset({self.leaf.pin}))
            )
        elif client.family is not Family.GO:
            failing = [path for path in self._possible_paths() if not _pins(path) & self.known]
            yield from ((path, _pins(path)) for path in failing)
            if not failing:  # the client validated a path that the collector cannot find
                yield None, frozenset({self.leaf.pin})

    def _possible_paths(self) -> tuple[Path, ...]:
        return Verifier(self.client.clock, anchor_dates=False).paths(self.leaf, self.visible, self._visible_roots())

    def _visible_roots(self) -> tuple[Certificate, ...]:
        own_roots = (certificate for certificate in self.visible if certificate.self_issued)
        return tuple(dict.fromkeys((*self.world.knowledge.anchors, *own_roots)))

    # Result 2

    def untrusted(self) -> Iterator[str]:
        """Causes for a chain that the client does not trust: none about pins."""
        yield "untrusted_chain"
        if Failure.OUT_OF_DATE in self.connection.failure or self._out_of_date():
            yield "clock"
        if Failure.OTHER_NAME in self.connection.failure:
            yield "name_mismatch"
        if self.bad:
            yield "known_bad_key"  # a failed attack is still an attack
        if not self.known & self.ever:
            yield "foreign_pins"

    def _out_of_date(self) -> bool:
        """Whether the leaf, or every path that the collector can find, is outside its validity for the client."""
        roots, clock = self._visible_roots(), self.client.clock
        if not self.leaf.valid_at(clock):
            return True
        # A path that ends nowhere may have an expired certificate as well.
        return not Verifier(clock).paths(self.leaf, self.visible, roots) and self.joined != self.joined_now

    # Result 1, and whatever reports nothing else

    def pins_failed(self, path: Path | None, compared: frozenset[str]) -> Iterator[str]:
        """Causes for known pins of which none was among those compared."""
        if not self.expected:
            yield from self._without_policy(path)
        elif compared & self.expected:
            yield "stale_known_pins" if self.known & self.ever else "foreign_pins"
        elif not self.known & self.ever:
            yield "foreign_pins"
        elif self._bad_on(path):
            yield "known_bad_key"
            if not self.bad:  # on the path, but not in the report
                yield from self._unseen()
        else:
            yield from self._our_doing(path)

    def _bad_on(self, path: Path | None) -> bool:
        return bool((self.joined | _pins(path or ())) & self.world.knowledge.known_bad)

    def _our_doing(self, path: Path | None) -> Iterator[str]:
        # A pinned certificate that signatures join to the leaf, off the path that was compared.
        if self.expected & self.joined_now and (self.ours or covers(self.leaf, HOST)):
            yield "other_trust_path"
            return
        if self.expected & self.joined:  # only through expired certificates: both answers are right
            yield "other_trust_path"
        if self.ours:
            yield "own_key_not_pinned"
            if path and set(path[1:-1]) - set(self.world.served):
                yield "other_trust_path"  # no pin on the path, nor in the served chain: both answers say so
            return
        yield from self._others_doing(path)

    def _others_doing(self, path: Path | None) -> Iterator[str]:
        if self.client.pin_only or (path is None and self.client.family is Family.PROTON_BRIDGE):
            yield from self._unvalidated()
        elif path is None:
            yield from self._unseen()
        else:
            yield from self._by_anchor(path)

    def _by_anchor(self, path: Path) -> Iterator[str]:
        """Causes by the anchor: known to the collector, shipped with a browser, or installed."""
        now, ever = (self._leads_to_known_anchor(path, Verifier(moment)) for moment in (self.client.clock, None))
        shown = path[-1] in self.visible or not hides_the_path(self.client)
        if ever or self.client.family is Family.CHROMIUM:
            yield "unknown_key_public_ca"
        # An unknown root that a known one certified in an expired certificate is both.
        if shown and not now and self.client.family is not Family.CHROMIUM:
            yield self._interception()
        if hides_the_path(self.client) and not self._possible_paths():
            yield from self._unseen()
        elif self.client.family in (Family.RFC7469, Family.PROTON_VPN) and not ever and not path[-1].self_issued:
            yield "untrusted_chain"  # a path to no root, by a sender that may report chains that it does not trust

    def _unseen(self) -> Iterator[str]:
        """Causes if the report ends below an anchor that the collector does not know."""
        yield from (self._interception(), "no_evidence")
        if self.client.family not in (Family.CHROMIUM, Family.TRUSTKIT_ANDROID, Family.TRUSTKIT_APPLE):
            yield "untrusted_chain"
            if self._out_of_date():
                yield "clock"

    def _unvalidated(self) -> Iterator[str]:
        """Causes for a served chain that the client perhaps never validated."""
        if not covers(self.leaf, HOST):
            yield "name_mismatch"
        if self._out_of_date():
            yield "clock"
        if self._possible_paths() and covers(self.leaf, HOST):
            yield "unknown_key_public_ca" if self._known_path() else self._interception()
        if not self._known_path():
            yield from (self._interception(), "untrusted_chain")

    def _known_path(self) -> bool:
        anchors = self.world.knowledge.anchors
        return bool(Verifier(self.client.clock, anchor_dates=False).paths(self.leaf, self.visible, anchors))

    def _leads_to_known_anchor(self, path: Path, verifier: Verifier) -> bool:
        anchors, top = self.world.knowledge.anchors, path[-1]
        # The path may end at an intermediate that the store holds, or at a root that another one certified.
        same = [top, *(other for other in self.visible if identity(other) == identity(top))]
        known = {identity(anchor) for anchor in anchors}
        return identity(top) in known or any(verifier.paths(other, self.visible, anchors) for other in same)

    def _interception(self) -> str:
        issuer = self.leaf.facts.issuer
        named = (issuer.common_name, issuer.organization) == PRODUCT and issuer.spelling is not Spelling.CAPITALS
        return "interception_product" if named else "private_root"

    def _without_policy(self, path: Path | None) -> Iterator[str]:
        """Causes if no pins are in force: they follow from the pins that the client knows."""
        if self.known & self.ever:
            yield "stale_known_pins"
        if not self.known & self.ever:
            yield "foreign_pins"
        if self._bad_on(path):
            yield "known_bad_key"
        if self.known & self.joined:
            yield "other_trust_path"
        yield from self._others_doing(path)

    def locks_out(self) -> frozenset[bool]:
        """Whether pins end this connection: the expected pins if enforced, or those that the client enforces."""
        client, compared = self.client, self.connection.compared
        if self.expected and not compared & self.expected:
            return frozenset({True})
        if client.enforcing and self.known & self.ever:
            # It refused the connection because of pins of another revision. A report in the plain form of RFC 7469
            # does not state the mode, so both answers are right for it.
            return frozenset({True, False}) if client.family is Family.RFC7469 else frozenset({True})
        if client.enforcing:
            return frozenset({True, False})  # refused, but because of pins that were never the operator's
        return frozenset({False})


def _pins(certificates: Iterable[Certificate]) -> frozenset[str]:
    return frozenset(certificate.pin for certificate in certificates)
