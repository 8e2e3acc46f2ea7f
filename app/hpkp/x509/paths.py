"""The one path builder: every path on which a client may have put a leaf, and what is wrong with each at a moment.

::

    leaf, sent, KnownCertificates ──complete_paths──> CompletedPaths      no time in it: links and names
    CompletedPaths ──at(moment, host)──> PathsAt: AssessedPath, best first, each with anchor, defects and class
    PathsAt ──presence(pins)──> on every path, on some, on none, or unknown

A link that is not verified confers nothing. What the reported chains do not hold is completed from what is known; what
they hold besides does not matter. The leaf is on every path by definition (RFC 7469 section 2.6), so its own pin is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import PROVING_ANCHORS, Anchor, KnownCertificates, RootDeparture, identity_of
from app.hpkp.x509.budget import Budget, cost_of_reading
from app.hpkp.x509.certificate import Certificate, Element
from app.hpkp.x509.extensions import ALTERNATIVE_NAMES, NAME_CONSTRAINTS, UnreadablePart
from app.hpkp.x509.leaf import find_leaf
from app.hpkp.x509.name_constraints import cost_of_comparing, find_forbidden
from app.hpkp.x509.path_defects import (
    CLASSES,
    DATES,
    Defect,
    DefectKind,
    PathClass,
    find_ca_defects,
    find_date_defects,
    find_extension_defects,
    find_host_defects,
    find_link_defects,
    worst_class,
)
from app.hpkp.x509.path_search import Candidate, End, Way, search_paths
from app.hpkp.x509.signatures import Link, check_link

__all__ = [
    "DATES",
    "AssessedPath",
    "Budget",
    "CompletedPaths",
    "Defect",
    "DefectKind",
    "Link",
    "PathClass",
    "PathsAt",
    "Presence",
    "check_link",
    "complete_paths",
    "find_leaf",
]

# Also the order of paths that are otherwise equal. A root that left the store is still shipped by devices: possible.
_ANCHOR_CLASSES = {
    Anchor.PUBLIC: PathClass.USABLE,
    Anchor.OPERATOR: PathClass.USABLE,
    Anchor.FORMER_PUBLIC: PathClass.POSSIBLE,
    Anchor.PRIVATE: PathClass.UNVERIFIED,
    Anchor.UNKNOWN: PathClass.UNVERIFIED,
}


class Presence(StrEnum):
    """On which of the paths a pin is."""

    EVERY = "every"
    SOME = "some"
    NONE = "none"
    UNKNOWN = "unknown"
    """A limit was reached, or there is no path of the classes asked."""


@dataclass(frozen=True, slots=True)
class AssessedPath:
    """One path at one moment: leaf first, and last the anchor's certificate, whether it was sent or not."""

    certificates: tuple[Certificate, ...]
    links: tuple[Link, ...]
    """One less than certificates: of each to the next."""
    anchor: Anchor
    """`Anchor.KNOWN_BAD` where a key on the path is; it beats what the store says."""
    stored_as: Anchor
    """Where the path ends, whatever is known of its keys; the class follows it."""
    departure: RootDeparture | None
    defects: tuple[Defect, ...]
    path_class: PathClass

    @property
    def pins(self) -> frozenset[Pin]:
        """The pins of all its certificates."""
        return frozenset(certificate.pin for certificate in self.certificates)

    @property
    def top(self) -> Certificate:
        """The certificate where it ends."""
        return self.certificates[-1]

    def class_without(self, kinds: Collection[DefectKind]) -> PathClass:
        """Return the class it would have without defects of these kinds, such as `DATES`."""
        left = (defect.path_class for defect in self.defects if defect.kind not in kinds)
        return worst_class((_ANCHOR_CLASSES[self.stored_as], *left))


@dataclass(frozen=True, slots=True)
class PathsAt:
    """The paths of a leaf at one moment, best first; there is at least one, if only the leaf by itself."""

    paths: tuple[AssessedPath, ...]
    complete: bool
    """Whether no limit left paths out."""

    @property
    def best(self) -> AssessedPath:
        """The first of the best class."""
        return self.paths[0]

    def of_classes(self, classes: Collection[PathClass]) -> tuple[AssessedPath, ...]:
        """Return the paths of these classes, best first."""
        return tuple(path for path in self.paths if path.path_class in classes)

    def presence(self, pins: Iterable[Pin], classes: Collection[PathClass] = (PathClass.USABLE,)) -> Presence:
        """Say on which paths of these classes at least one of the pins is.

        ``EVERY`` means every path known here, save for the leaf's own pin: another cross-certificate may always exist.
        """
        wanted = frozenset(pins)
        # Before any class or limit: what is not known of the paths cannot change it.
        if self.best.certificates[0].pin in wanted:
            return Presence.EVERY
        hits = [bool(path.pins & wanted) for path in self.of_classes(classes)]
        # That holds although paths may be missing; `every` and `none` do not.
        if any(hits) and not all(hits):
            return Presence.SOME
        if not hits or not self.complete:
            return Presence.UNKNOWN
        return Presence.EVERY if hits[0] else Presence.NONE


@dataclass(frozen=True, eq=False)
class CompletedPaths:
    """Every path of a leaf that could be found, to be asked at any moment."""

    leaf: Certificate
    candidates: tuple[Candidate, ...]
    joined: frozenset[bytes]
    """Fingerprints of the leaf, and of the sent certificates whose keys verified signatures join to it."""
    limits_reached: tuple[str, ...]
    """Sentences; empty when nothing was left out."""
    checks: int
    """Signatures that were paid for."""
    complete: bool
    _known: KnownCertificates = field(repr=False)
    _constraints: Mapping[tuple[bytes, bytes], DefectKind] = field(repr=False)
    """By fingerprints of a certificate and of one above it, what the names of the one are to the other."""

    def at(self, moment: datetime, *, host: str | None = None) -> PathsAt:
        """Assess every path at a moment (aware), and for a host where one is given."""
        moment = moment.astimezone(UTC).replace(microsecond=0)  # certificates count whole seconds
        hosted = tuple(find_host_defects(self.leaf, host)) if host is not None else ()
        paths = [self._assess(candidate, moment, hosted) for candidate in self.candidates]
        # `best` is the first, so the order decides which path is shown for a chain.
        paths.sort(key=_rank_path)
        return PathsAt(tuple(paths), self.complete)

    def _assess(self, candidate: Candidate, moment: datetime, hosted: tuple[Defect, ...]) -> AssessedPath:
        """Assess one path; at each position the certificate with the fewest defects speaks for its node."""
        chosen, links = list[Certificate](), list[Link]()
        defects = list(hosted)
        below: Way | None = None
        for ways in candidate.nodes:
            at_top = len(chosen) + 1 == len(candidate.nodes)
            anchored = at_top and candidate.end is End.ANCHOR
            options = [(self._defects_of(way, chosen, below, moment, anchored=anchored), way) for way in ways]
            # Clients choose among the certificates of a key: an expired one breaks no path if another is valid.
            found, below = min(options, key=lambda option: _rank_defects(option[0]))
            defects.extend(found)
            chosen.append(below[0])
            if below[1] is not None:
                links.append(below[1].link)
        stored_as = self._stored_as(candidate, chosen[-1], moment)
        if stored_as in PROVING_ANCHORS:
            defects.extend(self._anchor_defects(chosen, stored_as))
        # Anywhere on the path: below a public root, too, others can issue with a compromised key.
        bad = any(certificate.pin in self._known.known_bad for certificate in chosen)
        return AssessedPath(
            tuple(chosen),
            tuple(links),
            Anchor.KNOWN_BAD if bad else stored_as,
            stored_as,
            self._known.departure_of(chosen[-1]) if candidate.end is End.ANCHOR else None,
            tuple(defects),
            worst_class((_ANCHOR_CLASSES[stored_as], *(defect.path_class for defect in defects))),
        )

    def _defects_of(
        self, way: Way, chosen: list[Certificate], below: Way | None, moment: datetime, *, anchored: bool
    ) -> list[Defect]:
        """Find what is wrong with a certificate above those that were chosen."""
        certificate, at = way[0], len(chosen)
        found: list[Defect] = []
        # The link belongs to the certificate below, so its position is one less.
        if below is not None and below[1] is not None:
            found.extend(find_link_defects(below[0], below[1], certificate, at - 1))
        found.extend(find_date_defects(certificate, at, moment, anchor=anchored and at > 0))
        if not anchored or at == 0:  # nothing of an anchor but its name, its key and its constraints counts
            found.extend(self._timeless_defects(certificate, chosen))
        # The anchor's constraints count as well: rustls-webpki ignores all else of it, but not these.
        for position, subject in enumerate(chosen if self._constraints else ()):
            if kind := self._constraints.get((subject.fingerprint, certificate.fingerprint)):
                found.append(Defect(kind, position, f"by the name constraints at position {at}"))
        return found

    def _timeless_defects(self, certificate: Certificate, chosen: list[Certificate]) -> tuple[Defect, ...]:
        """Find the defects of a certificate in its place that no date changes; worked out once."""
        at = len(chosen)
        # Without the leaf, which is no CA.
        cas_below = sum(not one.self_issued for one in chosen[1:])
        key = certificate.fingerprint, at, cas_below
        if (found := self._timeless.get(key)) is None:
            extensions = find_extension_defects(certificate, at)
            ca = find_ca_defects(certificate, at, cas_below=cas_below) if at else ()
            found = self._timeless[key] = (*extensions, *ca)
        return found

    @cached_property
    def _timeless(self) -> dict[tuple[bytes, int, int], tuple[Defect, ...]]:
        """Defects by fingerprint, position, and CAs below: `at` is asked at several moments."""
        return {}

    def _stored_as(self, candidate: Candidate, top: Certificate, moment: datetime) -> Anchor:
        """Say in which store a path ends at that time, whatever is known of its keys."""
        if candidate.end is End.ANCHOR:
            return self._known.kind_of(identity_of(top), moment) or Anchor.UNKNOWN
        return Anchor.PRIVATE if candidate.end is End.SELF_SIGNED else Anchor.UNKNOWN

    def _anchor_defects(self, chosen: list[Certificate], stored_as: Anchor) -> Iterator[Defect]:
        """Find what the stores have against an anchor: it is of another time, or not for leaves this new."""
        at = len(chosen) - 1
        if stored_as is Anchor.FORMER_PUBLIC:
            departure = self._known.departure_of(chosen[-1])
            detail = f"left Mozilla's store {departure.left}" if departure else "in Mozilla's store at another time"
            yield Defect(DefectKind.FORMER_ANCHOR, at, detail)
        last = self._known.distrust_after(identity_of(chosen[-1]))
        # Mozilla's date does not bind what the operator trusts, and an unreadable date of the leaf decides nothing.
        if stored_as is not Anchor.OPERATOR and last and (self.leaf.not_before or last) > last:
            yield Defect(DefectKind.DISTRUSTED_AFTER, at, f"trusted for leaves up to {last:%Y-%m-%d}")


def complete_paths(
    leaf: Certificate, sent: Iterable[Element], known: KnownCertificates, *, budget: Budget | None = None
) -> CompletedPaths:
    """Find every path from the leaf within the budget, which is spent: hand the same one in for a report's chains."""
    budget = budget or Budget()
    before = budget.spent_checks
    found = search_paths(leaf, sent, known, budget)
    constraints, evaluated = _evaluate_constraints(found.candidates, budget)
    limits = found.limits_reached
    # It leaves no path out, so `complete` stays true; the pairs that were not compared have a defect.
    if not evaluated:
        limits += ("The limit of time for name constraints was reached.",)
    return CompletedPaths(
        leaf=leaf,
        candidates=found.candidates,
        joined=found.joined,
        limits_reached=limits,
        checks=budget.spent_checks - before,
        complete=not found.limits_reached,
        _known=known,
        _constraints=constraints,
    )


def _evaluate_constraints(
    candidates: Iterable[Candidate], budget: Budget
) -> tuple[Mapping[tuple[bytes, bytes], DefectKind], bool]:
    """Hold the names of certificates against the constraints above them, each pair once and while it is paid for."""
    found: dict[tuple[bytes, bytes], DefectKind | None] = {}
    evaluated = True
    for candidate in candidates:
        for above, ways in enumerate(candidate.nodes):
            for issuer in (way[0] for way in ways if NAME_CONSTRAINTS in way[0].extensions.by_oid):
                for position, lower in enumerate(candidate.nodes[:above]):
                    for subject in (way[0] for way in lower):
                        pair = subject.fingerprint, issuer.fingerprint
                        # Self-issued CAs are exempt, the leaf never is (RFC 5280 section 4.2.1.10).
                        if pair not in found and (position == 0 or not subject.self_issued):
                            found[pair], paid = _evaluate_pair(subject, issuer, budget)
                            evaluated &= paid
    return {pair: kind for pair, kind in found.items() if kind is not None}, evaluated


def _evaluate_pair(subject: Certificate, issuer: Certificate, budget: Budget) -> tuple[DefectKind | None, bool]:
    """Return what a certificate's names are to the constraints above it, and whether the budget allowed to tell."""
    if ALTERNATIVE_NAMES not in subject.extensions.by_oid:
        return None, True
    # Too much to compare is a defect, not a pass: else a huge list would be the way around the constraints.
    if not budget.pay(cost_of_reading(subject, ALTERNATIVE_NAMES) + cost_of_reading(issuer, NAME_CONSTRAINTS)):
        return DefectKind.CONSTRAINTS_NOT_EVALUATED, False
    names, constraints = subject.alternative_names, issuer.name_constraints
    if names is None or constraints is None:
        return None, True
    if isinstance(names, UnreadablePart) or isinstance(constraints, UnreadablePart):
        return DefectKind.CONSTRAINTS_NOT_EVALUATED, True
    if not budget.pay(cost_of_comparing(names, constraints)):
        return DefectKind.CONSTRAINTS_NOT_EVALUATED, False
    if find_forbidden(names, constraints) is not None:
        return DefectKind.NAME_FORBIDDEN, True
    return (DefectKind.CONSTRAINTS_NOT_EVALUATED if names.faults else None), True


def _rank_defects(defects: list[Defect]) -> tuple[int, int]:
    """Rank for the choice of a certificate: the class that its defects allow, then their number."""
    return CLASSES.index(worst_class(defect.path_class for defect in defects)), len(defects)


def _rank_path(path: AssessedPath) -> tuple[int, int, int, int]:
    """Rank for the order: class, defects, what the store says, length."""
    anchors = tuple(_ANCHOR_CLASSES)
    return CLASSES.index(path.path_class), len(path.defects), anchors.index(path.stored_as), len(path.certificates)
