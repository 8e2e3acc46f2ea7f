"""A certificate decoded in full for a page: every field and extension in text, and its PEM. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ssl import DER_cert_to_PEM_cert

from app.hpkp.x509.certificate import Certificate, Element
from app.hpkp.x509.der import write_oid
from app.hpkp.x509.extensions import BasicConstraints, NameConstraints, UnreadablePart

_OIDS = {
    "2.5.29.14": "Subject Key Identifier",
    "2.5.29.15": "Key Usage",
    "2.5.29.17": "Subject Alternative Name",
    "2.5.29.18": "Issuer Alternative Name",
    "2.5.29.19": "Basic Constraints",
    "2.5.29.30": "Name Constraints",
    "2.5.29.31": "CRL Distribution Points",
    "2.5.29.32": "Certificate Policies",
    "2.5.29.35": "Authority Key Identifier",
    "2.5.29.37": "Extended Key Usage",
    "1.3.6.1.5.5.7.1.1": "Authority Information Access",
    "1.3.6.1.5.5.7.1.24": "TLS Feature",
    "1.3.6.1.4.1.11129.2.4.2": "Signed Certificate Timestamps",
    "1.3.6.1.4.1.11129.2.4.3": "Precertificate Poison",
    "2.16.840.1.113730.1.1": "Netscape Certificate Type",
}
_USES = {
    "1.3.6.1.5.5.7.3.1": "server authentication",
    "1.3.6.1.5.5.7.3.2": "client authentication",
    "1.3.6.1.5.5.7.3.3": "code signing",
    "1.3.6.1.5.5.7.3.4": "email protection",
    "1.3.6.1.5.5.7.3.8": "time stamping",
    "1.3.6.1.5.5.7.3.9": "OCSP signing",
    "2.5.29.37.0": "any",
}
_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate as text; ``rows`` are name and value, ``extensions`` name, critical or not, and value."""

    pem: str
    is_ca: bool
    rows: Sequence[tuple[str, str]]
    extensions: Sequence[tuple[str, bool, str]]


def decode(element: Element) -> CertificateFacts | None:
    """Decode an element of a chain; None if there are no bytes. What is malformed says so in its place."""
    if element.der is None:
        return None
    pem = DER_cert_to_PEM_cert(element.der)
    if not isinstance(element, Certificate):
        return CertificateFacts(pem, is_ca=False, rows=(), extensions=())
    constraints = element.basic_constraints
    return CertificateFacts(
        pem,
        is_ca=isinstance(constraints, BasicConstraints) and constraints.ca,
        rows=tuple(_write_rows(element)),
        extensions=tuple(_write_extensions(element)),
    )


def write_chain(elements: Iterable[Element]) -> str:
    """Write a chain in PEM, the leaf first; places without bytes are left out."""
    return "".join(DER_cert_to_PEM_cert(element.der) for element in elements if element.der is not None)


def _write_rows(certificate: Certificate) -> Iterator[tuple[str, str]]:
    algorithm = certificate.signature_algorithm
    yield "Version", str(certificate.version or "unreadable")
    yield "Subject", certificate.subject
    yield "Issuer", certificate.issuer
    serial = certificate.serial_number
    yield "Serial number", "unreadable" if serial is None else f"{serial:x}"
    yield "Not before", _write_time(certificate.not_before)
    yield "Not after", _write_time(certificate.not_after)
    yield "Public key", certificate.key_kind or "cannot be loaded"
    hashed = "" if algorithm is None or algorithm.hash_name is None else f" with {algorithm.hash_name}"
    yield "Signature", "unsupported" if algorithm is None else f"{algorithm.scheme.name}{hashed}"
    yield "SHA-256", certificate.fingerprint.hex()
    yield "Pin (SHA-256 of the public key)", str(certificate.pin)
    yield "Size", f"{len(certificate.der):,} bytes"


def _write_time(value: datetime | None) -> str:
    return "unreadable" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _write_extensions(certificate: Certificate) -> Iterator[tuple[str, bool, str]]:
    for oid, extension in list(certificate.extensions.by_oid.items())[:_MOST_SHOWN]:
        dotted = write_oid(oid)
        text = _write_extension(certificate, dotted)
        yield _OIDS.get(dotted, dotted), extension.critical, text or f"{len(extension.value):,} bytes"


def _write_extension(certificate: Certificate, oid: str) -> str:
    """Write the value of an extension that is read here; empty for others."""
    match oid:
        case "2.5.29.19":
            found = certificate.basic_constraints
            if isinstance(found, BasicConstraints):
                length = "" if found.path_length is None else f", path length {found.path_length}"
                return f"{'CA' if found.ca else 'not a CA'}{length}"
            return _write_fault(found)
        case "2.5.29.15":
            may = certificate.may_sign_certificates
            return _write_fault(may) or ("may sign certificates" if may else "may not sign certificates")
        case "2.5.29.37":
            uses = certificate.extended_key_usage
            if isinstance(uses, frozenset):
                return ", ".join(sorted(_USES.get(write_oid(use), write_oid(use)) for use in uses))
            return _write_fault(uses)
        case "2.5.29.14" | "2.5.29.35":
            is_subject = oid == "2.5.29.14"
            key = certificate.subject_key_identifier if is_subject else certificate.authority_key_identifier
            return key[:64].hex(":") if isinstance(key, bytes) else _write_fault(key)
        case "2.5.29.17":
            names = certificate.names
            more = f", and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
            return ", ".join(names[:_MOST_SHOWN]) + more or _write_fault(certificate.alternative_names)
        case "2.5.29.30":
            return _write_constraints(certificate.name_constraints)
    return ""


def _write_constraints(found: NameConstraints | UnreadablePart | None) -> str:
    if not isinstance(found, NameConstraints):
        return _write_fault(found)
    parts = (("permitted", found.permitted.dns), ("excluded", found.excluded.dns))
    texts = [f"{word}: {', '.join(sorted(names)[:_MOST_SHOWN])}" for word, names in parts if names]
    return "; ".join(texts) or "addresses only"


def _write_fault(found: object) -> str:
    return f"unreadable: {found.reason}" if isinstance(found, UnreadablePart) else ""
