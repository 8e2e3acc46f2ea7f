"""The paths of a chain as a server sends it: what clients with the right clock build from it.

::

    chain (leaf first, root left out) ──find_served_paths(known, at)──> ServedPaths: leaf, paths, presence of pins

The leaf's own dates and its names are left aside when paths are chosen, because they do not change which keys are on a
path; a caller tells them besides. Dates above the leaf count: an expired cross-certificate makes no path.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, Element
from app.hpkp.x509.leaf import find_leaf
from app.hpkp.x509.path_defects import CLASSES, DefectKind
from app.hpkp.x509.paths import AssessedPath, PathsAt, Presence, complete_paths


@dataclass(frozen=True, slots=True)
class ServedPaths:
    """The paths of the best class that there is, best first. ``position`` is the leaf's in the chain."""

    leaf: Certificate
    position: int
    found: PathsAt
    limits_reached: tuple[str, ...]

    @property
    def best(self) -> AssessedPath:
        """The path that is most likely built."""
        return self.found.best

    @property
    def pin_sets(self) -> tuple[frozenset[Pin], ...]:
        """The pins of each path."""
        return tuple(path.pins for path in self.found.paths)

    def presence(self, pins: Iterable[Pin]) -> Presence:
        """Say on which of the paths at least one of the pins is."""
        return self.found.presence(pins, CLASSES)

    def path_without(self, pins: Iterable[Pin]) -> AssessedPath | None:
        """Return the first path on which none of the pins is."""
        wanted = frozenset(pins)
        return next((path for path in self.found.paths if not path.pins & wanted), None)


def find_served_paths(
    chain: Sequence[Element], known: KnownCertificates, *, host: str, at: datetime
) -> ServedPaths | None:
    """Complete a chain and choose its paths; None where its leaf cannot be read.

    ``host`` finds the leaf where the chain is in another order than TLS wants.
    """
    position = find_leaf(chain, host)
    leaf = chain[position] if chain else None
    if not isinstance(leaf, Certificate):
        return None
    completed = complete_paths(leaf, chain, known)
    # At a moment of the leaf's own validity: an expired leaf would break every path, and hide which pins they have.
    every = completed.at(_within_validity(leaf, at))
    # Only the best class: with worse paths among them, hardly any pin would be on every path.
    chosen = every.of_classes((every.best.path_class,))
    return ServedPaths(leaf, position, PathsAt(chosen, every.complete), completed.limits_reached)


def _within_validity(leaf: Certificate, at: datetime) -> datetime:
    """Return the moment of the leaf's validity that is nearest."""
    at = at if leaf.not_before is None else max(at, leaf.not_before)
    return at if leaf.not_after is None else min(at, leaf.not_after)


def describe_path(path: AssessedPath) -> str:
    """Name a path by its certificates, from the leaf to where it ends."""
    return " - ".join(certificate.common_name or certificate.subject for certificate in path.certificates)


def describe_defects(path: AssessedPath) -> Iterator[str]:
    """Tell what is wrong with a path, as sentences without their end; what anchors are is told elsewhere."""
    for defect in path.defects:
        # Both are for the CA to change; no configuration of the host can.
        if defect.kind not in (DefectKind.FORMER_ANCHOR, DefectKind.NAME_NORMALIZED):
            certificate = path.certificates[defect.position]
            detail = f" ({defect.detail})" if defect.detail else ""
            yield f"{certificate.common_name or certificate.subject}: {defect.kind.replace('_', ' ')}{detail}"


def describe_leaf_dates(leaf: Certificate, at: datetime) -> str | None:
    """Say that a leaf has expired or is not valid yet, as a sentence; None where it is valid."""
    if leaf.not_before is None or leaf.not_after is None:
        return "The validity of the leaf cannot be read."
    if at < leaf.not_before:
        return f"The leaf is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC: until then clients refuse it."
    if at > leaf.not_after:
        return f"The leaf expired on {leaf.not_after:%Y-%m-%d %H:%M} UTC: clients refuse it, whatever its pins."
    return None
