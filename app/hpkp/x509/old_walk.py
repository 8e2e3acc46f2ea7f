"""The walk over certificates that paths.py replaces; kept until nothing calls it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.certificate import Certificate, Element
from app.hpkp.x509.signatures import Link
from app.hpkp.x509.signatures import check_link as check_signature


def check_link(certificate: Certificate, issuer: Certificate) -> Link:
    """Check a link as this walk understands it: what is signed weakly counts as not checkable."""
    link = check_signature(certificate, issuer)
    return Link.NOT_CHECKABLE if link is Link.SIGNED_WEAKLY else link


@dataclass(frozen=True)
class TrustAnchors:
    """Roots that end a path: the public store and the operator's own."""

    public: tuple[Certificate, ...] = ()
    operator: tuple[Certificate, ...] = ()

    @cached_property
    def _by_subject(self) -> dict[bytes, list[tuple[Certificate, Anchor]]]:
        found: dict[bytes, list[tuple[Certificate, Anchor]]] = {}
        for roots, kind in ((self.operator, Anchor.OPERATOR), (self.public, Anchor.PUBLIC)):
            for root in roots:
                found.setdefault(root.subject_name, []).append((root, kind))
        return found

    def kind_of(self, certificate: Certificate) -> Anchor | None:
        """Say which store holds this key under this name; a cross-sign of a root counts as the root."""
        for root, kind in self._by_subject.get(certificate.subject_name, ()):
            if root.pin == certificate.pin:
                return kind
        return None

    def issuer_of(self, certificate: Certificate) -> tuple[Certificate, Anchor, Link] | None:
        """Find a root that signed the certificate, for chains sent without their root."""
        for root, kind in self._by_subject.get(certificate.issuer_name, ()):
            link = check_link(certificate, root)
            if link is not Link.NOT_SIGNED:
                return root, kind, link
        return None


@dataclass(frozen=True, slots=True)
class Path:
    """A path through a chain: positions from the leaf upward, joined by signatures."""

    positions: tuple[int, ...]
    anchor: Anchor
    links: tuple[Link, ...] = ()
    """One for each step between two positions, and one more where the anchor itself was not in the chain."""
    anchor_subject: str | None = None
    anchor_pin: Pin | None = None
    """The pin of the anchor, in the chain or not."""

    @property
    def trusted(self) -> bool:
        """Whether the path ends at a root of one of the two stores."""
        return self.anchor in (Anchor.PUBLIC, Anchor.OPERATOR)

    @property
    def checkable(self) -> bool:
        """Whether every signature on the path could be checked."""
        return all(link is Link.SIGNED for link in self.links)


def find_leaf(chain: Sequence[Element], host: str) -> int:
    """Return the position of the end-entity certificate.

    That is the first, as TLS wants it (RFC 8446 section 4.4.2), unless it signed another certificate of the chain:
    then a sender mixed the order up, and it is the one for ``host`` that signed none, or else any that signed none.
    """
    if not chain or not _signed_any(chain, 0):
        return 0
    ends = [i for i, element in enumerate(chain) if isinstance(element, Certificate) and not _signed_any(chain, i)]
    for position in ends:
        element = chain[position]
        if isinstance(element, Certificate) and element.covers(host):
            return position
    return ends[0] if ends else 0


def _signed_any(chain: Sequence[Element], position: int) -> bool:
    issuer = chain[position]
    return isinstance(issuer, Certificate) and any(
        isinstance(other, Certificate) and other != issuer and check_link(other, issuer) is not Link.NOT_SIGNED
        for other in chain
    )


def build_path(chain: Sequence[Element], anchors: TrustAnchors, *, leaf: int = 0) -> Path:
    """Follow signatures from the leaf upward through the certificates of the chain.

    Order and superfluous certificates do not matter; a certificate that no signature joins to the leaf is left
    out. An empty chain, or an unreadable leaf, gives an empty path.
    """
    start = chain[leaf] if chain else None
    if not isinstance(start, Certificate):
        return Path((), Anchor.UNKNOWN)
    positions, links, current = [leaf], list[Link](), start
    while True:
        if kind := anchors.kind_of(current):
            return Path(tuple(positions), kind, tuple(links), current.subject, current.pin)
        following = _issuer_in(chain, current, positions)
        if following is None:
            break
        position, link = following
        element = chain[position]
        assert isinstance(element, Certificate)
        positions.append(position)
        links.append(link)
        current = element
    if found := anchors.issuer_of(current):
        root, kind, link = found
        return Path(tuple(positions), kind, (*links, link), root.subject, root.pin)
    if current.self_issued and check_link(current, current) is not Link.NOT_SIGNED:
        return Path(tuple(positions), Anchor.PRIVATE, tuple(links), current.subject, current.pin)
    return Path(tuple(positions), Anchor.UNKNOWN, tuple(links))


def _issuer_in(chain: Sequence[Element], certificate: Certificate, used: list[int]) -> tuple[int, Link] | None:
    """Find the issuer among the certificates of the chain; a checked signature beats an uncheckable one."""
    doubtful = None
    for position, candidate in enumerate(chain):
        if position in used or not isinstance(candidate, Certificate):
            continue
        link = check_link(certificate, candidate)
        if link is Link.SIGNED:
            return position, link
        if link is Link.NOT_CHECKABLE and doubtful is None:
            doubtful = position, link
    return doubtful


def connected_to_leaf(chain: Sequence[Element], *, leaf: int = 0) -> frozenset[int]:
    """Return the positions that checked signatures join to the leaf, by any of several paths, leaf included.

    A certificate that is merely appended to a served chain is not among them: anyone can append one.
    """
    start = chain[leaf] if chain else None
    if not isinstance(start, Certificate):
        return frozenset()
    reached, frontier = {leaf}, [start]
    while frontier:
        certificate = frontier.pop()
        for position, candidate in enumerate(chain):
            if position in reached or not isinstance(candidate, Certificate):
                continue
            if check_link(certificate, candidate) is Link.SIGNED:
                reached.add(position)
                frontier.append(candidate)
    return frozenset(reached)


def outside_validity(chain: Sequence[Element], positions: Iterable[int], at: datetime) -> tuple[int, ...]:
    """Return which of the positions hold a certificate not valid at ``at`` (RFC 5280 section 4.1.2.5)."""
    when = at.astimezone(UTC)
    return tuple(
        position
        for position in positions
        if isinstance(certificate := chain[position], Certificate)
        and not (certificate.not_before or when) <= when <= (certificate.not_after or when)
    )
