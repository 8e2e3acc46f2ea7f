"""react-native-ssl-manager on Android: pins instead of certificates, in the form of OkHttp.

``served-pins`` are the pins of the path that OkHttp validated (its cleaned chain), leaf first and trust anchor
included; nothing but the pins is known of it. ``enforced`` is the mode. On iOS it is TrustKit that sends.
"""

from dataclasses import replace
from typing import Any

from app.hpkp.errors import InvalidPin
from app.hpkp.pins import parse_pin
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.x509.certificate import Chain, UnreadableCertificate
from app.senders.pem import CertificateReader
from app.senders.rfc7469 import read_as
from app.senders.wire import MAX_CHAIN, NotAReport, WireReport


def claims(wire: WireReport) -> bool:
    """Whether the form is that of react-native-ssl-manager."""
    return wire.served_pins is not None


def read(wire: WireReport, certificates: CertificateReader, mode: Mode | None) -> ViolationReport:
    """Read a report of react-native-ssl-manager. Raises NotAReport."""
    report = read_as(Sender.REACT_NATIVE, wire, certificates, mode)
    return report if report.validated_chain else replace(report, validated_chain=_chain(wire.served_pins or []))


def _chain(pins: list[Any]) -> Chain:
    if len(pins) > MAX_CHAIN:
        raise NotAReport("/served-pins", f"{len(pins)} pins; at most {MAX_CHAIN} are accepted")
    return tuple(_element(position, pin) for position, pin in enumerate(pins))


def _element(position: int, text: Any) -> UnreadableCertificate:
    try:
        pin = parse_pin(text if isinstance(text, str) else "")
    except InvalidPin:
        return UnreadableCertificate(position, "the sender gave only a pin, and that cannot be read")
    return UnreadableCertificate(position, "the sender gave only the pin", pin=pin)
