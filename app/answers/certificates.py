"""Certificates: what they say of themselves, or why they cannot be read."""

from typing import Any

from app.hpkp.x509.certificate import Certificate, Element


def certificate_answer(element: Element) -> dict[str, Any]:
    """Return what a certificate says of itself, or why it cannot be read."""
    if not isinstance(element, Certificate):
        fingerprint = element.fingerprint
        return {
            "sha256": None if fingerprint is None else fingerprint.hex(),
            "pin": None if element.pin is None else str(element.pin),
            "unreadable": element.reason,
        }
    return {
        "sha256": element.fingerprint.hex(),
        "subject": element.subject,
        "issuer": element.issuer,
        "names": list(element.names),
        "serial_number": None if element.serial_number is None else f"{element.serial_number:x}",
        "not_before": element.not_before,
        "not_after": element.not_after,
        "signature_hash": element.signature_hash,
        "key": element.key_kind,
        "pin": str(element.pin),
    }
