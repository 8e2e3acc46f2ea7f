"""Facts as data: roots, public and former, and in TOML files what is known of keys and products."""

from pathlib import Path

from app.catalog.roots import load_former_roots, load_public_roots
from app.hpkp.errors import InvalidFile
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.pem import CERTIFICATE_LABELS, decode_text, pem_blocks


def load_known_certificates(
    roots_file: Path | None = None, intermediates_file: Path | None = None
) -> KnownCertificates:
    """Load the public and former roots, and the operator's PEM files of roots and of intermediates.

    Raises InvalidFile if an operator's file cannot be read, if a block of it holds no certificate, or if it has none;
    the message names the setting and the file.
    """
    return KnownCertificates(
        public=load_public_roots(),
        operator=_load_file(roots_file, "HPKP_TRUST_ANCHORS"),
        former=tuple(former.stored for former in load_former_roots()),
        intermediates=_load_file(intermediates_file, "HPKP_KNOWN_CERTIFICATES"),
    )


def _load_file(path: Path | None, setting: str) -> tuple[Certificate, ...]:
    """Load all certificates of a PEM file; text between the blocks and blocks of other kinds are passed over."""
    if path is None:
        return ()
    try:
        text = decode_text(path.read_bytes())
    except OSError as error:
        raise InvalidFile(f"{setting}: {path}: {error.strerror}") from None
    found = []
    for number, block in enumerate((b for b in pem_blocks(text) if b.label in CERTIFICATE_LABELS), start=1):
        try:
            certificate = read_certificate(block.decode())
        except ValueError as error:
            raise InvalidFile(f"{setting}: {path}: certificate {number} is not base64: {error}") from None
        if not isinstance(certificate, Certificate):
            raise InvalidFile(f"{setting}: {path}: certificate {number} cannot be read: {certificate.reason}")
        found.append(certificate)
    if not found:
        raise InvalidFile(f"{setting}: {path} contains no certificate")
    return tuple(found)
