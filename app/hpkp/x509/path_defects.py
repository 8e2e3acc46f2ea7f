"""What is wrong with a certificate in its place on a path (RFC 5280 section 6.1), and what that makes of the path."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.der import write_oid
from app.hpkp.x509.extensions import SERVER_USES, UnreadablePart
from app.hpkp.x509.signature_algorithms import BROKEN_HASHES
from app.hpkp.x509.signatures import Link, Verification


class PathClass(StrEnum):
    """What a client makes of a path; the best first."""

    USABLE = "usable"
    """Without defect, to an anchor of today or of the operator: a strict client may build it."""
    POSSIBLE = "possible"
    """Some old or lax client, or one with another store, may build it."""
    UNVERIFIED = "unverified"
    """It cannot be told: never trusted, and not called forged."""
    BROKEN = "broken"
    """No client builds it."""


class DefectKind(StrEnum):
    """What can be wrong."""

    SIGNED_WEAKLY = "signed_weakly"
    NAME_NORMALIZED = "name_normalized"
    """Issuer and subject are the same name in other bytes; Go, rustls and Firefox do not follow it."""
    FORMER_ANCHOR = "former_anchor"
    ANCHOR_EXPIRED = "anchor_expired"
    """The anchor's own dates; Android and others do not look at them."""
    DISTRUSTED_AFTER = "distrusted_after"
    """The leaf's validity begins after the day up to which the anchor was trusted."""
    CONSTRAINTS_NOT_EVALUATED = "constraints_not_evaluated"
    NOT_CHECKABLE = "not_checkable"
    BROKEN_HASH = "broken_hash"
    UNREADABLE = "unreadable"
    """A date or extension on which the path depends cannot be read."""
    HOST_UNREADABLE = "host_unreadable"
    NOT_A_CA = "not_a_ca"
    MAY_NOT_SIGN = "may_not_sign"
    PATH_TOO_LONG = "path_too_long"
    NOT_FOR_SERVERS = "not_for_servers"
    NAME_FORBIDDEN = "name_forbidden"
    CRITICAL_EXTENSION = "critical_extension"
    DUPLICATE_EXTENSION = "duplicate_extension"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    HOST_NOT_COVERED = "host_not_covered"


# Clients differ on these: BoringSSL's policy can allow SHA-1, Chromium compares names in normal form, Android ignores
# the end of an anchor's validity.
_POSSIBLE = frozenset(
    {
        DefectKind.SIGNED_WEAKLY,
        DefectKind.NAME_NORMALIZED,
        DefectKind.FORMER_ANCHOR,
        DefectKind.ANCHOR_EXPIRED,
        DefectKind.DISTRUSTED_AFTER,
        DefectKind.CONSTRAINTS_NOT_EVALUATED,
    }
)
# Neither trusted nor broken: as trusted, an unchecked signature would confer trust; as broken, it would make an honest
# report implausible, and that is left out.
_UNVERIFIED = frozenset(
    {DefectKind.NOT_CHECKABLE, DefectKind.BROKEN_HASH, DefectKind.UNREADABLE, DefectKind.HOST_UNREADABLE}
)
DATES = frozenset({DefectKind.EXPIRED, DefectKind.NOT_YET_VALID, DefectKind.ANCHOR_EXPIRED})
"""What another clock would mend."""

CLASSES = tuple(PathClass)


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong at a position of a path; 0 is the leaf."""

    kind: DefectKind
    position: int
    detail: str = ""

    @property
    def path_class(self) -> PathClass:
        """The best that a path with this defect can be."""
        if self.kind in _POSSIBLE:
            return PathClass.POSSIBLE
        return PathClass.UNVERIFIED if self.kind in _UNVERIFIED else PathClass.BROKEN


def worst_class(classes: Iterable[PathClass]) -> PathClass:
    """Return the worst; usable where there is none."""
    return max(classes, key=CLASSES.index, default=PathClass.USABLE)


def find_link_defects(child: Certificate, verification: Verification, issuer: Certificate, at: int) -> Iterator[Defect]:
    """Find what is wrong with the signature of the certificate at a position and the name above it."""
    if verification.link is Link.NOT_CHECKABLE:
        yield Defect(DefectKind.NOT_CHECKABLE, at, verification.detail)
    elif verification.link is Link.SIGNED_WEAKLY:
        # BoringSSL's policy can allow SHA-1 and never MD5, with which a CA certificate was forged in 2008.
        broken = verification.detail in BROKEN_HASHES
        yield Defect(DefectKind.BROKEN_HASH if broken else DefectKind.SIGNED_WEAKLY, at, verification.detail)
    if child.issuer_der != issuer.subject_der:
        yield Defect(DefectKind.NAME_NORMALIZED, at)


def find_extension_defects(certificate: Certificate, at: int) -> Iterator[Defect]:
    """Find extensions that no client takes; of every certificate below the anchor (section 4.2)."""
    # A critical extension says that a client which does not know it must refuse the certificate.
    for oid in certificate.extensions.not_understood:
        yield Defect(DefectKind.CRITICAL_EXTENSION, at, write_oid(oid))
    for oid in certificate.extensions.duplicates:
        yield Defect(DefectKind.DUPLICATE_EXTENSION, at, write_oid(oid))
    for part in certificate.extensions.unreadable:
        yield Defect(DefectKind.UNREADABLE, at, f"{part.part}: {part.reason}")


def find_ca_defects(certificate: Certificate, at: int, *, cas_below: int) -> Iterator[Defect]:
    """Find why a certificate between leaf and anchor may not issue (section 6.1.4 k to n).

    ``cas_below`` counts the certificates between it and the leaf that are not self-issued.
    """
    constraints = certificate.basic_constraints
    if isinstance(constraints, UnreadablePart):
        yield _unreadable(constraints, at)
    # Without the extension it is no CA, also in version 1: no client takes such an intermediate.
    elif constraints is None or not constraints.ca:
        yield Defect(DefectKind.NOT_A_CA, at)
    # Self-issued certificates do not count (RFC 5280 section 6.1.4 l). Go, Firefox and cryptography count them and
    # refuse more.
    elif constraints.path_length is not None and cas_below > constraints.path_length:
        yield Defect(DefectKind.PATH_TOO_LONG, at, f"{cas_below} below it, {constraints.path_length} allowed")
    signs = certificate.may_sign_certificates
    if isinstance(signs, UnreadablePart):
        yield _unreadable(signs, at)
    # None is no KeyUsage, which restricts nothing.
    elif signs is False:
        yield Defect(DefectKind.MAY_NOT_SIGN, at)
    uses = certificate.extended_key_usage
    if isinstance(uses, UnreadablePart):
        yield _unreadable(uses, at)
    # Clients read the uses of an intermediate as a limit for the certificates below it.
    elif uses is not None and not uses & SERVER_USES:
        yield Defect(DefectKind.NOT_FOR_SERVERS, at)


def find_date_defects(certificate: Certificate, at: int, moment: datetime, *, anchor: bool) -> Iterator[Defect]:
    """Find whether a moment, cut to whole seconds, is outside the validity (section 4.1.2.5)."""
    begin, end = certificate.not_before, certificate.not_after
    # Not every client checks an anchor's dates. Android does not, which is why ISRG Root X1 was cross-signed until 2024
    # by a root that had expired in 2021.
    if begin is None or end is None:
        yield Defect(DefectKind.ANCHOR_EXPIRED if anchor else DefectKind.UNREADABLE, at, "its validity cannot be read")
    elif not begin <= moment <= end:
        early = moment < begin
        kind = DefectKind.ANCHOR_EXPIRED if anchor else DefectKind.NOT_YET_VALID if early else DefectKind.EXPIRED
        yield Defect(kind, at, f"valid from {begin:%Y-%m-%d}" if early else f"expired {end:%Y-%m-%d}")


def find_host_defects(leaf: Certificate, host: str) -> Iterator[Defect]:
    """Find whether the leaf is for the host (RFC 6125 section 6.4)."""
    covered = leaf.covers(host)
    if covered is None:
        yield Defect(DefectKind.HOST_UNREADABLE, 0)
    elif not covered:
        yield Defect(DefectKind.HOST_NOT_COVERED, 0)


def _unreadable(part: UnreadablePart, at: int) -> Defect:
    """Make the defect of a part on which the path depends and that cannot be read."""
    return Defect(DefectKind.UNREADABLE, at, f"{part.part}: {part.reason}")
