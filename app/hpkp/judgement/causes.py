"""The causes of a violation in one table: attribution, what each means for the verdict, and its texts.

::

    Cause ──CAUSES──> CauseFacts: side, impact, title, meaning, fix
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.hpkp.wording import name_first


class Cause(StrEnum):
    """Why the pins did not match, in the order in which the rules are asked."""

    CONTROL = "control"
    NO_EVIDENCE = "no_evidence"
    IMPLAUSIBLE = "implausible"
    MATCHES_EXPECTED = "matches_expected"
    RELEASE_PINS_EXPIRED = "release_pins_expired"
    RELEASE_NEVER_FITTED = "release_never_fitted"
    RELEASE_LEFT_BEHIND = "release_left_behind"
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


class Impact(StrEnum):
    """What a cause means for the question whether enforcing is safe."""

    BLOCKER = "blocks"
    WARNING = "caution"
    INFO = "info"


class Attribution(StrEnum):
    """To what a violation is attributed."""

    OPERATOR = "ours"
    """A configuration error, or an earlier policy of the operator."""
    INTERCEPTION = "interception"
    """Software or a proxy between client and server that the client was made to trust."""
    POSSIBLE_ATTACK = "hostile"
    """An attacker may have a certificate that clients trust, or a key that is known to be compromised."""
    UNRELATED = "not_a_pin_matter"
    """The connection fails, or works, whatever the pins say."""
    UNKNOWN = "unknown"
    """The report does not show it."""


ATTRIBUTION_TEXTS = {
    Attribution.OPERATOR: "your configuration",
    Attribution.INTERCEPTION: "TLS interception",
    Attribution.POSSIBLE_ATTACK: "possible attacker",
    Attribution.UNRELATED: "unrelated to pinning",
    Attribution.UNKNOWN: "unknown",
}
"""To what a violation is attributed, as text."""

_EXPLAIN = "`hpkp explain {violation}`"
_RESOLVE = "`hpkp violation status {ids} --set resolved`"
_ACCEPT = (
    "Decide whether locking out apps behind it is acceptable; if so: `hpkp violation status {ids} --set expected`. If "
    "not, contact the operators of the proxies first."
)
_WITHOUT_PINS = "The connection fails with or without pins."


@dataclass(frozen=True, slots=True)
class CauseFacts:
    """One row of the table.

    ``fix`` may name ``{violation}``, the ID of the one with the most reports, and ``{ids}``, those of the first few.
    """

    side: Attribution
    impact: Impact
    title: str
    meaning: str
    fix: str


CAUSES: dict[Cause, CauseFacts] = {
    Cause.CONTROL: CauseFacts(
        Attribution.UNRELATED,
        Impact.INFO,
        "Control pins, not a violation",
        "Clients reported the host's control pins, as they must. These reports measure how many clients report; they "
        "are not violations.",
        "No action needed.",
    ),
    # A warning and not information: behind a chain that cannot be read there may be a lockout.
    Cause.NO_EVIDENCE: CauseFacts(
        Attribution.UNKNOWN,
        Impact.WARNING,
        "No readable chain",
        "The reports contain no certificate that can be parsed, so the cause is unknown.",
        f"Inspect what was sent: {_EXPLAIN}.",
    ),
    # Left out of the verdict: what no client can have sent must not block it.
    Cause.IMPLAUSIBLE: CauseFacts(
        Attribution.UNKNOWN,
        Impact.INFO,
        "Forged or malformed report",
        "The reports contradict the format of the sender that they claim, or no client can have validated the path. "
        "They do not count.",
        "No action needed.",
    ),
    Cause.MATCHES_EXPECTED: CauseFacts(
        Attribution.UNRELATED,
        Impact.INFO,
        "Pin matched, not a violation",
        "The reported chain contains an expected pin.",
        "No action needed.",
    ),
    Cause.RELEASE_PINS_EXPIRED: CauseFacts(
        Attribution.OPERATOR,
        Impact.INFO,
        "App release with expired pins",
        "A release of an app reported pins that have expired by its registered configuration: its other installs are "
        "unprotected and accept every chain.",
        "Release an update with new pins. If the release should still check pins, compare its registered configuration "
        "with the build: hpkp app list.",
    ),
    Cause.RELEASE_NEVER_FITTED: CauseFacts(
        Attribution.OPERATOR,
        Impact.WARNING,
        "App release with pins that never matched",
        "A release of an app has only pins of keys that this host was never seen to serve: it was shipped with wrong "
        "pins. Installs that enforce them cannot connect.",
        f"Compare the pins of the release with the keys that you serve ({_EXPLAIN}), and release an update with the "
        "right pins.",
    ),
    Cause.RELEASE_LEFT_BEHIND: CauseFacts(
        Attribution.OPERATOR,
        Impact.WARNING,
        "App release without the served key",
        "The host serves a key of yours that a release of an app does not pin. Installs of that release that enforce "
        "their pins are locked out until they are updated.",
        f"Serve a chain with a key that the release pins ({_EXPLAIN}; hpkp app keys HOST finds one for all releases), "
        "or make its users update.",
    ),
    # Information by itself; `impact_of` makes it a blocker if the client is locked out.
    Cause.STALE_KNOWN_PINS: CauseFacts(
        Attribution.OPERATOR,
        Impact.INFO,
        "Client has outdated pins",
        "Clients have pins of an earlier revision of the policy. Those that enforce them refuse the connection now.",
        "Serve a chain with a key that they pin. Browsers keep pins until max-age has passed; apps keep them until "
        "they are updated, so release an update with the current pins.",
    ),
    Cause.FOREIGN_PINS: CauseFacts(
        Attribution.UNKNOWN,
        Impact.INFO,
        "Client has pins that were never yours",
        "Clients have pins for this host that were never in its policy.",
        f"Look for a copied header or another project's app configuration: {_EXPLAIN}.",
    ),
    # No blocker: enforcing refuses this connection, and that protects the client.
    Cause.KNOWN_BAD_KEY: CauseFacts(
        Attribution.POSSIBLE_ATTACK,
        Impact.WARNING,
        "Compromised key in the chain",
        "A key that is known to be compromised or misused intercepts connections. This may be an attack.",
        f"Identify the certificate: {_EXPLAIN}. Warn the affected users; enforcing pins protects them.",
    ),
    Cause.OTHER_TRUST_PATH: CauseFacts(
        Attribution.OPERATOR,
        Impact.BLOCKER,
        "Trust path without a pin",
        "Clients validate your certificate through CAs that are not pinned. Enforcing locks them out.",
        f"Pin a key that is on every path, best your leaf key; {_EXPLAIN} shows the path. Then run {_RESOLVE}.",
    ),
    Cause.OWN_KEY_NOT_PINNED: CauseFacts(
        Attribution.OPERATOR,
        Impact.BLOCKER,
        "Your own key, not pinned",
        "Clients received a certificate with one of your keys that is not pinned. Enforcing locks them out.",
        f"Find the server that uses this key ({_EXPLAIN}), then pin the key or replace its certificate. Then run "
        f"{_RESOLVE}.",
    ),
    # This and the next two fail with or without pins, so they are no evidence on whether enforcing is safe.
    Cause.CLOCK: CauseFacts(
        Attribution.UNRELATED,
        Impact.INFO,
        "Certificate not valid at the client's clock",
        f"A certificate was outside its validity period at the client's time. {_WITHOUT_PINS}",
        "Check your certificate's dates; otherwise no action is needed.",
    ),
    Cause.NAME_MISMATCH: CauseFacts(
        Attribution.UNRELATED,
        Impact.INFO,
        "Certificate for another host",
        f"Clients received a trusted certificate for another name, as captive portals send it. {_WITHOUT_PINS}",
        "If the name is yours, check the virtual hosts; otherwise no action is needed.",
    ),
    Cause.UNTRUSTED_CHAIN: CauseFacts(
        Attribution.UNRELATED,
        Impact.INFO,
        "Untrusted chain",
        f"Clients received a chain that they do not trust. {_WITHOUT_PINS}",
        "Check that the host serves its intermediates; otherwise no action is needed.",
    ),
    # No blocker by itself: apps behind a proxy are locked out by design. Only a share over the operator's limit blocks
    # (decision record 16).
    Cause.INTERCEPTION_PRODUCT: CauseFacts(
        Attribution.INTERCEPTION,
        Impact.WARNING,
        "TLS interception: known product",
        "A known product intercepts the connections. Browsers allow it; apps that pin do not.",
        _ACCEPT,
    ),
    Cause.PRIVATE_ROOT: CauseFacts(
        Attribution.INTERCEPTION,
        Impact.WARNING,
        "TLS interception: private CA",
        "The root of the chain is in no public store; it is usually that of an intercepting proxy. Browsers allow it; "
        "apps that pin do not.",
        _ACCEPT,
    ),
    # Blocks although it may be an attack: the report looks the same if the operator forgot to register the key, and
    # then enforcing locks out the clients that receive it.
    Cause.UNKNOWN_KEY_PUBLIC_CA: CauseFacts(
        Attribution.POSSIBLE_ATTACK,
        Impact.BLOCKER,
        "Public CA certificate with an unknown key",
        "A public CA issued a certificate for this host with a key that is not registered as yours. This may be an "
        "attack.",
        f"Treat it as an attack until you know better: run {_EXPLAIN}, search Certificate Transparency (crt.sh), and "
        "ask your CAs. If the key is yours, add its pin to the policy or replace the certificate; registering it with "
        "--own-key alone does not end the lockout. If it is not yours, have the CA revoke the certificate. Then run "
        f"{_RESOLVE}.",
    ),
}
"""Titles name the cause on every surface: pages, command line, findings and boards."""


def fix_of(cause: Cause, ids: Sequence[int]) -> str:
    """Return what to do about violations of a cause, the most reported first; at least one."""
    return CAUSES[cause].fix.format(violation=ids[0], ids=name_first(ids, separator=" "))


IMPACTS: dict[Cause, Impact] = {cause: facts.impact for cause, facts in CAUSES.items()}
ATTRIBUTIONS: dict[Cause, Attribution] = {cause: facts.side for cause, facts in CAUSES.items()}

OF_RELEASES = frozenset({Cause.RELEASE_PINS_EXPIRED, Cause.RELEASE_NEVER_FITTED, Cause.RELEASE_LEFT_BEHIND})
"""Causes of clients that were judged by the pins of their release."""

BLOCK_IF_LOCKED_OUT = OF_RELEASES | {Cause.STALE_KNOWN_PINS}
"""Causes that block only if the client is locked out."""

POSSIBLE_ATTACKS = frozenset({Cause.UNKNOWN_KEY_PUBLIC_CA, Cause.KNOWN_BAD_KEY})
"""Causes that may mean an attack."""


def impact_of(cause: Cause, *, locks_out: bool | None) -> Impact:
    """Return what one violation means for readiness.

    Clients that know former pins of ours, or the pins of their release, and enforce them refuse the connection now:
    that blocks, while the same cause without a lockout does not.
    """
    # Only a known lockout blocks: after a change of pins, clients that still know the ones before are normal.
    if cause in BLOCK_IF_LOCKED_OUT and locks_out:
        return Impact.BLOCKER
    return IMPACTS[cause]
