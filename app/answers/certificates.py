"""Certificates: what they say of themselves, and what of them cannot be read."""

from typing import Any

from app.hpkp.x509.certificate import Certificate, Element, why_unreadable


def certificate_answer(element: Element) -> dict[str, Any]:
    """Return what a certificate says of itself, and what of it cannot be read."""
    answer = {
        "sha256": None if element.fingerprint is None else element.fingerprint.hex(),
        "pin": None if element.pin is None else str(element.pin),
        "unreadable": why_unreadable(element),
    }
    if not isinstance(element, Certificate):
        return answer
    return answer | {
        "subject": element.subject,
        "issuer": element.issuer,
        "names": list(element.names),
        "serial_number": None if element.serial_number is None else f"{element.serial_number:x}",
        "not_before": element.not_before,
        "not_after": element.not_after,
        "signature_hash": element.signature_hash,
        "key": element.key_kind,
    }
