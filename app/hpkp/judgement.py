"""What a violation means: one cause, the evidence for it, and what else also holds.

Pure. The first rule that holds names the cause; every further rule that holds is kept as a secondary finding.

::

    known pins (what the UA remembered) ─┐
    served and validated chain ──────────┼─> judge ──> Judgement(cause, also, why, certificates …)
    expected pins (what we publish) ─────┘

Judged is the validated chain (RFC 7469 section 2.6); where there is none, or the sender says that it is not
trusted, the served one, and then only certificates that signatures join to the leaf count, because anybody can
append a certificate to what a server sends.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from app.hpkp.chain import (
    Anchor,
    Certificate,
    Chain,
    Path,
    TrustAnchors,
    build_path,
    connected_to_leaf,
    outside_validity,
    pins_of,
)
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.hpkp.report import SenderResult, ViolationReport

CLOCK_TOLERANCE = timedelta(hours=14)
"""Some senders write local time and call it UTC; no zone is further off than 14 hours."""


class Cause(StrEnum):
    """Why the pins did not match, in the order in which the rules are asked."""

    NO_EVIDENCE = "no_evidence"
    MATCHES_EXPECTED = "matches_expected"
    STALE_KNOWN_PINS = "stale_known_pins"
    FOREIGN_PINS = "foreign_pins"
    OTHER_TRUST_PATH = "other_trust_path"
    OWN_KEY_NOT_PINNED = "own_key_not_pinned"
    CLOCK = "clock"
    NAME_MISMATCH = "name_mismatch"
    UNTRUSTED_CHAIN = "untrusted_chain"
    PRIVATE_ROOT = "private_root"
    UNKNOWN_KEY_PUBLIC_CA = "unknown_key_public_ca"


class Bearing(StrEnum):
    """What a cause means for the question whether enforcing is safe."""

    BLOCKS = "blocks"
    CAUTION = "caution"
    INFO = "info"


BEARING: dict[Cause, Bearing] = {
    Cause.NO_EVIDENCE: Bearing.CAUTION,
    Cause.MATCHES_EXPECTED: Bearing.INFO,
    Cause.STALE_KNOWN_PINS: Bearing.INFO,
    Cause.FOREIGN_PINS: Bearing.INFO,
    Cause.OTHER_TRUST_PATH: Bearing.BLOCKS,
    Cause.OWN_KEY_NOT_PINNED: Bearing.BLOCKS,
    Cause.CLOCK: Bearing.INFO,
    Cause.NAME_MISMATCH: Bearing.INFO,
    Cause.UNTRUSTED_CHAIN: Bearing.INFO,
    Cause.PRIVATE_ROOT: Bearing.CAUTION,
    Cause.UNKNOWN_KEY_PUBLIC_CA: Bearing.BLOCKS,
}

ALARMING = frozenset({Cause.UNKNOWN_KEY_PUBLIC_CA})
"""Causes that may mean an attack with a certificate that clients trust."""


@dataclass(frozen=True, slots=True)
class CertificateFinding:
    """Where one certificate of a chain stands towards the pins."""

    position: int
    pin: Pin | None
    in_known_pins: bool
    in_expected_pins: bool
    in_former_pins: bool
    own_key: bool
    on_path: bool
    failing: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to why a violation happened.

    ``judged_chain`` is ``validated`` or ``served``. ``policy_revision`` is None where no policy was in force, and
    then whose key it is cannot be told. ``failing`` is the position of the certificate that a reader should look
    at first.
    """

    cause: Cause
    why: str
    also: tuple[Cause, ...]
    judged_chain: str | None
    failing: int | None
    policy_revision: int | None
    anchor: Anchor
    anchor_subject: str | None
    path_checkable: bool
    served: tuple[CertificateFinding, ...]
    validated: tuple[CertificateFinding, ...]


class _Case:
    """One violation with everything the rules ask of it, each worked out once."""

    def __init__(
        self,
        report: ViolationReport,
        history: PolicyHistory,
        anchors: TrustAnchors,
        received_at: datetime,
        at: datetime,
    ) -> None:
        self.report = report
        self.anchors = anchors
        self.policy: PinningPolicy | None = history.in_force(at)
        self.expected = self.policy.expected if self.policy else frozenset[Pin]()
        self.ever_expected = history.all_pins
        self.former = self.ever_expected - self.expected
        self.own_keys = history.own_keys | self.ever_expected
        self.known = frozenset(report.known_pins)
        self.clock = report.date_time or received_at
        self.untrusted_by_sender = report.sender_result is SenderResult.CHAIN_NOT_TRUSTED

    @cached_property
    def validated(self) -> Chain:
        return () if self.untrusted_by_sender else self.report.validated_chain or ()

    @cached_property
    def served(self) -> Chain:
        unvalidated = self.report.validated_chain if self.untrusted_by_sender else None
        return self.report.served_chain or unvalidated or ()

    @property
    def chain(self) -> Chain:
        return self.validated or self.served

    @property
    def judged_chain(self) -> str | None:
        if not self.chain:
            return None
        return "validated" if self.chain is self.report.validated_chain else "served"

    @property
    def leaf(self) -> Certificate | None:
        return self.chain[0] if self.chain and isinstance(self.chain[0], Certificate) else None

    @cached_property
    def path(self) -> Path:
        path = build_path(self.chain, self.anchors)
        # A validated chain ends at an anchor of the sender's store; one that is in neither of ours is private.
        if self.validated and path.anchor is Anchor.UNKNOWN and len(path.positions) == len(self.chain):
            return Path(path.positions, Anchor.PRIVATE, path.links)
        return path

    @cached_property
    def served_connected(self) -> frozenset[int]:
        return connected_to_leaf(self.served)

    @cached_property
    def chain_pins(self) -> frozenset[Pin]:
        if self.validated:
            return pins_of(self.validated)
        return pins_of(self.served[position] for position in sorted(self.served_connected))

    @cached_property
    def served_pinned(self) -> tuple[int, ...]:
        """Positions in the served chain of pinned certificates that signatures join to the judged leaf."""
        if not self.served or self.leaf is None or self.served[0] != self.leaf:
            return ()
        wanted = self.expected if self.policy else self.known
        return tuple(i for i in sorted(self.served_connected) if self.served[i].pin in wanted)

    @property
    def leaf_is_ours(self) -> bool:
        return self.leaf is not None and self.leaf.pin in self.own_keys

    @property
    def path_is_new(self) -> bool:
        """Whether the client built its path through an intermediate that the server did not send."""
        if not self.validated or not self.served:
            return False
        return bool(pins_of(self.validated[1:-1]) - pins_of(self.served))

    @cached_property
    def hostname_right(self) -> bool:
        return self.leaf is not None and self.leaf.covers(self.report.hostname)

    @cached_property
    def out_of_date(self) -> tuple[int, ...]:
        """Positions on the path not valid at the sender's time, whatever zone it was in."""
        early = outside_validity(self.chain, self.path.positions, self.clock - CLOCK_TOLERANCE)
        late = outside_validity(self.chain, self.path.positions, self.clock + CLOCK_TOLERANCE)
        return tuple(sorted(set(early) & set(late)))


Evidence = tuple[str, int | None]
"""Why a rule holds, and the position in the judged chain of the certificate that shows it."""

_Rule = Callable[[_Case], Evidence | None]


def _no_evidence(case: _Case) -> Evidence | None:
    if not case.chain:
        return "The report carries no certificate chain, so there is nothing to check the pins against.", None
    if case.leaf is None:
        return "The end-entity certificate of the chain cannot be read, so its path cannot be followed.", 0
    return None


def _matches_expected(case: _Case) -> Evidence | None:
    if case.chain_pins & case.expected and (not case.known or case.chain_pins & case.known):
        return "The chain holds a pin that the policy expects and the client knew: not a pin violation.", None
    return None


def _stale_known_pins(case: _Case) -> Evidence | None:
    if case.chain_pins & case.expected and not case.chain_pins & case.known and case.known & case.ever_expected:
        return (
            "The chain satisfies the expected pins, but the client still knows pins of another revision of ours; "
            "it will do so until the max-age of that revision has run out.",
            None,
        )
    if case.policy is None and case.known & case.ever_expected and case.leaf_is_ours:
        return "The host's policy was withdrawn, but the client still knows pins of a former revision.", None
    return None


def _foreign_pins(case: _Case) -> Evidence | None:
    if case.ever_expected and case.known and not case.known & case.ever_expected:
        return "None of the pins that the client knew was ever in a revision of this host's policy.", None
    return None


def _other_trust_path(case: _Case) -> Evidence | None:
    if case.chain_pins & case.expected or case.leaf is None:
        return None
    whose = "expected" if case.policy else "known"
    if case.served_pinned and (case.leaf_is_ours or case.hostname_right):
        position = case.served_pinned[0]
        return (
            f"Certificate {position} of the served chain has a pin among the {whose} pins and signed its way down "
            "to this leaf, but the client validated another path, on which no pin stands.",
            len(case.chain) - 1,
        )
    if case.leaf_is_ours and case.path_is_new:
        return (
            "The leaf key is ours, but the client built its path through an intermediate that the server did not "
            "send, and no expected pin stands on it.",
            1,
        )
    return None


def _own_key_not_pinned(case: _Case) -> Evidence | None:
    if case.policy and case.leaf_is_ours and not case.chain_pins & case.expected:
        return "The leaf key is one of our own, but no expected pin stands anywhere in its chain.", 0
    return None


def _clock(case: _Case) -> Evidence | None:
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


def _name_mismatch(case: _Case) -> Evidence | None:
    if case.leaf is not None and case.path.trusted and not case.hostname_right:
        names = ", ".join(case.leaf.names[:3]) or "no name"
        return (
            f"The chain is trusted, but its leaf is for {names} and not for {case.report.hostname}: a captive "
            "portal, or the wrong virtual host.",
            0,
        )
    return None


def _untrusted_chain(case: _Case) -> Evidence | None:
    if case.untrusted_by_sender:
        return "The client itself says that the chain did not validate.", len(case.path.positions) - 1
    if case.leaf is not None and case.path.anchor is Anchor.UNKNOWN:
        last = case.path.positions[-1]
        return (
            f"No signature leads from certificate {last} of the chain to a certificate that could vouch for it.",
            last,
        )
    if case.path.anchor is Anchor.PRIVATE and len(case.path.positions) == 1:
        return "The leaf is self-signed.", 0
    return None


def _private_root(case: _Case) -> Evidence | None:
    if case.path.anchor is Anchor.PRIVATE:
        last = case.path.positions[-1]
        return (
            "The path ends at a root that is in no public store and was not supplied by the operator.",
            last,
        )
    return None


def _unknown_key_public_ca(case: _Case) -> Evidence | None:
    if case.leaf is None or not case.path.trusted or case.leaf_is_ours or not case.hostname_right:
        return None
    if case.chain_pins & case.expected:
        return None
    if case.policy is None:
        return (
            "A trusted CA vouches for this key and host, but no policy is registered for the host, so whose key "
            "it is cannot be told.",
            0,
        )
    doubt = "" if case.path.checkable else " A signature on the path is too old to be checked."
    return f"A trusted CA vouches for this key and host, and the key is not one of ours.{doubt}", 0


_RULES: dict[Cause, _Rule] = {
    Cause.NO_EVIDENCE: _no_evidence,
    Cause.MATCHES_EXPECTED: _matches_expected,
    Cause.STALE_KNOWN_PINS: _stale_known_pins,
    Cause.FOREIGN_PINS: _foreign_pins,
    Cause.OTHER_TRUST_PATH: _other_trust_path,
    Cause.OWN_KEY_NOT_PINNED: _own_key_not_pinned,
    Cause.CLOCK: _clock,
    Cause.NAME_MISMATCH: _name_mismatch,
    Cause.UNTRUSTED_CHAIN: _untrusted_chain,
    Cause.PRIVATE_ROOT: _private_root,
    Cause.UNKNOWN_KEY_PUBLIC_CA: _unknown_key_public_ca,
}


def judge(
    report: ViolationReport,
    history: PolicyHistory,
    anchors: TrustAnchors,
    *,
    received_at: datetime,
    at: datetime,
) -> Judgement:
    """Judge one violation against the policy revision in force at ``at``.

    ``received_at`` stands in for the sender's clock where the report has no date. Never raises for a report that
    could be read.
    """
    case = _Case(report, history, anchors, received_at, at)
    holding = [(cause, evidence) for cause, rule in _RULES.items() if (evidence := rule(case)) is not None]
    if holding:
        (cause, (why, failing)), also = holding[0], tuple(cause for cause, _ in holding[1:])
    else:
        cause, why, failing, also = (
            Cause.NO_EVIDENCE,
            "No rule explains this chain; look at it yourself.",
            0,
            (),
        )
    return Judgement(
        cause=cause,
        why=why,
        also=also,
        judged_chain=case.judged_chain,
        failing=failing,
        policy_revision=case.policy.revision if case.policy else None,
        anchor=case.path.anchor,
        anchor_subject=case.path.anchor_subject,
        path_checkable=case.path.checkable,
        served=tuple(_certificate_findings(case, report.served_chain or (), failing)),
        validated=tuple(_certificate_findings(case, report.validated_chain or (), failing)),
    )


def _certificate_findings(case: _Case, chain: Chain, failing: int | None) -> Iterator[CertificateFinding]:
    judged = chain is case.chain
    on_path = frozenset(case.path.positions) if judged else connected_to_leaf(chain)
    for position, element in enumerate(chain):
        yield CertificateFinding(
            position=position,
            pin=element.pin,
            in_known_pins=element.pin in case.known,
            in_expected_pins=element.pin in case.expected,
            in_former_pins=element.pin in case.former,
            own_key=element.pin in case.own_keys,
            on_path=position in on_path,
            failing=judged and position == failing,
        )
