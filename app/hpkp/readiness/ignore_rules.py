"""Ignore rules: the few networks from which the operator ignores reports of a cause are ignored for all of it.

Anybody can send reports, in as many variations and under as many install ids as they like, but not from as many
networks. One decision of the operator's therefore has to be enough: what is reported only from where the same cause was
ignored before does not hold the verdict back. It does again as soon as it is reported from anywhere else.

An attack that is proven is never left out: nobody can forge checked signatures up to a public root. What only claims to
be one can be forged: Chromium's word that it ships a root, or a chain under a root whose private key is published.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.hpkp.judgement.causes import POSSIBLE_ATTACKS, Cause
from app.hpkp.readiness.evidence import OpenViolation
from app.hpkp.violation_status import Status
from app.hpkp.x509.anchors import PROVING_ANCHORS

FEW = 8
"""So many networks of a violation are kept; with all of these there may be more."""

IgnoreRules = frozenset[tuple[Cause, bytes]]
"""Causes with the networks whose reports of them are ignored."""


def is_proven(cause: Cause, anchor: str, *, path_checkable: bool) -> bool:
    """Whether the certificates prove the cause by themselves, so that no sender can have made them up."""
    return cause in POSSIBLE_ATTACKS and anchor in PROVING_ANCHORS and path_checkable


def build_ignore_rules(ignored: Iterable[tuple[Cause, frozenset[bytes] | None, bool]]) -> IgnoreRules:
    """Return what is ignored, by the violations that the operator set to ignored.

    Each with its cause, its networks (None if unknown), and whether it is proven.
    """
    return frozenset(
        (cause, network)
        for cause, networks, proven in ignored
        # With all eight places full there may be more networks, and unknown ones cannot be compared. What is proven
        # must not mute other reports of an attack.
        if networks is not None and not proven and len(networks) < FEW
        for network in networks
    )


def is_counted(
    cause: Cause, networks: frozenset[bytes] | None, ignore_rules: IgnoreRules, *, proven: bool = False
) -> bool:
    """Whether a violation counts: not if it comes only from networks whose reports of the same cause are ignored."""
    # Without a network it came from an inside address, such as a proxy's, or from before networks were kept: it may be
    # anybody's report.
    if not networks or proven or len(networks) >= FEW:
        return True
    # One network elsewhere is enough: a forger needs another network for each further decision of the operator.
    return any((cause, network) not in ignore_rules for network in networks)


@dataclass(frozen=True, slots=True)
class CountedViolations:
    """Open violations that count, those left out, and from how many networks those that count came, by cause."""

    violations: tuple[OpenViolation, ...]
    left_out: tuple[OpenViolation, ...]
    networks: dict[Cause, int]

    def with_reopened(self, reopened: Sequence[OpenViolation], causes: Collection[Cause]) -> "CountedViolations":
        """Return the same with violations that count again, and all those of some causes that were left out."""
        again = [replace(v, reopened=Status.IGNORED.value) for v in self.left_out if v.cause in causes]
        changed = {violation.cause for violation in (*again, *reopened)}
        return CountedViolations(
            violations=tuple(sorted((*self.violations, *again, *reopened), key=lambda violation: violation.id)),
            left_out=tuple(violation for violation in self.left_out if violation.cause not in causes),
            # Of a changed cause the number is unknown: it was counted without those that count again.
            networks={cause: count for cause, count in self.networks.items() if cause not in changed},
        )


def apply_ignores(
    violations: Sequence[OpenViolation],
    ignored: Iterable[tuple[int, Cause]],
    *,
    networks: Mapping[int, frozenset[bytes]],
    proven: Collection[int],
) -> CountedViolations:
    """Part open violations into those that count and those left out, by what the operator ignores (id and cause).

    ``networks`` holds, by id, those of every violation of which they are fully known; ``proven`` are the ids of those
    that their certificates prove.
    """
    ignore_rules = build_ignore_rules((cause, networks.get(id_), id_ in proven) for id_, cause in ignored)
    counted, left_out = list[OpenViolation](), list[OpenViolation]()
    by_cause: dict[Cause, frozenset[bytes] | None] = {}
    for violation in violations:
        where = networks.get(violation.id)
        if is_counted(violation.cause, where, ignore_rules, proven=violation.id in proven):
            counted.append(violation)
            before = by_cause.get(violation.cause, frozenset())
            # One violation with unknown networks makes the number for its cause unknown, and not smaller.
            by_cause[violation.cause] = None if where is None or before is None else before | where
        else:
            left_out.append(violation)
    told = {cause: min(len(where), FEW) for cause, where in by_cause.items() if where is not None}
    return CountedViolations(tuple(counted), tuple(left_out), told)
