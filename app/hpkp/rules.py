"""The rules that name a cause. Each says whether it holds for a case, and by what evidence.

The first that holds names the cause; the order is that of `RULES`.
"""

from collections.abc import Callable

from app.hpkp.case import Case
from app.hpkp.causes import Cause
from app.hpkp.chain import Anchor, Certificate
from app.hpkp.report import Sender

RULES_VERSION = 2
"""Goes up with every change that can give a violation another judgement, so that stores are judged again."""

Evidence = tuple[str, int | None]
"""Why a rule holds, and the position in the judged chain of the certificate that shows it."""

Rule = Callable[[Case], Evidence | None]


def _no_evidence(case: Case) -> Evidence | None:
    if not case.chain:
        return "The report carries no certificate chain, so there is nothing to check the pins against.", None
    if case.leaf is None and not (case.leaf_is_ours or case.satisfies_expected):
        if case.leaf_element is not None and case.leaf_element.pin is not None:
            return "Of the end-entity certificate only the pin is known, and it is not the pin of a key of ours.", 0
        return "The end-entity certificate of the chain cannot be read, so its path cannot be followed.", 0
    return None


def _implausible(case: Case) -> Evidence | None:
    """Hold the form against the sender that it claims; Chromium sends nothing for roots that a user installed."""
    if case.report.contradictions:
        return f"The report is not what its sender makes: {case.report.contradictions[0]}.", None
    if case.report.sender is Sender.CHROMIUM and case.leaf is not None and not case.path.trusted:
        if case.product is not None:
            return (
                "Chromium does not report chains that end at a root which the user installed, and this is named as "
                f"{case.product.name} names its own.",
                case.path.positions[-1],
            )
        if case.leaf.self_issued:
            return "Chromium does not report self-signed leaves.", case.leaf_position
    return None


def _matches_expected(case: Case) -> Evidence | None:
    if not case.satisfies_expected or (case.known and not case.satisfies_known):
        return None
    if case.echoes_served and case.known:
        return None  # the client found no pin on the path it built, which is not in the report
    which = "The chain" if case.validated else "The served chain"
    return f"{which} holds a pin that the policy expects and the client knew: not a pin violation.", None


def _stale_known_pins(case: Case) -> Evidence | None:
    if case.satisfies_expected and not case.satisfies_known and case.known & case.ever_expected:
        return (
            "The chain satisfies the expected pins, but the client still knows pins of another revision of ours; "
            "it will do so until the max-age of that revision has run out.",
            None,
        )
    if case.policy is None and case.known & case.ever_expected and case.leaf_is_ours:
        return "The host's policy was withdrawn, but the client still knows pins of a former revision.", None
    return None


def _foreign_pins(case: Case) -> Evidence | None:
    if not case.known or case.known & case.ever_expected:
        return None
    if examples := sorted({case.catalog.example_pins[pin] for pin in case.known & case.catalog.example_pins.keys()}):
        return f"The pins that the client knew are no keys of this host: {', '.join(examples)}.", None
    if case.ever_expected:
        return "None of the pins that the client knew was ever in a revision of this host's policy.", None
    return None


def _known_bad_key(case: Case) -> Evidence | None:
    if not case.known_bad:
        return None
    position = case.known_bad[-1]
    pin = case.chain[position].pin
    assert pin is not None
    names = ", ".join(sorted({key.name for key in case.catalog.known_bad[pin]}))
    return f"Certificate {position} has a key that is known to be compromised or misused: {names}.", position


def _other_trust_path(case: Case) -> Evidence | None:
    if case.leaf is None or (case.satisfies_expected and not case.echoes_served):
        return None
    if case.served_pinned and (case.leaf_is_ours or case.hostname_right):
        whose = "expected" if case.policy else "known"
        return (
            f"Certificate {case.served_pinned[0]} of the served chain has a pin among the {whose} pins and signed its "
            "way down to this leaf, but the client validated another path, on which no pin stands.",
            case.path.positions[-1],
        )
    if case.leaf_is_ours and case.path_is_new:
        return (
            "The leaf key is ours, but the client built its path through an intermediate that the server did not "
            "send, and no expected pin stands on it.",
            case.path.positions[min(1, len(case.path.positions) - 1)],
        )
    return None


def _own_key_not_pinned(case: Case) -> Evidence | None:
    if case.policy and case.leaf_is_ours and not case.satisfies_expected:
        return (
            "The leaf key is one of our own, but no expected pin stands anywhere in its chain.",
            case.leaf_position,
        )
    return None


def _clock(case: Case) -> Evidence | None:
    if not case.out_of_date:
        return None
    position = case.out_of_date[0]
    certificate = case.chain[position]
    assert isinstance(certificate, Certificate)
    return (
        f"At the client's time {case.clock:%Y-%m-%d %H:%M} UTC certificate {position} was outside its validity, "
        f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}.",
        position,
    )


def _name_mismatch(case: Case) -> Evidence | None:
    if case.leaf is None or case.hostname_right:
        return None
    portal = case.catalog.captive_portals.get(case.leaf.pin)
    if portal is not None:
        return f"The leaf is the captive portal's of {portal.name}.", case.leaf_position
    if case.path.trusted:
        names = ", ".join(case.leaf.names[:3]) or "no name"
        return (
            f"The chain is trusted, but its leaf is for {names} and not for {case.report.hostname}: a captive "
            "portal, or the wrong virtual host.",
            case.leaf_position,
        )
    return None


def _untrusted_chain(case: Case) -> Evidence | None:
    last = case.path.positions[-1] if case.path.positions else None
    if case.untrusted_by_sender:
        return "The client itself says that the chain did not validate.", last
    if case.leaf is not None and case.path.anchor is Anchor.UNKNOWN:
        return (
            f"No signature leads from certificate {last} of the chain to a certificate that could vouch for it.",
            last,
        )
    if case.path.anchor is Anchor.PRIVATE and len(case.path.positions) == 1:
        return "The leaf is self-signed.", last
    return None


def _interception_product(case: Case) -> Evidence | None:
    if case.product is not None:
        return (
            f"The leaf's issuer is named as {case.product.name} names its own: software between the client and the "
            "server. A name can be forged.",
            case.path.positions[-1],
        )
    return None


def _private_root(case: Case) -> Evidence | None:
    if case.path.anchor is Anchor.PRIVATE:
        return (
            "The path ends at a root that is in no public store and was not supplied by the operator.",
            case.path.positions[-1],
        )
    return None


def _unknown_key_public_ca(case: Case) -> Evidence | None:
    if case.leaf is None or not case.path.trusted or case.leaf_is_ours or not case.hostname_right:
        return None
    if case.satisfies_expected:
        return None
    if case.policy is None:
        return (
            "A trusted CA vouches for this key and host, but no policy is registered for the host, so whose key "
            "it is cannot be told.",
            case.leaf_position,
        )
    doubt = "" if case.path.checkable else " A signature on the path is too old to be checked."
    return f"A trusted CA vouches for this key and host, and the key is not one of ours.{doubt}", case.leaf_position


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
