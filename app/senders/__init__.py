"""What senders send, read leniently into one domain value.

::

    bytes ──read_report──> ViolationReport                  one file per sender family
                       └─> Unreadable(outcome, reason, pointer)

Bytes in, a value out: no body, however mangled, raises.
"""

from app.hpkp.policy import Mode
from app.hpkp.report import ViolationReport
from app.outcomes import Outcome
from app.senders import rfc7469, trustkit
from app.senders.pem import CertificateReader
from app.senders.wire import NotAReport, Unreadable, WireReport, decode

__all__ = ["CertificateReader", "Unreadable", "read_report"]


def read_report(
    body: bytes, *, certificates: CertificateReader, mode: Mode | None = None
) -> ViolationReport | Unreadable:
    """Read one submission.

    ``mode`` is what the report-uri's query says, and goes before what the body says. ``certificates`` keeps
    certificates that were read before, because senders repeat them.
    """
    wire = decode(body)
    if isinstance(wire, Unreadable):
        return wire
    try:
        return _family(wire)(wire, certificates, mode)
    except NotAReport as error:
        return Unreadable(Outcome.NOT_A_REPORT, error.reason, error.pointer)


def _family(wire: WireReport) -> rfc7469.Reader:
    return trustkit.read if trustkit.claims(wire) else rfc7469.read
