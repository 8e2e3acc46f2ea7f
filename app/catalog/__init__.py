"""Facts as data: public roots, and pins that stand for nobody's key."""

from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.hpkp.chain import Certificate, TrustAnchors, read_certificate
from app.hpkp.pins import Pin, parse_pin, pin_of_spki

EXAMPLE_PINS: dict[Pin, str] = {
    parse_pin("d6qzRu9zOECb90Uez27xWltNsj0e1Md7GkYYkVoZWmM="): "example of RFC 7469",
    parse_pin("E9CZ9INDbd+2eRQozYqqbQ2yXLVKB9+xcprMF+44U1g="): "example of RFC 7469",
    parse_pin("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="): "example of RFC 7469",
    pin_of_spki(b""): "SHA-256 of nothing",
    parse_pin("A" * 43 + "="): "placeholder of A's",
    parse_pin("B" * 43 + "="): "placeholder of B's",
}
"""Pins that appear in standards, tutorials and empty commands; nobody holds a key for them."""


def load_anchors(operator_file: Path | None = None) -> TrustAnchors:
    """Load the public roots (Mozilla's bundle by certifi) and the operator's PEM file.

    Raises OSError or ValueError where the operator's file cannot be read.
    """
    operator = _load_roots(operator_file) if operator_file else ()
    return TrustAnchors(public=_load_roots(Path(certifi.where())), operator=operator)


def _load_roots(path: Path) -> tuple[Certificate, ...]:
    parsed = x509.load_pem_x509_certificates(path.read_bytes())
    read = (read_certificate(certificate.public_bytes(Encoding.DER)) for certificate in parsed)
    return tuple(certificate for certificate in read if isinstance(certificate, Certificate))
