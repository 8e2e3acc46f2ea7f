"""The rules that name a cause. Each says whether it holds for a report, and by what evidence.

The first that holds names the cause; the order is that of `RULES`. What the sender says that it checked bounds the
causes that are possible: `possible` leaves out the rules that a report of this sender cannot prove.
"""

import shlex
from collections.abc import Callable, Iterator

from app.hpkp.control import are_control_pins
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.context import PUBLIC, JudgementContext
from app.hpkp.pins import Pin
from app.hpkp.report import Sender
from app.hpkp.user_agents.model import Compared
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.paths import Presence

RULES_VERSION = 6
"""Raised with every change that can give a violation another judgement, so that stores are re-judged."""

Evidence = tuple[str, int | None]
"""Why a rule holds, and the position in the judged chain of the certificate that shows it."""

Rule = Callable[[JudgementContext], Evidence | None]

_PIN_MISTAKES = frozenset(
    {
        Cause.MATCHES_EXPECTED,
        Cause.RELEASE_PINS_EXPIRED,
        Cause.RELEASE_NEVER_FITTED,
        Cause.RELEASE_LEFT_BEHIND,
        Cause.STALE_KNOWN_PINS,
        Cause.OTHER_TRUST_PATH,
        Cause.OWN_KEY_NOT_PINNED,
        Cause.UNKNOWN_KEY_PUBLIC_CA,
    }
)
"""Causes that say something about pins: impossible if the client never came to compare them."""

_FAILS_ANYWAY = frozenset({Cause.CLOCK, Cause.NAME_MISMATCH, Cause.UNTRUSTED_CHAIN})
"""Causes by which the connection fails without pins: impossible if the client says that the path validated."""


def possible(cause: Cause, context: JudgementContext) -> bool:
    """Whether a report of this sender with this result can have the cause."""
    # A pin mistake by a report of an untrusted chain would block on something that no pin can change: TrustKit for
    # Android reports a well-pinned host like that if the client cannot build a path.
    if context.untrusted_by_sender:
        return cause not in _PIN_MISTAKES
    if context.trusted_by_sender:
        return cause not in _FAILS_ANYWAY
    return True


def _control(context: JudgementContext) -> Evidence | None:
    """Recognize control pins, whatever the chain is: they match nothing by design.

    A form that its sender does not make is left to `_implausible`: forged reports must not count as delivered.
    """
    if context.report.unreadable_pins or not are_control_pins(context.known, context.control_pins):
        return None
    # A forged control report would raise the measured delivery rate, and with it lower the bound of clients that are
    # locked out.
    if _implausible(context) is not None:
        return None
    return "The client knew only the host's control pins, which match no key: it reported as it has to.", None


def _no_evidence(context: JudgementContext) -> Evidence | None:
    """Find that nothing can be judged: no chain, or an unreadable leaf without a pin of the operator's."""
    if not context.chain:
        return "The report carries no certificate chain, so there is nothing to check the pins against.", None
    # A certificate that the library refuses still has a pin (decision record 1). If that is the operator's or an
    # expected one, the rules on pins answer.
    if context.leaf is None and not (context.leaf_is_ours or context.matches_expected or context.ours_is_served):
        if context.leaf_element is not None and context.leaf_element.pin is not None:
            return "Of the end-entity certificate only the pin is known, and it is not the pin of a key of yours.", 0
        return "The end-entity certificate of the chain cannot be read, so its path cannot be built.", 0
    return None


def _implausible(context: JudgementContext) -> Evidence | None:
    """Hold the form against the claimed sender, and the path against what any client can validate."""
    if context.report.contradictions:
        return f"The report is not what its sender makes: {context.report.contradictions[0]}.", None
    return next(_impossible_paths(context), None)


def _impossible_paths(context: JudgementContext) -> Iterator[Evidence]:
    """Yield what contradicts a client that says that it validated the path."""
    leaf = context.leaf
    # Without such a claim nothing is contradicted: a client may receive any chain.
    if leaf is None or not context.trusted_by_sender:
        return
    # Chromium skips the pins, and the report, for roots that the user installed, so a report under one is forged.
    if context.report.sender is Sender.CHROMIUM and not context.anchored:
        if context.product is not None:
            yield (
                "Chromium does not report chains to a root that the user installed, and this issuer is named like "
                f"{context.product.name}.",
                context.top,
            )
        if leaf.self_issued:
            yield "Chromium does not report self-signed leaves.", context.leaf_position
    # Appended certificates would otherwise confer trust: a public root or a pinned key, at no cost to the sender.
    if context.forged:
        yield "The client says that it validated this path, but no signature joins its certificates.", context.top
    if context.broken is not None:
        yield f"The client says that it validated this path, and no client does: it is {context.broken}.", context.top
    # The dates are part of the identity, so one report with a wrong date makes no other one implausible.
    if context.leaf_out_of_date:
        yield (
            "The client says that it validated this path, but the leaf was outside its validity at the time of the "
            "report.",
            context.leaf_position,
        )
    # Names that cannot be read (None) contradict nothing.
    if leaf.covers(context.report.hostname) is False:
        yield (
            f"The client says that it validated this path, but the leaf is not for {context.report.hostname}.",
            context.leaf_position,
        )


def _matches_expected(context: JudgementContext) -> Evidence | None:
    """Find that an expected pin, or without a policy one of the client's release, is on the path that it compared."""
    if context.policy is None and context.release is not None and context.matches_known and context.path_holds:
        return f"The chain has a pin of {context.release.describe()}, which the client knew: not a pin violation.", None
    # A client that found none of the pins that it knows did fail, also if an expected one is there; later rules say
    # why.
    if not context.matches_expected or (context.known and not context.matches_known):
        return None
    which = "The chain" if context.validated else "The served chain"
    return f"{which} has a pin that the policy expects and the client knew: not a pin violation.", None


def _release_pins_expired(context: JudgementContext) -> Evidence | None:
    """Find a client that compared pins which have expired by the registered configuration of its release."""
    release = context.release
    if release is None or not release.expired or not _misses_its_release(context):
        return None
    return (
        f"By the registered configuration the pins of {release.describe()} have expired: its installs check nothing. "
        "This client still did: its clock is behind, or its build has another date.",
        None,
    )


def _release_never_fitted(context: JudgementContext) -> Evidence | None:
    """Find pins of no key that was ever served, expected or pinned by another release, nor of any known CA.

    A CA's key may have been on paths that no probe recorded, so a pin of one never counts as wrong. Without any probe
    the served keys are unknown.
    """
    if not _misses_its_release(context) or not context.history.live_keys:
        return None
    assert context.release is not None
    once = context.history.own_keys | context.ever_expected | context.release.pins_of_others
    if context.known & once or any(_is_key_of_a_ca(pin, context) for pin in context.known):
        return None
    return (
        f"The client has the pins of {context.release.describe()}, and this host was never seen to serve any of their "
        f"keys.{_import_it(context)}",
        context.leaf_position,
    )


def _is_key_of_a_ca(pin: Pin, context: JudgementContext) -> bool:
    """Whether the key is a CA's: of the catalog, or of a root or intermediate that is or was known."""
    known = context.anchors
    return (
        bool(context.catalog.ca_names_of(pin))
        or pin in context.catalog.departed_roots
        or any(pin == one.pin for one in (*known.public, *known.operator, *known.intermediates))
    )


def _release_left_behind(context: JudgementContext) -> Evidence | None:
    """Find a chain of the operator's that has no key which the client's release pins."""
    if not _misses_its_release(context):
        return None
    assert context.release is not None
    return (
        f"The client has the pins of {context.release.describe()}. The chain has a key that the policy or another "
        f"release pins, and none that this one pins.{_import_it(context)}",
        context.leaf_position,
    )


def _misses_its_release(context: JudgementContext) -> bool:
    """Whether a client of a release of yours met a chain that the policy or another release accepts, and it does not.

    A key of yours that nothing pins is `own_key_not_pinned`: then the policy locks out others, too.
    """
    return context.release is not None and context.pinned_elsewhere and not context.matches_known


def _import_it(context: JudgementContext) -> str:
    """Say how to register a release that is not, or not with these pins."""
    if context.release is None or context.release.matching:
        return ""
    app = context.report.app or "APP"
    return f" Import its configuration: hpkp app import FILE --app {shlex.quote(app)} --release-version VERSION."


def _stale_known_pins(context: JudgementContext) -> Evidence | None:
    """Find a client with the pins of another revision on a chain that is right by the current one."""
    if context.release is not None:  # an app's pins are no revision's that a client still has from a header
        return None
    known_once = context.known & context.ever_expected
    # A client that knows all expected pins is up to date: then it is the path that has none of them.
    outdated = known_once and not context.expected <= context.known and not context.matches_known
    if outdated and (context.matches_expected or context.expected_on_usable_paths):
        return (
            "The chain has an expected pin, but the client knows the pins of another revision of yours. "
            + _how_long(context),
            None,
        )
    if context.policy is None and known_once and context.leaf_is_ours:
        return f"The host's policy was withdrawn, but the client still knows pins of it. {_how_long(context)}", None
    return None


def _how_long(context: JudgementContext) -> str:
    """Say what ends outdated pins: an update of the app, or the max-age that the browser cached."""
    if context.model.pins_in_app:
        return "An app keeps its pins until it is updated."
    return "A browser keeps them until the max-age of that revision has passed."


def _foreign_pins(context: JudgementContext) -> Evidence | None:
    """Find pins that were never this host's; those of examples are named."""
    if context.release is not None:
        return None
    # One pin of any revision is enough to know where the client's pins come from.
    if not context.known or context.known & context.ever_expected:
        return None
    example_pins = context.catalog.example_pins
    if examples := sorted({example_pins[pin] for pin in context.known & example_pins.keys()}):
        return f"The pins that the client knew are not keys of this host: {', '.join(examples)}.", None
    # Without any revision there is nothing to compare with, so nothing says that they are foreign.
    if context.ever_expected:
        return "None of the pins that the client knew was ever in a revision of this host's policy.", None
    return None


def _known_bad_key(context: JudgementContext) -> Evidence | None:
    """Find a compromised key that checked signatures join to the leaf; of several, the last one of the chain."""
    if not context.known_bad:
        return None
    position = context.known_bad[-1]
    pin = context.chain[position].pin
    assert pin is not None
    names = ", ".join(sorted({key.name for key in context.catalog.known_bad[pin]}))
    return f"Certificate {position} has a compromised or misused key: {names}.", position


def _other_trust_path(context: JudgementContext) -> Evidence | None:
    """Find the pin that the policy counts on, on another path of the same leaf than the client's."""
    if context.leaf is None or not (context.leaf_is_ours or context.host_name_matches):
        return None
    # Without a policy only the client's own pins can be on another path.
    wanted = context.expected if context.policy else context.known
    connected = context.connected_pins & wanted
    # The report of a client that had the pins is then the only sign of a path that is not known here, such as one that
    # ends at an intermediate below the pinned root.
    if context.presence(wanted) is Presence.EVERY:
        if context.compared is not None or not context.known_failed:
            return None
        return (
            "Every known path has an expected pin, but the client had the pins and none matched: it validated a path "
            "that is not in the report.",
            context.top,
        )
    # The path need not be public: a root that clients trust before our stores have it would otherwise pass for
    # interception (decision record 6).
    if connected:
        return _pinned_elsewhere(context, connected), context.top
    # The pin is on no path that is known here, but an intermediate from elsewhere shows that the client chose its own.
    if context.policy and context.leaf_is_ours and context.path_is_new:
        return (
            "The leaf key is yours, but the client used an intermediate that the server did not send, and no expected "
            "pin is on that path.",
            context.top,
        )
    return None


def _pinned_elsewhere(context: JudgementContext, connected: frozenset[Pin]) -> str:
    """Name the certificate whose pin the client did not find, and say why it did not."""
    position = next((i for i, e in enumerate(context.served) if e.pin in connected and context.is_joined(e)), None)
    which = "A certificate that was not sent" if position is None else f"Certificate {position} of the served chain"
    whose = "expected" if context.policy else "known"
    joined = f"{which} has a pin among the {whose} pins and signatures join it to this leaf, but"
    if context.model.compares is Compared.SENT:
        return f"{joined} this client compares only the certificates sent."
    return f"{joined} the client validated another path, and it is not on it."


def _own_key_not_pinned(context: JudgementContext) -> Evidence | None:
    """Find a leaf key of the operator's on a path that need not have an expected pin."""
    # No policy is in force that could expect another key, and the client's release accepts this one.
    if context.release is not None and context.policy is None and context.matches_known:
        return None
    answers = context.policy or context.release
    # SOME and UNKNOWN block as well: treated as pinned, they could give a false `ready`.
    if answers and context.leaf_is_ours and context.expected_presence is not Presence.EVERY:
        return (
            "The leaf key is yours, but the chain contains no expected pin.",
            context.leaf_position,
        )
    return None


def _clock(context: JudgementContext) -> Evidence | None:
    """Find that only dates keep every path from holding, at the client's own time."""
    # If another path holds, an expired certificate is superfluous and not the reason.
    if not context.out_of_date:
        return None
    position = context.out_of_date[0]
    certificate = context.chain[position]
    validity = ""
    if isinstance(certificate, Certificate) and certificate.not_before and certificate.not_after:
        validity = f", {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"
    return (
        f"At the client's time {context.clock:%Y-%m-%d %H:%M} UTC certificate {position} was outside its validity"
        f"{validity}.",
        position,
    )


def _name_mismatch(context: JudgementContext) -> Evidence | None:
    """Find a leaf for another name: a known captive portal's, or one on a path to a known root."""
    if context.leaf is None or context.host_name_matches:
        return None
    portal = context.catalog.captive_portals.get(context.leaf.pin)
    if portal is not None:
        return f"The leaf belongs to the captive portal {portal.name}.", context.leaf_position
    # Under an unknown root the later rules answer: interception can use any name.
    if context.anchored:
        names = ", ".join(context.leaf.names[:3]) or "no name"
        return (
            f"The chain is trusted, but its leaf is for {names} and not for {context.report.hostname}: a captive "
            "portal, or the wrong virtual host.",
            context.leaf_position,
        )
    return None


def _untrusted_chain(context: JudgementContext) -> Evidence | None:
    """Find that the client refuses the path: by its own word, by a defect, or because it leads to no anchor."""
    if context.untrusted_by_sender:
        return "The client reports that validation failed.", context.top
    if context.path is None:
        return None
    if context.broken is not None:
        return f"No client validates this path: it is {context.broken}.", context.top
    if context.anchor is Anchor.UNKNOWN:
        return f"No signature leads from certificate {context.top} of the chain to a known trust anchor.", context.top
    # A proxy issues leaves under its root; a leaf that signed itself is under none.
    if context.anchor is Anchor.PRIVATE and len(context.path.certificates) == 1:
        return "The leaf is self-signed.", context.top
    return None


def _interception_product(context: JudgementContext) -> Evidence | None:
    """Find an issuer that is named like a known interception product."""
    # A product's root is installed on the device, so no client ships it.
    if context.product is not None and not context.proof.shipped_root:
        return (
            f"The leaf's issuer name matches {context.product.name} (TLS interception software). Issuer names can be "
            "forged.",
            context.top,
        )
    return None


def _private_root(context: JudgementContext) -> Evidence | None:
    """Find a path to a root that is in no store and that the operator did not name."""
    # Of a root that the client ships, its report is better evidence than our stores: it is public to that client.
    if context.anchor is Anchor.PRIVATE and not context.proof.shipped_root:
        return "The path ends at a root that is in no public store and not in HPKP_TRUST_ANCHORS.", context.top
    return None


def _unknown_key_public_ca(context: JudgementContext) -> Evidence | None:
    """Find a key that is not ours under a public root: one of a store, or one that the client proves that it ships."""
    if context.leaf is None or context.leaf_is_ours or not context.host_name_matches:
        return None
    # Without a checked path or the client's proof, a chain that only names a public root would block for good.
    if context.expected_presence is Presence.EVERY or not (context.anchored or context.proof.shipped_root):
        return None
    # Without a policy nothing was registered, so every key is unknown; `_side` attributes it to no party.
    if context.policy is None:
        return (
            "A public CA issued this certificate for the host, but no policy is registered, so the owner of the key is "
            "unknown.",
            context.leaf_position,
        )
    return f"A public CA issued this certificate for the host, and its key is not yours.{_doubt(context)}", (
        context.leaf_position
    )


def _doubt(context: JudgementContext) -> str:
    """Say what weakens the claim of a public root: one that is not known here, or a signature with MD5 or SHA-1."""
    if not context.anchored:
        return " Its root is in no store known here; the client reports only roots that it ships."
    if context.anchor not in PUBLIC:
        return ""
    return "" if context.path_checkable else " A signature on the path uses MD5 or SHA-1."


RULES: dict[Cause, Rule] = {
    # Control pins match no key, so each later rule would take their reports for violations (decision record 28).
    Cause.CONTROL: _control,
    Cause.NO_EVIDENCE: _no_evidence,
    Cause.IMPLAUSIBLE: _implausible,
    Cause.MATCHES_EXPECTED: _matches_expected,
    # For an app its release answers, before any revision of a policy: max-age ends nothing there (decision record 38).
    Cause.RELEASE_PINS_EXPIRED: _release_pins_expired,
    Cause.RELEASE_NEVER_FITTED: _release_never_fitted,
    Cause.RELEASE_LEFT_BEHIND: _release_left_behind,
    Cause.STALE_KNOWN_PINS: _stale_known_pins,
    Cause.FOREIGN_PINS: _foreign_pins,
    Cause.KNOWN_BAD_KEY: _known_bad_key,
    # Faults of the operator come before what fails anyway: an expired certificate must not hide that its key is not
    # pinned. `other_trust_path` knows more than `own_key_not_pinned`: where the pin is.
    Cause.OTHER_TRUST_PATH: _other_trust_path,
    Cause.OWN_KEY_NOT_PINNED: _own_key_not_pinned,
    Cause.CLOCK: _clock,
    Cause.NAME_MISMATCH: _name_mismatch,
    Cause.UNTRUSTED_CHAIN: _untrusted_chain,
    # The named product says more than the private root that it ends at.
    Cause.INTERCEPTION_PRODUCT: _interception_product,
    Cause.PRIVATE_ROOT: _private_root,
    Cause.UNKNOWN_KEY_PUBLIC_CA: _unknown_key_public_ca,
}
