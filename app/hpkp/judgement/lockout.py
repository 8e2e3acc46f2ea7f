"""Whether a client that enforced the expected pins now in force would fail this connection because of them.

A connection that fails anyway (expired, wrong name, not trusted) is not lost to the pins. UAs of browsers let chains
pass that end at a root which the user installed (RFC 7469 section 2.6); apps with pins do not.
"""

from dataclasses import dataclass

from app.hpkp.judgement.context import JudgementContext
from app.hpkp.x509.certificate import Anchor


@dataclass(frozen=True, slots=True)
class LockOut:
    """The answer: yes, no, or None where the report does not tell; and why, in one sentence."""

    answer: bool | None
    why: str


def would_lock_out(context: JudgementContext) -> LockOut:
    """Say whether enforcing would end the connection that a violation was reported for."""
    if context.policy is None:
        return LockOut(None, "No policy is in force, so there are no expected pins to enforce.")
    if context.leaf_element is None or context.leaf_element.pin is None:
        return LockOut(None, "Without a readable chain this cannot be told.")
    if context.untrusted_by_sender:
        return LockOut(False, "The client does not trust the chain, so the connection fails without pins too.")
    if context.satisfies_expected:
        return _satisfied(context)
    if context.out_of_date:
        return LockOut(False, "A certificate is outside its validity, so the connection fails without pins too.")
    if context.leaf is not None and not context.hostname_right:
        return LockOut(False, "The leaf is for another name, so the connection fails without pins too.")
    if context.path.anchor in (Anchor.PRIVATE, Anchor.KNOWN_BAD) and not (
        context.leaf_is_ours or context.served_pinned
    ):
        return _private(context)
    return _unsatisfied(context)


def _satisfied(context: JudgementContext) -> LockOut:
    if context.validated:
        return LockOut(False, "An expected pin stands in the validated chain.")
    if context.echoes_served and context.expected <= context.known:
        return LockOut(True, "The client knew the expected pins and found none on the path that it built.")
    return LockOut(None, "An expected pin stands in the served chain, but a client may validate another path.")


def _private(context: JudgementContext) -> LockOut:
    if not context.validated:
        return LockOut(None, "Whether the client trusts the root at the end of the served chain is not known.")
    is_browser = context.report.sender.is_browser
    if is_browser is None:
        return LockOut(
            None, "A browser lets a root pass that its user installed, an app does not; which it was is open."
        )
    if is_browser:
        return LockOut(False, "Browsers let chains pass that end at a root which the user installed.")
    return LockOut(True, "No expected pin stands in the chain, and apps hold their pins against installed roots too.")


def _unsatisfied(context: JudgementContext) -> LockOut:
    if context.validated:
        return LockOut(True, "No expected pin stands in the validated chain.")
    if context.expected <= context.known:
        return LockOut(True, "The client knew the expected pins and found none of them on its path.")
    return LockOut(None, "No expected pin stands in the served chain, but a client may validate another path.")
