"""The search for every path from a leaf to where paths end.

Certificates of one name and key are one node, because clients choose among them by dates and because it keeps the
search small::

    leaf ──issuers──> node ──issuers──> node …        by names that agree and signatures that the budget pays for
                       └ ends, where it is an anchor; and goes on above its cross-certificates, for clients
                         without that anchor

No name and key twice on a path (RFC 4158 section 5.2). Dates and extensions are no part of the search: they are
judged afterwards, at a moment.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from app.hpkp.x509.anchors import Identity, KnownCertificates, identity_of
from app.hpkp.x509.budget import Budget
from app.hpkp.x509.certificate import Certificate, Element
from app.hpkp.x509.names import Name
from app.hpkp.x509.signature_algorithms import BROKEN_HASHES
from app.hpkp.x509.signatures import Link, Verification


class End(Enum):
    """Why a path ends."""

    ANCHOR = "at an anchor"
    SELF_SIGNED = "at a certificate that signed itself"
    NO_ISSUER = "no issuer is at hand"


Way = tuple[Certificate, Verification | None]
"""A certificate, and its link to the next node; None at the end of a path."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A path of nodes, from the leaf upward; each node with the certificates that lead on to the next."""

    nodes: tuple[tuple[Way, ...], ...]
    end: End


@dataclass(frozen=True, slots=True)
class Found:
    """What the search found: at least one candidate, if only the leaf by itself."""

    candidates: tuple[Candidate, ...]
    joined: frozenset[bytes]
    """Fingerprints of the sent certificates whose keys are joined to the leaf by verified signatures."""
    limits_reached: tuple[str, ...]


def search_paths(leaf: Certificate, sent: Iterable[Element], known: KnownCertificates, budget: Budget) -> Found:
    """Find the paths from ``leaf``; order, duplicates and superfluous ones of ``sent`` do not matter."""
    search = _Search(leaf, sent, known, budget)
    search.walk((), search.leaf_node, frozenset({search.leaf_node.identity}))
    # The budget may be spent before any path ends. The leaf by itself is always one.
    found = tuple(search.found) or (Candidate((((leaf, None),),), End.NO_ISSUER),)
    return Found(found, search.find_joined(), tuple(search.limits))


@dataclass(frozen=True, slots=True)
class _Node:
    identity: Identity
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class _Edge:
    """To a node whose key signed some of a node's certificates."""

    issuer: _Node
    ways: tuple[Way, ...]


class _Search:
    """One search; its edges are found once for each node."""

    def __init__(self, leaf: Certificate, sent: Iterable[Element], known: KnownCertificates, budget: Budget) -> None:
        self.known = known
        self.budget = budget
        self.found: list[Candidate] = []
        self.limits: dict[str, None] = {}
        self.leaf_node = _Node(identity_of(leaf), (leaf,))
        self.sent: dict[Identity, dict[bytes, Certificate]] = {}
        self.sent_by_name: dict[Name, dict[Identity, None]] = {}
        for element in sent:
            # By name and key, so that duplicates and order of what was sent make no difference.
            if isinstance(element, Certificate) and element != leaf:
                identity = identity_of(element)
                self.sent.setdefault(identity, {})[element.fingerprint] = element
                self.sent_by_name.setdefault(identity[0], {})[identity] = None
        self.nodes: dict[Identity, _Node] = {}
        self.edges: dict[tuple[bytes, ...], tuple[_Edge, ...]] = {}

    def walk(self, below: tuple[tuple[Way, ...], ...], node: _Node, seen: frozenset[Identity]) -> None:
        """Put a node on the path below it, and continue above it.

        1. Pay for the step. Without that, CAs that signed each other give no path, and the search never ends.
        2. At an anchor keep the path. A leaf is an anchor only if the operator named it.
        3. Continue above the anchor as well, to names and keys that are not on the path yet.
        4. With nothing above and no anchor, keep the path with the reason why it ends.
        """
        # 1
        if not self.budget.take_step():
            return self.limit("steps of the search")
        # 2
        anchors = self.known.anchors_of(node.identity)
        went_on = bool(anchors) and (bool(below) or self.known.named_by_operator(node.identity))
        if went_on:
            # The store's certificates stand for the anchor's dates, but a leaf is judged as the leaf that was sent.
            ends = anchors if below else node.certificates
            self.keep(Candidate((*below, tuple((one, None) for one in ends)), End.ANCHOR))
        # 3: an edge to the node itself is a self-signature, which leads nowhere.
        edges = self.issuers(node)
        self_signed = [edge for edge in edges if edge.issuer.identity == node.identity]
        onward = [edge for edge in edges if edge.issuer.identity not in seen]
        # Only with something above: a path of exactly that length is whole.
        if onward and len(below) + 1 == self.budget.depth:
            return self.limit(f"{self.budget.depth} certificates on a path")
        for edge in onward:
            self.walk((*below, edge.ways), edge.issuer, seen | {edge.issuer.identity})
        # 4
        if not onward and not went_on:
            ends = tuple(way[0] for way in self_signed[0].ways) if self_signed else node.certificates
            end = End.SELF_SIGNED if self_signed else End.NO_ISSUER
            self.keep(Candidate((*below, tuple((one, None) for one in ends)), end))
        return None

    def keep(self, candidate: Candidate) -> None:
        """Keep a path, as many as are paid for."""
        if not self.budget.take_path(len(candidate.nodes)):
            return self.limit("paths")
        self.found.append(candidate)
        return None

    def limit(self, what: str) -> None:
        """Note which limit left something out."""
        self.limits[f"The limit of {what} was reached; other paths may exist."] = None

    def node(self, identity: Identity) -> _Node:
        """Return a node with the certificates that were sent, then those that are known besides."""
        if (node := self.nodes.get(identity)) is None:
            certificates = dict(self.sent.get(identity, {}))
            for one in self.known.certificates_of(identity):
                certificates.setdefault(one.fingerprint, one)
            if identity == self.leaf_node.identity:
                certificates.setdefault(self.leaf_node.certificates[0].fingerprint, self.leaf_node.certificates[0])
            node = self.nodes[identity] = _Node(identity, tuple(certificates.values()))
        return node

    def issuers(self, node: _Node) -> tuple[_Edge, ...]:
        """Return the nodes whose keys signed certificates of this one, likely ones first."""
        # By its certificates: the leaf's node has one alone, and the node of the same name and key may have more.
        key = tuple(one.fingerprint for one in node.certificates)
        if (edges := self.edges.get(key)) is None:
            ways: dict[Identity, list[Way]] = {}
            for one in node.certificates:
                for issuer in self.candidates(one):
                    verification = self.verify(one, issuer.certificates[0])
                    # No edge without a check: when unchecked links were followed, 100 certificates of one name took 4
                    # s. A link that is not checkable stays, and makes the path unverified.
                    if verification is not None and verification.link is not Link.NOT_SIGNED:
                        ways.setdefault(issuer.identity, []).append((one, verification))
            edges = tuple(_Edge(self.node(identity), tuple(found)) for identity, found in ways.items())
            self.edges[key] = edges
        return edges

    def candidates(self, certificate: Certificate) -> list[_Node]:
        """Return the nodes of the name that a certificate gives as its issuer: the order decides nothing but what a
        spent budget leaves out.
        """  # noqa: D205
        name = certificate.issuer_name
        identities = dict.fromkeys((*self.sent_by_name.get(name, ()), *self.known.identities_named(name)))
        # The leaf may have signed itself; it is not among those sent.
        if name == self.leaf_node.identity[0]:
            identities[self.leaf_node.identity] = None
        nodes = [self.node(identity) for identity in identities]
        # Key identifiers order and exclude none, as in Go and Chromium: anybody can write them.
        if len(nodes) > 1:
            nodes.sort(key=lambda node: (_rank_key_identifiers(certificate, node), not self.is_anchor(node)))
        return nodes

    def is_anchor(self, node: _Node) -> bool:
        """Whether a store holds the node."""
        return bool(self.known.anchors_of(node.identity))

    def verify(self, child: Certificate, issuer: Certificate) -> Verification | None:
        """Verify a link; between two known certificates it costs nothing. None where the budget is spent."""
        # Otherwise a sender could spend the budget on links that are the same for all reports.
        if child in self.known and issuer in self.known:
            return self.known.verify(child, issuer)
        verification = self.budget.verify(child, issuer)
        if verification is None:
            self.limit("signature checks")
        return verification

    def find_joined(self) -> frozenset[bytes]:
        """Follow the verified links from the leaf; MD5 joins nothing."""
        reached, waiting = {self.leaf_node.identity}, [self.leaf_node]
        while waiting:
            node = waiting.pop()
            for edge in self.edges.get(tuple(one.fingerprint for one in node.certificates), ()):
                # One certificate of a node is enough, because its key is that of them all.
                if edge.issuer.identity not in reached and any(map(_is_verified, edge.ways)):
                    reached.add(edge.issuer.identity)
                    waiting.append(edge.issuer)
        return frozenset(self._sent_of(reached))

    def _sent_of(self, identities: set[Identity]) -> Iterator[bytes]:
        """Yield the fingerprints of the leaf, and of the certificates sent that have these names and keys."""
        yield self.leaf_node.certificates[0].fingerprint
        for identity in identities - {self.leaf_node.identity}:
            yield from self.sent.get(identity, ())


def _rank_key_identifiers(child: Certificate, issuer: _Node) -> int:
    """Rank a hint: identifiers that are equal, one that is missing, unequal ones. Anybody can write them."""
    wanted, given = child.authority_key_identifier, issuer.certificates[0].subject_key_identifier
    if not isinstance(wanted, bytes) or not isinstance(given, bytes):
        return 1
    return 0 if wanted == given else 2


def _is_verified(way: Way) -> bool:
    """Whether a verified signature leads on from a certificate, and not one with MD5."""
    certificate, verification = way
    if verification is None or certificate.signature_hash in BROKEN_HASHES:
        return False
    return verification.link in (Link.SIGNED, Link.SIGNED_WEAKLY)
