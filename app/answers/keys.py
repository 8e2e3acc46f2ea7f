"""Keys that may be pinned, with what is known of them."""

from typing import Any

from app.hpkp.key_description import KeyDescription
from app.hpkp.x509.anchors import Anchor


def key_answer(described: KeyDescription) -> dict[str, Any]:
    """Return the description of a key without its findings; what a key of its kind does not have is left out."""
    key = described.key
    answer: dict[str, Any] = {
        "kind": key.kind,
        "pin": str(key.pin),
        "ca_names": [f"{ca.name} ({ca.state})" for ca in described.ca_names],
    }
    if key.subject or key.names:
        answer |= {"subject": key.subject, "names": list(key.names)}
    if certificate := key.certificate:
        answer |= {
            "issuer": certificate.issuer,
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            "validity": described.validity,
            "role": described.role,
            "public_root": described.root_store is Anchor.PUBLIC,
            "sha256": certificate.fingerprint.hex(),
        }
    if key.note:
        answer["note"] = key.note
    return answer
