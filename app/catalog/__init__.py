"""Facts as data: public roots, and in TOML files what is known of keys and products."""

from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.hpkp.x509.certificate import Certificate, TrustAnchors, read_certificate


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
