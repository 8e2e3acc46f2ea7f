"""TrustKit for Apple systems and for Android.

RFC 7469 section 3 with ``app-*`` members. The port is always 0. Apple: no served chain; PEM of 64 columns with CRLF;
a date without time, or null, as ``known-pins-expiration-date``; delivered by the system up to days later. Android:
chunked; PEM of 76 columns; ``date-time`` is local time with a Z. Where ``validation-result`` says that the chain is
not trusted, what stands as validated chain is the chain as served.
"""

from collections.abc import Iterator
from typing import Any

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.senders.pem import CertificateReader, PemForm
from app.senders.rfc7469 import contradicted, read_as
from app.senders.wire import WireReport

_APPLE = frozenset({"IOS", "MACOS", "TVOS", "WATCHOS"})
_SUCCESS = 0


def claims(wire: WireReport) -> bool:
    """Whether the form is TrustKit's; its first versions named neither themselves nor the platform."""
    itself = wire.app_bundle_id is not None and wire.validation_result is not None
    return itself or wire.trustkit_version is not None


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a TrustKit report. Raises NotAReport."""
    report = read_as(_sender(wire), wire, certificates, mode, sender_result=_result(wire.validation_result))
    return contradicted(report, _contradictions(wire, report, certificates))


def _sender(wire: WireReport) -> Sender:
    platform = wire.app_platform
    if isinstance(platform, str) and platform:
        return Sender.TRUSTKIT_ANDROID if platform.upper() == "ANDROID" else Sender.TRUSTKIT_APPLE
    served = "served-certificate-chain" in wire.members
    return Sender.TRUSTKIT_ANDROID if served else Sender.TRUSTKIT_APPLE


def _result(value: Any) -> SenderResult | None:
    if value is None or isinstance(value, bool):
        return None
    known = {1: SenderResult.PINS_NOT_MATCHED, 2: SenderResult.CHAIN_NOT_TRUSTED}
    return known.get(value, SenderResult.OTHER) if isinstance(value, int) else SenderResult.OTHER


def _contradictions(wire: WireReport, report: ViolationReport, certificates: CertificateReader) -> Iterator[str]:
    """Tell what TrustKit cannot have sent; the form of the PEM only where the platform is named."""
    if report.port is not None:
        yield "TrustKit does not know the port and always sends 0"
    result = wire.validation_result
    if isinstance(result, int) and not isinstance(result, bool) and result == _SUCCESS:
        yield "TrustKit sends no report for a validation that succeeded"
    chains = (wire.served_certificate_chain, wire.validated_certificate_chain)
    if report.platform in _APPLE and not certificates.written_as(PemForm.COLUMNS_64_CRLF, *chains):
        yield "TrustKit for Apple systems writes PEM in lines of 64 with CRLF between them"
    if report.platform == "ANDROID" and not certificates.written_as(PemForm.COLUMNS_76, *chains):
        yield "TrustKit for Android writes PEM in lines of 76 with a newline at the end"
