"""What a certificate is for, by its own words: basic constraints, version, names and its own signature.

A role says nothing of trust: anybody can make a self-signed CA.
"""

from enum import StrEnum

from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.extensions import UnreadablePart
from app.hpkp.x509.signatures import Link, check_link


class Role(StrEnum):
    """Where in a chain a certificate can stand."""

    LEAF = "leaf"
    INTERMEDIATE = "intermediate"
    TRUST_ANCHOR = "trust anchor"
    """A CA that signed itself."""
    UNKNOWN = "unknown"
    """Its extensions cannot be read."""


def role_of(certificate: Certificate) -> Role:
    """Tell the role (RFC 5280 section 4.2.1.9); certificates of version 1 have no words for it (section 6.1.4 k)."""
    constraints = certificate.basic_constraints
    if isinstance(constraints, UnreadablePart) or (constraints is None and certificate.extensions.unreadable):
        return Role.UNKNOWN
    # A signature that cannot be checked leaves a root a root: one is signed with MD2, which the library does not have.
    self_signed = certificate.self_issued and check_link(certificate, certificate) is not Link.NOT_SIGNED
    # Old roots of version 1 are trust anchors all the same; of version 3 the absence means that it is no CA.
    ca = constraints.ca if constraints else self_signed and certificate.version != 3
    if not ca:
        return Role.LEAF
    return Role.TRUST_ANCHOR if self_signed else Role.INTERMEDIATE
