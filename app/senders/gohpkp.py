"""tam7t/hpkp for Go and its kin.

RFC 7469 section 3 in its order, but pins in bare base64, null where a chain is empty, and with a younger library an
empty expiration date where there is no max-age. The program around the library posts it, so any headers go with it.
"""

import re

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.senders.pem import CertificateReader
from app.senders.rfc7469 import MEMBERS, read_as
from app.senders.wire import WireReport

_RFC = frozenset(MEMBERS)
_BARE_PIN = re.compile(r"[A-Za-z0-9+/]{43}=")


def claims(wire: WireReport) -> bool:
    """Whether the form is that of a Go library."""
    null = wire.served_certificate_chain is None or wire.validated_certificate_chain is None
    if _has_bare_pins(wire) or wire.effective_expiration_date == "":
        return _RFC.issuperset(wire.members)
    return null and wire.members == MEMBERS


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a report of a Go library. Raises NotAReport."""
    return read_as(Sender.GO_HPKP, wire, certificates, mode)


def _has_bare_pins(wire: WireReport) -> bool:
    pins = wire.known_pins
    return isinstance(pins, list) and bool(pins) and all(isinstance(p, str) and _BARE_PIN.fullmatch(p) for p in pins)
