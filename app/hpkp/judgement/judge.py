"""What a violation means: one cause, the evidence for it, what else also holds, and whether it locks anybody out.

Pure. The first rule that holds names the cause; every further rule that holds is kept as a secondary finding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.hpkp.catalog import Catalog
from app.hpkp.judgement.causes import ATTRIBUTIONS, Attribution, Cause
from app.hpkp.judgement.context import JudgementContext
from app.hpkp.judgement.lockout import would_lock_out
from app.hpkp.judgement.rules import RULES, possible
from app.hpkp.pins import Pin
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.budget import Budget
from app.hpkp.x509.certificate import Chain, UnreadableCertificate
from app.hpkp.x509.paths import Link


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
    """Joined to the leaf by signatures; of the judged chain, on the path that was followed."""
    failing: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that holds, in one sentence."""

    cause: Cause
    why: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to why a violation happened.

    ``judged_chain`` is ``validated`` or ``served``. ``policy_revision`` is None where no policy was in force, and
    then whose key it is cannot be told. ``failing`` is the position of the certificate that a reader should look
    at first. ``locks_out`` is None where it cannot be told.
    """

    cause: Cause
    why: str
    side: Attribution
    also: tuple[Reason, ...]
    notes: tuple[str, ...]
    locks_out: bool | None
    locks_out_why: str
    judged_chain: str | None
    failing: int | None
    policy_revision: int | None
    anchor: Anchor
    anchor_subject: str | None
    path_checkable: bool
    product: str | None
    served: tuple[CertificateFinding, ...]
    validated: tuple[CertificateFinding, ...]


JudgeReport = Callable[[ViolationReport, PolicyHistory, int, int], Judgement]
"""Judge (report, history of the host's policy, received at, judged at); instants in milliseconds."""


class JudgeWithinBudget(Protocol):
    """`JudgeReport` that can be given a budget; without one, a report has one of its own."""

    def __call__(
        self,
        report: ViolationReport,
        history: PolicyHistory,
        received_at: int,
        at: int,
        budget: Budget | None = None,
        /,
    ) -> Judgement:
        """Judge a report, and spend from the budget. Raises BodyBudgetSpent."""
        ...


def judge(
    report: ViolationReport,
    history: PolicyHistory,
    anchors: KnownCertificates,
    catalog: Catalog | None = None,
    *,
    received_at: datetime,
    at: datetime,
    budget: Budget | None = None,
) -> Judgement:
    """Judge one violation against the policy revision in force at ``at``.

    1. Leave out the causes that this sender's result excludes, and ask all other rules.
    2. The first that holds names the cause; the others are kept as further reasons.
    3. Say whether the client is locked out, by what it enforces and not by the name of the cause.
    4. Show each certificate of both chains with the pins that it has.

    ``received_at`` stands in for the sender's clock where the report has no date. Never raises for a report that
    could be read, but BodyBudgetSpent where the ``budget`` is given and pays together with others.
    """
    context = JudgementContext(
        report, history, anchors, catalog or Catalog(), received_at=received_at, at=at, budget=budget
    )
    # 1: no stop at the first rule. A control report on a chain with an unknown key is a control report, and the
    # operator still has to see that key.
    holding = [
        (cause, *evidence)
        for cause, rule in RULES.items()
        if possible(cause, context) and (evidence := rule(context)) is not None
    ]
    # 2: no rule need hold. As `no_evidence` it is a warning, so that an operator inspects the chain.
    unexplained = (Cause.NO_EVIDENCE, "No rule matched. Inspect the chain.", context.leaf_position)
    cause, why, failing = holding[0] if holding else unexplained
    # 3: only these two causes matter, because their reports show nothing about the pins of the policy.
    lockout = would_lock_out(context, implausible=cause is Cause.IMPLAUSIBLE, control=cause is Cause.CONTROL)
    return Judgement(
        cause=cause,
        why=why,
        side=_side(cause, context),
        also=tuple(Reason(other, reason) for other, reason, _ in holding[1:]),
        notes=tuple(_notes(context)),
        locks_out=lockout.answer,
        locks_out_why=lockout.why,
        judged_chain=context.judged_chain,
        failing=failing,
        policy_revision=context.policy.revision if context.policy else None,
        anchor=context.anchor,
        anchor_subject=context.anchor_subject,
        path_checkable=context.path_checkable,
        product=None if context.product is None else context.product.name,
        # 4
        served=tuple(_certificate_findings(context, "served", report.served_chain or (), failing)),
        validated=tuple(_certificate_findings(context, "validated", report.validated_chain or (), failing)),
    )


def _side(cause: Cause, context: JudgementContext) -> Attribution:
    """To what it is attributed; without a policy the owner of a key is unknown, unless a registered release pins it."""
    unknown = context.policy is None and context.release is None
    # A key that is known to be compromised is hostile with or without a policy.
    if (
        unknown
        and ATTRIBUTIONS[cause] in (Attribution.OPERATOR, Attribution.POSSIBLE_ATTACK)
        and cause is not Cause.KNOWN_BAD_KEY
    ):
        return Attribution.UNKNOWN
    return ATTRIBUTIONS[cause]


def _notes(context: JudgementContext) -> Iterator[str]:
    """Say what a reader of the chain should know besides."""
    if context.leaf_position != 0:
        yield f"Chain out of order: certificate {context.leaf_position} is the leaf."
    if context.superfluous:
        yield f"Not part of the path to the leaf: certificates {', '.join(map(str, context.superfluous))}."
    unreadable = [(str(i), e) for i, e in enumerate(context.chain) if isinstance(e, UnreadableCertificate)]
    if unread := [i for i, e in unreadable if e.der is not None or e.pin is None]:
        yield f"Certificates that cannot be parsed: {', '.join(unread)}."
    # react-native-ssl-manager sends pins in place of certificates: nothing is wrong with them.
    if pin_only := [i for i, e in unreadable if e.der is None and e.pin is not None]:
        yield f"Pins only, no certificate: {', '.join(pin_only)}."
    # Both weaken the answer without changing the cause, so a reader has to know.
    if any(link is Link.NOT_CHECKABLE for link in (context.path.links if context.path else ())):
        yield "A signature on the path uses an unknown algorithm or key, so it was not checked."
    elif context.path is not None and not context.path_checkable:
        yield "A signature on the path uses MD5 or SHA-1, which current clients reject."
    if context.path is not None and (departure := context.path.departure) is not None:
        yield (
            f"The root at the end of the path left Mozilla's store on {departure.left:%Y-%m-%d}"
            f"{f': {departure.reason}' if departure.reason else ''}. Devices may trust it for years after."
        )
    if context.completed is not None:
        yield from context.completed.limits_reached
    if context.echoes_served:
        yield "This sender sends the served chain as the validated one; the path that it built is unknown."
    elif context.judged_chain == "served":
        yield "No validated chain was sent; the served chain was evaluated."
    elif context.judged_chain is not None and not context.validated:
        yield "The chain that this sender calls validated did not validate; the client only received it."


def _certificate_findings(
    context: JudgementContext, member: str, chain: Chain, failing: int | None
) -> Iterator[CertificateFinding]:
    """Yield a finding for each certificate of one chain; only the judged chain has a failing one."""
    judged = member == context.judged_chain
    for position, element in enumerate(chain):
        yield CertificateFinding(
            position=position,
            pin=element.pin,
            in_known_pins=element.pin in context.known,
            in_expected_pins=element.pin in context.expected,
            in_former_pins=element.pin in context.previous,
            own_key=element.pin in context.own_keys,
            # The path was completed for the judged chain, so on the other one only signatures count.
            on_path=context.is_joined(element) and (not judged or context.is_on_path(element)),
            failing=judged and position == failing,
        )
