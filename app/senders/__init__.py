"""What senders send, read leniently into domain values.

::

    bytes ──read_reports──> (Reading(ViolationReport, its own bytes), …)    one file per sender family
                        └─> Unreadable(outcome, reason, pointer)            in place of what cannot be read

Bytes in, values out: no body, however mangled, raises.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic_core import to_json

from app.hpkp.policy import Mode
from app.hpkp.report import ViolationReport
from app.outcomes import Outcome
from app.senders import gohpkp, proton, reactnative, reporting_api, rfc7469, trustkit
from app.senders.pem import CertificateReader
from app.senders.wire import NotAReport, NotJson, Unreadable, WireReport, decode, read_members

__all__ = ["CertificateReader", "Reading", "Unreadable", "read_report", "read_reports"]


class _Family(Protocol):
    """What a file of this package has for its senders."""

    def claims(self, wire: WireReport) -> bool: ...

    def read(self, wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport: ...


_FAMILIES: tuple[_Family, ...] = (trustkit, reactnative, proton, gohpkp)
"""In the order in which they are asked; what none of them claims has the form of RFC 7469."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A report, and the bytes that say it: the body as sent, or the one entry of a batch."""

    report: ViolationReport
    body: bytes


def read_reports(
    body: bytes, *, certificates: CertificateReader, mode: Mode | None = None, received_at: datetime | None = None
) -> tuple[Reading | Unreadable, ...]:
    """Read one submission: a report, or the reports of a Reporting API batch; none where all are of other types.

    ``mode`` is what the report-uri's query says, and goes before what the body says. ``certificates`` keeps
    certificates that were read before, because senders repeat them. ``received_at`` gives the time of entries that
    say only their age.
    """
    try:
        value = decode(body)
        if reporting_api.is_envelope(value):
            entries = reporting_api.entries(value)
            return tuple(_read_entry(entry, certificates, mode, received_at) for entry in entries)
        return (Reading(_read(value, certificates, mode), body),)
    except NotJson as error:
        return (Unreadable(Outcome.UNREADABLE, str(error)),)
    except NotAReport as error:
        return (_unreadable(error),)


def read_report(
    body: bytes, *, certificates: CertificateReader, mode: Mode | None = None, received_at: datetime | None = None
) -> ViolationReport | Unreadable:
    """Read a submission that is to hold one report; see `read_reports`."""
    readings = read_reports(body, certificates=certificates, mode=mode, received_at=received_at)
    if len(readings) != 1:
        return Unreadable(Outcome.NOT_A_REPORT, f"A batch with {len(readings)} pin violation reports, not one.", "")
    [reading] = readings
    return reading.report if isinstance(reading, Reading) else reading


def _read(value: Any, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    wire = read_members(value)
    for family in _FAMILIES:
        if family.claims(wire):
            return family.read(wire, certificates, mode)
    return rfc7469.read(wire, certificates, mode)


def _read_entry(
    entry: reporting_api.Entry, certificates: CertificateReader, mode: Mode | None, received_at: datetime | None
) -> Reading | Unreadable:
    try:
        report = reporting_api.read(entry, certificates, mode, received_at=received_at)
    except NotAReport as error:
        return _unreadable(error)
    return Reading(report, to_json(entry.value))


def _unreadable(error: NotAReport) -> Unreadable:
    return Unreadable(Outcome.NOT_A_REPORT, error.reason, error.pointer)
