"""Why pins did not match, whose matter that is, and how it bears on the question whether enforcing is safe.

::

    Cause ──SIDE──> whose matter it is          shown to the operator
      └────BEARING> what it means for readiness
"""

from enum import StrEnum


class Cause(StrEnum):
    """Why the pins did not match, in the order in which the rules are asked."""

    NO_EVIDENCE = "no_evidence"
    IMPLAUSIBLE = "implausible"
    MATCHES_EXPECTED = "matches_expected"
    STALE_KNOWN_PINS = "stale_known_pins"
    FOREIGN_PINS = "foreign_pins"
    KNOWN_BAD_KEY = "known_bad_key"
    OTHER_TRUST_PATH = "other_trust_path"
    OWN_KEY_NOT_PINNED = "own_key_not_pinned"
    CLOCK = "clock"
    NAME_MISMATCH = "name_mismatch"
    UNTRUSTED_CHAIN = "untrusted_chain"
    INTERCEPTION_PRODUCT = "interception_product"
    PRIVATE_ROOT = "private_root"
    UNKNOWN_KEY_PUBLIC_CA = "unknown_key_public_ca"


class Bearing(StrEnum):
    """What a cause means for the question whether enforcing is safe."""

    BLOCKS = "blocks"
    CAUTION = "caution"
    INFO = "info"


class Side(StrEnum):
    """Whose matter a violation is."""

    OURS = "ours"
    """Our own mistake or our own former policy."""
    INTERCEPTION = "interception"
    """Software or a proxy between client and server that the client was made to trust."""
    HOSTILE = "hostile"
    """Somebody may hold a certificate that clients trust, or a key that is known to be compromised."""
    NOT_A_PIN_MATTER = "not_a_pin_matter"
    """The connection fails, or works, whatever the pins say."""
    UNKNOWN = "unknown"
    """The report does not tell."""


BEARING: dict[Cause, Bearing] = {
    Cause.NO_EVIDENCE: Bearing.CAUTION,
    Cause.IMPLAUSIBLE: Bearing.INFO,
    Cause.MATCHES_EXPECTED: Bearing.INFO,
    Cause.STALE_KNOWN_PINS: Bearing.INFO,
    Cause.FOREIGN_PINS: Bearing.INFO,
    Cause.KNOWN_BAD_KEY: Bearing.CAUTION,
    Cause.OTHER_TRUST_PATH: Bearing.BLOCKS,
    Cause.OWN_KEY_NOT_PINNED: Bearing.BLOCKS,
    Cause.CLOCK: Bearing.INFO,
    Cause.NAME_MISMATCH: Bearing.INFO,
    Cause.UNTRUSTED_CHAIN: Bearing.INFO,
    Cause.INTERCEPTION_PRODUCT: Bearing.CAUTION,
    Cause.PRIVATE_ROOT: Bearing.CAUTION,
    Cause.UNKNOWN_KEY_PUBLIC_CA: Bearing.BLOCKS,
}

SIDE: dict[Cause, Side] = {
    Cause.NO_EVIDENCE: Side.UNKNOWN,
    Cause.IMPLAUSIBLE: Side.UNKNOWN,
    Cause.MATCHES_EXPECTED: Side.NOT_A_PIN_MATTER,
    Cause.STALE_KNOWN_PINS: Side.OURS,
    Cause.FOREIGN_PINS: Side.UNKNOWN,
    Cause.KNOWN_BAD_KEY: Side.HOSTILE,
    Cause.OTHER_TRUST_PATH: Side.OURS,
    Cause.OWN_KEY_NOT_PINNED: Side.OURS,
    Cause.CLOCK: Side.NOT_A_PIN_MATTER,
    Cause.NAME_MISMATCH: Side.NOT_A_PIN_MATTER,
    Cause.UNTRUSTED_CHAIN: Side.NOT_A_PIN_MATTER,
    Cause.INTERCEPTION_PRODUCT: Side.INTERCEPTION,
    Cause.PRIVATE_ROOT: Side.INTERCEPTION,
    Cause.UNKNOWN_KEY_PUBLIC_CA: Side.HOSTILE,
}

ALARMING = frozenset({Cause.UNKNOWN_KEY_PUBLIC_CA, Cause.KNOWN_BAD_KEY})
"""Causes that may mean an attack."""
