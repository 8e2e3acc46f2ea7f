"""Proton's clients: Mail Bridge, and VPN for Windows. Neither says the mode; both always enforce.

Bridge: RFC 7469 section 3 with ``app-version``; the port as text (as a number in older versions); the expiration
always a year ahead; the validated chain null, and what stands as served chain is the validated one where there is one.
VPN: only five members, the date without a zone, in UTC.
"""

import re

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.senders.pem import CertificateReader
from app.senders.rfc7469 import MEMBERS, read_as
from app.senders.wire import WireReport

_BRIDGE = frozenset({*MEMBERS, "app-version"})
_VPN = frozenset({"date-time", "hostname", "port", "validated-certificate-chain", "known-pins"})
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)


def claims(wire: WireReport) -> bool:
    """Whether the form is that of one of Proton's clients."""
    return _sender(wire) is not None


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a report of one of Proton's clients. Raises NotAReport."""
    return read_as(_sender(wire) or Sender.RFC7469, wire, certificates, mode)


def _sender(wire: WireReport) -> Sender | None:
    if wire.app_version is not None:
        return Sender.PROTON_BRIDGE if set(wire.members) == _BRIDGE else None
    dated = isinstance(wire.date_time, str) and _WITHOUT_ZONE.fullmatch(wire.date_time)
    return Sender.PROTON_VPN if dated and set(wire.members) == _VPN else None
