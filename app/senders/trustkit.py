"""TrustKit for Apple systems and for Android.

RFC 7469 section 3 with ``app-*`` members. The port is always 0. Apple: no served chain; PEM of 64 columns with CRLF;
a date without time, or null, as ``known-pins-expiration-date``; delivered by the system up to days later. Android:
chunked; PEM of 76 columns; ``date-time`` is local time with a Z. Where ``validation-result`` says that the chain is
not trusted, what stands as validated chain is the chain as served.
"""

from typing import Any

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.senders.pem import CertificateReader
from app.senders.rfc7469 import mode_of_flag
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


def claims(wire: WireReport) -> bool:
    """Whether the form is TrustKit's."""
    members = set(wire.members)
    return "trustkit-version" in members or {"app-bundle-id", "validation-result"} <= members


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a TrustKit report. Raises NotAReport."""
    pins, unreadable = read_pins(wire.known_pins)
    platform = read_text(wire.app_platform)
    android = (platform or "").upper() == "ANDROID"
    expiration = wire.known_pins_expiration_date or wire.effective_expiration_date
    return ViolationReport(
        hostname=read_host(wire.hostname, "/hostname"),
        sender=Sender.TRUSTKIT_ANDROID if android else Sender.TRUSTKIT_APPLE,
        port=read_port(wire.port),
        noted_hostname=read_optional_host(wire.noted_hostname, "/noted-hostname"),
        include_subdomains=read_flag(wire.include_subdomains),
        mode=mode or mode_of_flag(read_flag(wire.enforce_pinning)),
        known_pins=pins,
        unreadable_pins=unreadable,
        served_chain=certificates.read_chain(wire.served_certificate_chain, "/served-certificate-chain"),
        validated_chain=certificates.read_chain(wire.validated_certificate_chain, "/validated-certificate-chain"),
        sender_result=_result(wire.validation_result),
        date_time=read_date(wire.date_time),
        date_time_text=read_text(wire.date_time),
        effective_expiration_date=read_date(expiration),
        effective_expiration_text=read_text(expiration),
        app=read_text(wire.app_bundle_id),
        app_version=read_text(wire.app_version),
        platform=platform,
        platform_version=read_text(wire.app_platform_version),
        install_id=read_text(wire.app_vendor_id),
    )


def _result(value: Any) -> SenderResult | None:
    if value is None or isinstance(value, bool):
        return None
    known = {1: SenderResult.PINS_NOT_MATCHED, 2: SenderResult.CHAIN_NOT_TRUSTED}
    return known.get(value, SenderResult.OTHER) if isinstance(value, int) else SenderResult.OTHER
