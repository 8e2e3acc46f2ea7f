"""Where paths end."""

from enum import StrEnum


class Anchor(StrEnum):
    """Where a path ends."""

    PUBLIC = "public"
    """At a root of the public store."""
    OPERATOR = "operator"
    """At a root that the operator supplied."""
    PRIVATE = "private"
    """At a self-signed certificate, or a validated chain's end, that is in neither store."""
    KNOWN_BAD = "known_bad"
    """At a certificate whose key is known to be compromised or misused."""
    UNKNOWN = "unknown"
    """Nowhere: the issuer of the last certificate is not at hand."""
