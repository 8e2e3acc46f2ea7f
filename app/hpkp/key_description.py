"""What there is to say of a key before it is pinned.

::

    HeldKey ──describe_key(known, catalog, at)──> KeyDescription: role, validity, CA names, root store, findings
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.hpkp.catalog import CaName, Catalog
from app.hpkp.findings import Finding
from app.hpkp.pin_checks import check_pin
from app.hpkp.x509.anchors import Anchor, KnownCertificates, identity_of
from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.certificate_role import Role, role_of
from app.hpkp.x509.keys import HeldKey


class Validity(StrEnum):
    """How a moment lies to a certificate's validity (RFC 5280 section 4.1.2.5)."""

    NOT_YET = "not yet valid"
    VALID = "valid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """A key with what is known of it. Role, validity and store are told of certificates alone."""

    key: HeldKey
    role: Role | None
    validity: Validity | None
    ca_names: tuple[CaName, ...]
    root_store: Anchor | None
    """PUBLIC, OPERATOR or FORMER_PUBLIC where a store holds, or once held, this key under this name."""
    findings: tuple[Finding, ...]
    """Why it is a bad idea to pin it."""


def describe_key(key: HeldKey, *, known: KnownCertificates, catalog: Catalog, at: datetime) -> KeyDescription:
    """Describe one key; ``at`` is the moment for which validity is told."""
    certificate = key.certificate
    role = None if certificate is None else role_of(certificate)
    store = None if certificate is None else known.kind_of(identity_of(certificate), at)
    return KeyDescription(
        key=key,
        role=role,
        validity=None if certificate is None else _validity(certificate, at),
        ca_names=catalog.ca_names_of(key.pin),
        root_store=store,
        findings=tuple(check_pin(key.pin, catalog, role=role, in_store=store in (Anchor.PUBLIC, Anchor.OPERATOR))),
    )


def _validity(certificate: Certificate, at: datetime) -> Validity | None:
    if certificate.not_before is None or certificate.not_after is None:
        return None
    if at < certificate.not_before:
        return Validity.NOT_YET
    return Validity.EXPIRED if at > certificate.not_after else Validity.VALID
