"""The identity of a violation: the distinct fact that many reports repeat.

In: host, port, noted host, mode, sender, known pins, both chains, the sender's own result, whether the form fits
the sender (a forged report must not be judged in the place of a real one), the app that carries the pins, and, if it
can change the cause, which of the certificates sent were outside their validity at the report's own date.
Out: the date itself, user agent, app version, the install. A violation is judged once, its reports are counted.
"""

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from app.hpkp.audience import CARRIES_PINS
from app.hpkp.report import ViolationReport
from app.hpkp.x509.certificate import Certificate, Chain

CLOCK_TOLERANCE = timedelta(hours=14)
"""Some senders write local time and call it UTC; no zone is further off than 14 hours."""


def chain_digest(chain: Chain) -> bytes:
    """Return 32 bytes that name a chain: its certificates in their order, unreadable ones by their content."""
    digest = hashlib.sha256()
    for element in chain:
        if isinstance(element, Certificate):
            digest.update(element.fingerprint)
        elif element.fingerprint is not None:
            digest.update(b"?" + element.fingerprint)
        else:
            pin = b"" if element.pin is None else element.pin.digest
            digest.update(b"-" + hashlib.sha256(pin + element.reason.encode()).digest())
    return digest.digest()


def identity_of(report: ViolationReport, *, received_at: datetime) -> bytes:
    """Return the 32 bytes under which all reports of the same violation are counted.

    ``received_at`` stands in for the date of a report that has none.
    """
    digest = hashlib.sha256()
    for part in _parts(report):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    identity = with_out_of_date(digest.digest(), out_of_date(report, received_at=received_at))
    return with_app(identity, app_of(report))


def app_of(report: ViolationReport) -> str:
    """Return the app whose pins were compared; empty if the sender names none, or its pins come with a header.

    Whether pins are the operator's can depend on whose app it is: a report of another app with the same pins and chains
    must not be judged in the place of one of theirs.
    """
    return report.app or "" if report.sender in CARRIES_PINS else ""


def with_app(identity: bytes, app: str) -> bytes:
    """Return the identity of the fact in which this app carries the pins; unchanged without one."""
    return hashlib.sha256(b"app" + identity + app.encode("utf-8", "replace")).digest() if app else identity


def with_out_of_date(identity: bytes, outside: Collection[bytes]) -> bytes:
    """Return the identity of the fact whose path was judged with these certificates outside their validity.

    If there are none it stays as it is, so that the usual report keeps the identity that stores of earlier versions
    know.
    """
    return hashlib.sha256(b"".join((identity, *sorted(outside)))).digest() if outside else identity


def out_of_date(report: ViolationReport, *, received_at: datetime) -> frozenset[bytes]:
    """Return the fingerprints of certificates, of both chains, that were outside their validity at the report's date.

    Empty if the date cannot change the cause.
    """
    if not date_matters(report):
        return frozenset()
    clock = clock_of(report, received_at=received_at)
    return frozenset(
        element.fingerprint
        for chain in (report.served_chain, report.validated_chain)
        for element in chain or ()
        if isinstance(element, Certificate) and is_outside_validity(element.not_before, element.not_after, clock)
    )


def shared_validity(report: ViolationReport) -> tuple[datetime | None, datetime | None]:
    """Return between which moments all certificates of both chains are valid; a bound that none has is None.

    `is_outside_validity` of these tells whether `out_of_date` has to look at each of them.
    """
    certificates = [
        element
        for chain in (report.served_chain, report.validated_chain)
        for element in chain or ()
        if isinstance(element, Certificate)
    ]
    begins = [begin for certificate in certificates if (begin := certificate.not_before) is not None]
    ends = [end for certificate in certificates if (end := certificate.not_after) is not None]
    return max(begins, default=None), min(ends, default=None)


def clock_of(report: ViolationReport, *, received_at: datetime) -> datetime:
    """Return the moment at which the validity of a report's certificates is judged.

    If the date cannot change the cause, it is that of receipt: reports of all dates are then counted together, and the
    date of whichever came first must not decide for them.
    """
    return (report.date_time if date_matters(report) else None) or received_at


def date_matters(report: ViolationReport) -> bool:
    """Whether the date of a report can change its cause: unless its form is a forgery's anyway.

    It does for senders that validate the path before they compare pins, too: that they validated an expired one is
    implausible, and one such report must not make others implausible.
    """
    return not report.contradictions


def is_outside_validity(not_before: datetime | None, not_after: datetime | None, clock: datetime) -> bool:
    """Whether a certificate was outside its validity (RFC 5280 section 4.1.2.5) by a clock of whatever zone.

    A bound that cannot be read excludes nothing.
    """
    # Subtracting, because a clock may be at either end of the calendar, where nothing can be added.
    early = not_before is not None and not_before - clock > CLOCK_TOLERANCE
    late = not_after is not None and clock - not_after > CLOCK_TOLERANCE
    return early or late


def _parts(report: ViolationReport) -> Iterator[bytes]:
    yield report.hostname.encode()
    yield str(report.port).encode()
    yield str(report.noted_hostname).encode()
    yield str(report.mode).encode()
    yield report.sender.encode()
    yield b"".join(sorted({pin.digest for pin in report.known_pins}))
    yield "\n".join(sorted(set(report.unreadable_pins))).encode()
    yield b"-" if report.served_chain is None else chain_digest(report.served_chain)
    yield b"-" if report.validated_chain is None else chain_digest(report.validated_chain)
    yield str(report.sender_result).encode()
    yield b"implausible" if report.contradictions else b""
