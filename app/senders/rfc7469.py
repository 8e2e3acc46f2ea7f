"""RFC 7469 section 3 as Chromium 46 to 71 sends it, and anything else with those members.

Chromium's form: compact JSON, members sorted by name, dates ``YYYY-MM-DDTHH:MM:SS.mmmZ``, PEM of 64 columns. In
report-only mode the effective expiration date is the moment of the report, within a second either side. Others state
the mode by ``enforce-pinning`` or ``enforced``.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.senders.pem import CertificateReader
from app.senders.wire import (
    WireReport,
    read_date,
    read_flag,
    read_host,
    read_optional_host,
    read_pins,
    read_port,
    read_text,
)

Reader = Callable[[WireReport, CertificateReader, Mode | None], ViolationReport]

_CHROMIUM_MEMBERS = (
    "date-time",
    "effective-expiration-date",
    "hostname",
    "include-subdomains",
    "known-pins",
    "noted-hostname",
    "port",
    "served-certificate-chain",
    "validated-certificate-chain",
)
_CHROMIUM_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_SAME_MOMENT = timedelta(seconds=1)


def _sender(wire: WireReport) -> Sender:
    dated = isinstance(wire.date_time, str) and _CHROMIUM_DATE.fullmatch(wire.date_time)
    return Sender.CHROMIUM if wire.members == _CHROMIUM_MEMBERS and dated else Sender.RFC7469


def _mode(sender: Sender, date_time: datetime | None, expiration: datetime | None) -> Mode | None:
    if sender is not Sender.CHROMIUM or date_time is None or expiration is None:
        return None
    return Mode.REPORT_ONLY if abs(expiration - date_time) <= _SAME_MOMENT else Mode.ENFORCE


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a report in the form of RFC 7469 section 3. Raises NotAReport."""
    sender = _sender(wire)
    date_time = read_date(wire.date_time)
    expiration = read_date(wire.effective_expiration_date)
    pins, unreadable = read_pins(wire.known_pins)
    stated = read_flag(wire.enforced if wire.enforce_pinning is None else wire.enforce_pinning)
    return ViolationReport(
        hostname=read_host(wire.hostname, "/hostname"),
        sender=sender,
        port=read_port(wire.port),
        noted_hostname=read_optional_host(wire.noted_hostname, "/noted-hostname"),
        include_subdomains=read_flag(wire.include_subdomains),
        mode=mode or mode_of_flag(stated) or _mode(sender, date_time, expiration),
        known_pins=pins,
        unreadable_pins=unreadable,
        served_chain=certificates.read_chain(wire.served_certificate_chain, "/served-certificate-chain"),
        validated_chain=certificates.read_chain(wire.validated_certificate_chain, "/validated-certificate-chain"),
        date_time=date_time,
        date_time_text=read_text(wire.date_time),
        effective_expiration_date=expiration,
        effective_expiration_text=read_text(wire.effective_expiration_date),
        app_version=read_text(wire.app_version),
    )


def mode_of_flag(enforced: bool | None) -> Mode | None:
    """Turn a sender's own flag into the mode; no flag says nothing."""
    if enforced is None:
        return None
    return Mode.ENFORCE if enforced else Mode.REPORT_ONLY
