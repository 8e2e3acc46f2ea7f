"""The rules that name a cause. Each says whether it holds for a context, and by what evidence.

The first that holds names the cause; the order is that of `RULES`.
"""

from collections.abc import Callable

from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.context import JudgementContext
from app.hpkp.report import Sender
from app.hpkp.x509.certificate import Anchor, Certificate

RULES_VERSION = 3
"""Goes up with every change that can give a violation another judgement, so that stores are judged again."""

Evidence = tuple[str, int | None]
"""Why a rule holds, and the position in the judged chain of the certificate that shows it."""

Rule = Callable[[JudgementContext], Evidence | None]


def _no_evidence(context: JudgementContext) -> Evidence | None:
    if not context.chain:
        return "The report carries no certificate chain, so there is nothing to check the pins against.", None
    if context.leaf is None and not (context.leaf_is_ours or context.satisfies_expected):
        if context.leaf_element is not None and context.leaf_element.pin is not None:
            return "Of the end-entity certificate only the pin is known, and it is not the pin of a key of ours.", 0
        return "The end-entity certificate of the chain cannot be read, so its path cannot be followed.", 0
    return None


def _implausible(context: JudgementContext) -> Evidence | None:
    """Hold the form against the sender that it claims; Chromium sends nothing for roots that a user installed."""
    if context.report.contradictions:
        return f"The report is not what its sender makes: {context.report.contradictions[0]}.", None
    if context.report.sender is Sender.CHROMIUM and context.leaf is not None and not context.path.trusted:
        if context.product is not None:
            return (
                "Chromium does not report chains that end at a root which the user installed, and this is named as "
                f"{context.product.name} names its own.",
                context.path.positions[-1],
            )
        if context.leaf.self_issued:
            return "Chromium does not report self-signed leaves.", context.leaf_position
    return None


def _matches_expected(context: JudgementContext) -> Evidence | None:
    if not context.satisfies_expected or (context.known and not context.satisfies_known):
        return None
    if context.echoes_served and context.known:
        return None  # the client found no pin on the path it built, which is not in the report
    which = "The chain" if context.validated else "The served chain"
    return f"{which} holds a pin that the policy expects and the client knew: not a pin violation.", None


def _stale_known_pins(context: JudgementContext) -> Evidence | None:
    if context.satisfies_expected and not context.satisfies_known and context.known & context.ever_expected:
        return (
            "The chain satisfies the expected pins, but the client still knows pins of another revision of ours; "
            "it will do so until the max-age of that revision has run out.",
            None,
        )
    if context.policy is None and context.known & context.ever_expected and context.leaf_is_ours:
        return "The host's policy was withdrawn, but the client still knows pins of a former revision.", None
    return None


def _foreign_pins(context: JudgementContext) -> Evidence | None:
    if not context.known or context.known & context.ever_expected:
        return None
    if examples := sorted(
        {context.catalog.example_pins[pin] for pin in context.known & context.catalog.example_pins.keys()}
    ):
        return f"The pins that the client knew are no keys of this host: {', '.join(examples)}.", None
    if context.ever_expected:
        return "None of the pins that the client knew was ever in a revision of this host's policy.", None
    return None


def _known_bad_key(context: JudgementContext) -> Evidence | None:
    if not context.known_bad:
        return None
    position = context.known_bad[-1]
    pin = context.chain[position].pin
    assert pin is not None
    names = ", ".join(sorted({key.name for key in context.catalog.known_bad[pin]}))
    return f"Certificate {position} has a key that is known to be compromised or misused: {names}.", position


def _other_trust_path(context: JudgementContext) -> Evidence | None:
    if context.leaf is None or (context.satisfies_expected and not context.echoes_served):
        return None
    if context.served_pinned and (context.leaf_is_ours or context.hostname_right):
        whose = "expected" if context.policy else "known"
        return (
            f"Certificate {context.served_pinned[0]} of the served chain has a pin among the {whose} pins and signed "
            "its way down to this leaf, but the client validated another path, on which no pin stands.",
            context.path.positions[-1],
        )
    if context.leaf_is_ours and context.path_is_new:
        return (
            "The leaf key is ours, but the client built its path through an intermediate that the server did not "
            "send, and no expected pin stands on it.",
            context.path.positions[min(1, len(context.path.positions) - 1)],
        )
    return None


def _own_key_not_pinned(context: JudgementContext) -> Evidence | None:
    if context.policy and context.leaf_is_ours and not context.satisfies_expected:
        return (
            "The leaf key is one of our own, but no expected pin stands anywhere in its chain.",
            context.leaf_position,
        )
    return None


def _clock(context: JudgementContext) -> Evidence | None:
    if not context.out_of_date:
        return None
    position = context.out_of_date[0]
    certificate = context.chain[position]
    assert isinstance(certificate, Certificate)
    return (
        f"At the client's time {context.clock:%Y-%m-%d %H:%M} UTC certificate {position} was outside its validity, "
        f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}.",
        position,
    )


def _name_mismatch(context: JudgementContext) -> Evidence | None:
    if context.leaf is None or context.hostname_right:
        return None
    portal = context.catalog.captive_portals.get(context.leaf.pin)
    if portal is not None:
        return f"The leaf is the captive portal's of {portal.name}.", context.leaf_position
    if context.path.trusted:
        names = ", ".join(context.leaf.names[:3]) or "no name"
        return (
            f"The chain is trusted, but its leaf is for {names} and not for {context.report.hostname}: a captive "
            "portal, or the wrong virtual host.",
            context.leaf_position,
        )
    return None


def _untrusted_chain(context: JudgementContext) -> Evidence | None:
    last = context.path.positions[-1] if context.path.positions else None
    if context.untrusted_by_sender:
        return "The client itself says that the chain did not validate.", last
    if context.leaf is not None and context.path.anchor is Anchor.UNKNOWN:
        return (
            f"No signature leads from certificate {last} of the chain to a certificate that could vouch for it.",
            last,
        )
    if context.path.anchor is Anchor.PRIVATE and len(context.path.positions) == 1:
        return "The leaf is self-signed.", last
    return None


def _interception_product(context: JudgementContext) -> Evidence | None:
    if context.product is not None:
        return (
            f"The leaf's issuer is named as {context.product.name} names its own: software between the client and the "
            "server. A name can be forged.",
            context.path.positions[-1],
        )
    return None


def _private_root(context: JudgementContext) -> Evidence | None:
    if context.path.anchor is Anchor.PRIVATE:
        return (
            "The path ends at a root that is in no public store and was not supplied by the operator.",
            context.path.positions[-1],
        )
    return None


def _unknown_key_public_ca(context: JudgementContext) -> Evidence | None:
    if context.leaf is None or not context.path.trusted or context.leaf_is_ours or not context.hostname_right:
        return None
    if context.satisfies_expected:
        return None
    if context.policy is None:
        return (
            "A trusted CA vouches for this key and host, but no policy is registered for the host, so whose key "
            "it is cannot be told.",
            context.leaf_position,
        )
    doubt = "" if context.path.checkable else " A signature on the path is too old to be checked."
    return f"A trusted CA vouches for this key and host, and the key is not one of ours.{doubt}", context.leaf_position


RULES: dict[Cause, Rule] = {
    Cause.NO_EVIDENCE: _no_evidence,
    Cause.IMPLAUSIBLE: _implausible,
    Cause.MATCHES_EXPECTED: _matches_expected,
    Cause.STALE_KNOWN_PINS: _stale_known_pins,
    Cause.FOREIGN_PINS: _foreign_pins,
    Cause.KNOWN_BAD_KEY: _known_bad_key,
    Cause.OTHER_TRUST_PATH: _other_trust_path,
    Cause.OWN_KEY_NOT_PINNED: _own_key_not_pinned,
    Cause.CLOCK: _clock,
    Cause.NAME_MISMATCH: _name_mismatch,
    Cause.UNTRUSTED_CHAIN: _untrusted_chain,
    Cause.INTERCEPTION_PRODUCT: _interception_product,
    Cause.PRIVATE_ROOT: _private_root,
    Cause.UNKNOWN_KEY_PUBLIC_CA: _unknown_key_public_ca,
}
