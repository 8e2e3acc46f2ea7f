"""The causes of a violation in one table: who has to act, what each means for the verdict, and its texts.

::

    Cause ──CAUSES──> CauseFacts: side, bearing, title, meaning, fix
"""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why the pins did not match, in the order in which the rules are asked."""

    CONTROL = "control"
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


_EXPLAIN = "hpkp explain {violation}"
_WITHOUT_PINS = "They fail with or without pins."


@dataclass(frozen=True, slots=True)
class CauseFacts:
    """One row of the table. ``fix`` may name ``{violation}``, the number of the one to look at first."""

    side: Side
    bearing: Bearing
    title: str
    meaning: str
    fix: str


CAUSES: dict[Cause, CauseFacts] = {
    Cause.CONTROL: CauseFacts(
        Side.NOT_A_PIN_MATTER,
        Bearing.INFO,
        "Control pins, which match nothing",
        "Clients reported the host's control pins, as they have to. These reports measure how many clients report; "
        "they are not violations.",
        "Nothing.",
    ),
    Cause.NO_EVIDENCE: CauseFacts(
        Side.UNKNOWN,
        Bearing.CAUTION,
        "Reports without certificates that can be read",
        "Clients reported a failure without certificates that can be read.",
        f"Nothing can be concluded from them; {_EXPLAIN} shows what little there is.",
    ),
    Cause.IMPLAUSIBLE: CauseFacts(
        Side.UNKNOWN,
        Bearing.INFO,
        "Reports that look made up",
        "Reports came in a form that their sender does not make, or with a path that no client can have validated. "
        "They do not count.",
        "Nothing.",
    ),
    Cause.MATCHES_EXPECTED: CauseFacts(
        Side.NOT_A_PIN_MATTER,
        Bearing.INFO,
        "Reports although a pin matches",
        "Clients reported certificates that contain an expected pin.",
        "Nothing.",
    ),
    Cause.STALE_KNOWN_PINS: CauseFacts(
        Side.OURS,
        Bearing.INFO,
        "Clients with outdated pins",
        "Clients know pins of another revision of the policy. Those that enforce them refuse the connection now.",
        "Serve a chain with a key that they pin. Browsers keep pins until max-age has passed; apps keep them until "
        "they are updated, so release an update with the new pins.",
    ),
    Cause.FOREIGN_PINS: CauseFacts(
        Side.UNKNOWN,
        Bearing.INFO,
        "Clients with pins that were never yours",
        "Clients hold pins for this host that were never yours.",
        f"Look for a header that was copied from elsewhere: {_EXPLAIN}.",
    ),
    Cause.KNOWN_BAD_KEY: CauseFacts(
        Side.HOSTILE,
        Bearing.CAUTION,
        "A compromised key between clients and the host",
        "Between clients and the host stands a key that is known to be compromised or misused. This may be an attack.",
        f"See who stands in between: {_EXPLAIN}. Warn these users; pins are what protects them.",
    ),
    Cause.OTHER_TRUST_PATH: CauseFacts(
        Side.OURS,
        Bearing.BLOCKS,
        "Clients reach your certificate by a path without a pin",
        "Clients trust your certificate by way of CA certificates among which no pin stands. Where pins are enforced, "
        "they are locked out.",
        f"Add the pin of a key that every client meets, best that of your own certificate; {_EXPLAIN} shows the path.",
    ),
    Cause.OWN_KEY_NOT_PINNED: CauseFacts(
        Side.OURS,
        Bearing.BLOCKS,
        "A key of yours is served without a pin",
        "Clients met a certificate with a key of yours that is not pinned. Where pins are enforced, they are locked "
        "out.",
        f"Find out where a key of yours is served without its pin ({_EXPLAIN} shows the certificate). Add the pin to "
        "the policy, or replace the certificate there; then hpkp mark {violation} --as resolved.",
    ),
    Cause.CLOCK: CauseFacts(
        Side.NOT_A_PIN_MATTER,
        Bearing.INFO,
        "Certificates that were not valid at the client's time",
        f"Clients met certificates that were not valid at their time. {_WITHOUT_PINS}",
        "Nothing on the pins; check the dates of your certificate.",
    ),
    Cause.NAME_MISMATCH: CauseFacts(
        Side.NOT_A_PIN_MATTER,
        Bearing.INFO,
        "Certificates for another name",
        "Clients were shown trusted certificates for another name, as the login pages of public networks do. "
        f"{_WITHOUT_PINS}",
        "Nothing on the pins; if the name shown is one of yours, check the virtual hosts.",
    ),
    Cause.UNTRUSTED_CHAIN: CauseFacts(
        Side.NOT_A_PIN_MATTER,
        Bearing.INFO,
        "Certificates that clients do not trust anyway",
        f"Clients met certificates that they do not trust. {_WITHOUT_PINS}",
        "Nothing on the pins; check that the host serves its intermediate certificates.",
    ),
    Cause.INTERCEPTION_PRODUCT: CauseFacts(
        Side.INTERCEPTION,
        Bearing.CAUTION,
        "Interception by a known product",
        "A known product intercepts the connections. Browsers let it pass, apps with pins do not.",
        "Decide whether apps behind it may be locked out.",
    ),
    Cause.PRIVATE_ROOT: CauseFacts(
        Side.INTERCEPTION,
        Bearing.CAUTION,
        "Interception by a private CA",
        "A CA that no public store knows vouches for the certificates: as a rule, a proxy that intercepts. Browsers "
        "let it pass, apps with pins do not.",
        "Decide whether apps behind it may be locked out.",
    ),
    Cause.UNKNOWN_KEY_PUBLIC_CA: CauseFacts(
        Side.HOSTILE,
        Bearing.BLOCKS,
        "A trusted CA vouches for a key that is not yours",
        "A CA that everybody trusts vouches for a certificate of this host whose key is not known as yours. This may "
        "be an attack.",
        f"Take it for an attack until you know better. {_EXPLAIN} shows the certificate; ask your CAs, and search "
        "Certificate Transparency (crt.sh) for it. If it is yours, add its key to the policy (hpkp policy set … "
        "--own-key PIN), for enforcing would lock out those who meet it. If not, have its CA revoke it, then hpkp mark "
        "{violation} --as resolved; pins are what protects clients from it.",
    ),
}

BEARING: dict[Cause, Bearing] = {cause: facts.bearing for cause, facts in CAUSES.items()}
SIDE: dict[Cause, Side] = {cause: facts.side for cause, facts in CAUSES.items()}

ALARMING = frozenset({Cause.UNKNOWN_KEY_PUBLIC_CA, Cause.KNOWN_BAD_KEY})
"""Causes that may mean an attack."""


def bearing_of(cause: Cause, *, locks_out: bool | None) -> Bearing:
    """Return what one violation means for readiness.

    Clients that know former pins of ours and enforce them refuse the connection now: that blocks, while the same
    cause without a lockout only informs.
    """
    if cause is Cause.STALE_KNOWN_PINS and locks_out:
        return Bearing.BLOCKS
    return BEARING[cause]
