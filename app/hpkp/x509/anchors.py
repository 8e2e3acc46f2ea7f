"""The certificates that are known besides those of a report: root stores now and before, and intermediates."""

from dataclasses import dataclass
from datetime import date, datetime

from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Certificate


@dataclass(frozen=True, slots=True)
class RootDeparture:
    """How a root left Mozilla's store, or that Mozilla distrusts what it issued after some day."""

    left: date
    """The first day on which the store no longer holds the root for TLS servers."""
    how: str
    """``removed``, ``expired``, ``trust_off`` (kept for other uses), ``distrusted`` (still there for the certificates
    issued before ``distrust_after``) or ``bundle`` (no longer in certifi, and Mozilla's own record is not known)."""
    reason: str
    """A phrase for a sentence about the root, such as ``removed by Mozilla, bug 1408080``."""
    bug: int | None
    """The number in bugzilla.mozilla.org."""
    distrust_after: datetime | None = None
    """Mozilla distrusts leaves whose notBefore is after this instant, UTC."""


@dataclass(frozen=True)
class StoredRoot:
    """A root that Mozilla's store holds or held; the same key under the same name is one root."""

    certificate: Certificate
    since: date | None
    """The first day on which the store is known to hold it; None if it did before the history begins."""
    departure: RootDeparture | None


@dataclass(frozen=True)
class KnownCertificates:
    """Roots of the public store, of the operator and of the store's past, and further certificates of CAs."""

    public: tuple[Certificate, ...] = ()
    operator: tuple[Certificate, ...] = ()
    former: tuple[StoredRoot, ...] = ()
    intermediates: tuple[Certificate, ...] = ()
    """Intermediates and cross-certificates: they complete paths, and end none."""
    known_bad: frozenset[Pin] = frozenset()
