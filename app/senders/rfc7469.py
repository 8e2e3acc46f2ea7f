"""RFC 7469 section 3, and how every family's members are read.

Chromium 46 to 71 is told by its form: compact JSON, members sorted by name, dates ``YYYY-MM-DDTHH:MM:SS.mmmZ``. In
report-only mode the effective expiration date is the moment of the report, within a second either side. Whatever else
has those members in no known sender's form is ``rfc7469``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from app.hpkp.hosts import is_address
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.senders.pem import CertificateReader, PemForm
from app.senders.wire import (
    WireReport,
    read_clock,
    read_date,
    read_flag,
    read_host,
    read_optional_host,
    read_pins,
    read_port,
    read_text,
)

MEMBERS = (
    "date-time",
    "hostname",
    "port",
    "effective-expiration-date",
    "include-subdomains",
    "noted-hostname",
    "served-certificate-chain",
    "validated-certificate-chain",
    "known-pins",
)
"""The members of section 3, in its order, which programs with a fixed order keep."""

_CHROMIUM_MEMBERS = tuple(sorted(MEMBERS))
_CHROMIUM_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_SAME_MOMENT = timedelta(seconds=1)
_EXPIRED = timedelta(minutes=1)
_LONGEST_MAX_AGE = timedelta(days=61)
_NO_TIME = 1601
"""The year of a time that was never set, which is what preloaded pins have for an expiration."""

ModeOfDates = Callable[[datetime | None, datetime | None], Mode | None]
"""Tell the mode by date-time and expiration."""


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a report of Chromium or of a sender that is not known. Raises NotAReport."""
    if not _is_chromium(wire):
        return read_as(Sender.RFC7469, wire, certificates, mode)
    report = read_as(Sender.CHROMIUM, wire, certificates, mode, mode_of_dates=chromium_mode)
    return contradicted(report, _contradictions(wire, report, certificates))


def read_as(
    sender: Sender,
    wire: WireReport,
    certificates: CertificateReader,
    mode: Mode | None,
    *,
    mode_of_dates: ModeOfDates = lambda date_time, expiration: None,
    sender_result: SenderResult | None = None,
) -> ViolationReport:
    """Read every member that any family has, so that nothing is lost where the family is guessed wrong.

    The mode is the one given, else what a flag in the report says, else what its dates say. Raises NotAReport.
    """
    # Chromium writes Gregorian years whatever its device shows; its mode and contradictions rest on them.
    date_time = (read_date if sender is Sender.CHROMIUM else read_clock)(wire.date_time)
    expiration_text = wire.known_pins_expiration_date or wire.effective_expiration_date
    expiration = read_date(expiration_text)
    pins, unreadable = read_pins(wire.known_pins)
    flag = read_flag(wire.enforced if wire.enforce_pinning is None else wire.enforce_pinning)
    return ViolationReport(
        hostname=read_host(wire.hostname, "/hostname"),
        sender=sender,
        port=read_port(wire.port),
        noted_hostname=read_optional_host(wire.noted_hostname, "/noted-hostname"),
        include_subdomains=read_flag(wire.include_subdomains),
        mode=mode or _mode_of_flag(flag) or mode_of_dates(date_time, expiration),
        known_pins=pins,
        unreadable_pins=unreadable,
        served_chain=certificates.read_chain(wire.served_certificate_chain, "/served-certificate-chain"),
        validated_chain=certificates.read_chain(wire.validated_certificate_chain, "/validated-certificate-chain"),
        sender_result=sender_result,
        date_time=date_time,
        date_time_text=read_text(wire.date_time),
        effective_expiration_date=expiration,
        effective_expiration_text=read_text(expiration_text),
        app=read_text(wire.app_bundle_id),
        app_version=read_text(wire.app_version),
        platform=read_text(wire.app_platform),
        platform_version=read_text(wire.app_platform_version),
        install_id=read_text(wire.app_vendor_id),
    )


def contradicted(report: ViolationReport, found: Iterator[str]) -> ViolationReport:
    """Return the report with what contradicts its sender, if anything does."""
    contradictions = tuple(found)
    return replace(report, contradictions=contradictions) if contradictions else report


def _mode_of_flag(enforced: bool | None) -> Mode | None:
    if enforced is None:
        return None
    return Mode.ENFORCE if enforced else Mode.REPORT_ONLY


def _is_chromium(wire: WireReport) -> bool:
    dates = (wire.date_time, wire.effective_expiration_date)
    return all(isinstance(date, str) and _CHROMIUM_DATE.fullmatch(date) for date in dates) and (
        wire.members == _CHROMIUM_MEMBERS
    )


def chromium_mode(date_time: datetime | None, expiration: datetime | None) -> Mode | None:
    """Tell Chromium's mode by its dates."""
    if date_time is None or expiration is None:
        return None
    return Mode.REPORT_ONLY if abs(expiration - date_time) <= _SAME_MOMENT else Mode.ENFORCE


def _may_be_address(host: str) -> bool:
    """Whether it is worth the time to ask; nearly no host name ends with a digit."""
    return host[-1].isdigit() or ":" in host


def _contradictions(wire: WireReport, report: ViolationReport, certificates: CertificateReader) -> Iterator[str]:
    """Tell what Chromium cannot have sent.

    Its policy for a host is found by walking up from the hostname, expired pins are dropped when they are looked up,
    60 days is the longest max-age that it keeps, and it notes no pins for addresses.
    """
    if report.port is None:
        yield "Chromium always knows the port"
    if _may_be_address(report.hostname) and is_address(report.hostname):
        yield "Chromium pins no addresses"
    noted = report.noted_hostname
    if noted is not None and noted != report.hostname:
        if not report.hostname.endswith(f".{noted}"):
            yield "the hostname is not below the noted hostname"
        elif report.include_subdomains is False:
            yield "the hostname is below the noted hostname, whose pins do not include subdomains"
    if not certificates.written_as(PemForm.COLUMNS_64, wire.served_certificate_chain, wire.validated_certificate_chain):
        yield "Chromium writes PEM in lines of 64 with a newline at the end"
    yield from contradictions_of_dates(report.date_time, report.effective_expiration_date)


def contradictions_of_dates(date_time: datetime | None, expiration: datetime | None) -> Iterator[str]:
    """Tell what Chromium's dates cannot be: the rest of `_contradictions` does not look at them."""
    if date_time is not None and expiration is not None and expiration.year != _NO_TIME:
        if date_time - expiration > _EXPIRED:
            yield "the pins had expired before the violation"
        elif expiration - date_time > _LONGEST_MAX_AGE:
            yield "the pins expire later than the 60 days that Chromium keeps pins at most"
