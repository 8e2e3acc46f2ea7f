"""Whether switching to enforcing is safe: small rules, each giving findings, and the verdict they add up to.

::

    ReadinessInput(policy, history, evidence, moment, limits) ──RULES──> findings ──> verdict, per audience and in all
                                                       any blocker                  -> not_ready
                                                       else any missing evidence    -> not_enough_data
                                                       else                         -> ready
      └──estimate per audience──> impact: how many would be locked out        └──plan──> what to do, and the next header

Silence is not evidence: what was not observed withholds the verdict `ready`. Anyone can send reports, so they can
withhold a verdict but never advance one. The verdict on a host is the worst of its audiences in use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.hpkp.audience import Audience
from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness import evidence_rules, policy_rules, refusal_rules, release_rules, violation_rules
from app.hpkp.readiness.criteria import CRITERIA, CriterionState, Rule, judge_criteria
from app.hpkp.readiness.evidence import (
    CanaryStatus,
    Evidence,
    LockoutGroup,
    OpenViolation,
    ReadinessInput,
    Thresholds,
    Verdict,
)
from app.hpkp.readiness.evidence_days import CoveredDays, Observations
from app.hpkp.readiness.headline import Estimate, estimate, write_headline, write_impact, write_others
from app.hpkp.readiness.plan import NextStep, Plan, make_plan
from app.hpkp.readiness.releases import ReleaseAnswer, assess_releases

__all__ = [
    "CRITERIA",
    "RULES",
    "AudienceAnswer",
    "CanaryStatus",
    "CoveredDays",
    "CriterionState",
    "Estimate",
    "Evidence",
    "LockoutGroup",
    "NextStep",
    "Observations",
    "OpenViolation",
    "Plan",
    "Readiness",
    "ReadinessInput",
    "ReleaseAnswer",
    "Rule",
    "Thresholds",
    "Verdict",
    "assess_readiness",
]

RULES: tuple[Rule, ...] = (
    # First, because every hour counts: these clients cannot connect (decision record 29).
    violation_rules.locked_out,
    *release_rules.RULES,
    evidence_rules.clock,
    policy_rules.enough_pins,
    policy_rules.unusable_pins,
    policy_rules.intermediate_alone,
    policy_rules.max_age,
    policy_rules.remembered_pins,
    evidence_rules.live_host,
    policy_rules.report_uri,
    policy_rules.subdomains,
    policy_rules.unpinned_subdomains,
    evidence_rules.canary,
    evidence_rules.control,
    evidence_rules.covered_days,
    evidence_rules.recent_days,
    violation_rules.open_violations,
    violation_rules.enforcing_clients,
    violation_rules.evaluation,
    violation_rules.left_out,
    violation_rules.reopened,
    violation_rules.lockout_share,
    violation_rules.interception_share,
    violation_rules.unknown_share,
    refusal_rules.refusals,
    # Last, because it decides nothing: without evidence that reports arrive, their absence is no sign.
    evidence_rules.no_reports,
)
"""Every rule, in the order of findings of the same severity."""

_OF_REPORTS = frozenset(
    {
        violation_rules.locked_out,
        violation_rules.open_violations,
        violation_rules.lockout_share,
        violation_rules.interception_share,
        violation_rules.unknown_share,
    }
)
"""Rules on what was reported. Blockers of the others do not show up in reports, so reports give no bound for them."""


@dataclass(frozen=True, slots=True)
class AudienceAnswer:
    """The verdict for one audience: its days, its numbers, and how many covered days it needs."""

    verdict: Verdict
    days: CoveredDays
    needed_days: int
    estimate: Estimate
    criteria: Mapping[str, CriterionState]
    """State of each of `CRITERIA` for this audience."""

    @property
    def audience(self) -> Audience:
        """The audience of the verdict."""
        return self.days.audience


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict with everything it rests on; ``audiences`` holds the worst first."""

    verdict: Verdict
    headline: str
    """Host, answer and first reason in at most 20 words; for lists, alerts and boards."""
    reason: str | None
    """The first reason alone, for an answer whose title names host and verdict; None if the verdict is ready."""
    impact: str
    """How many clients configuration errors lock out."""
    also_reported: str | None
    """Clients with other outcomes; None without any."""
    audiences: tuple[AudienceAnswer, ...]
    findings: tuple[Finding, ...]
    plan: Plan
    thresholds: Thresholds
    releases: tuple[ReleaseAnswer, ...] = ()
    """The verdict for each registered release in use that pins the host, the worst first."""

    @property
    def estimate(self) -> Estimate:
        """The numbers of the worst audience."""
        return self.audiences[0].estimate


def assess_readiness(inputs: ReadinessInput, *, rules: tuple[Rule, ...] = RULES) -> Readiness:
    """Decide whether the policy can be enforced or, if it is already enforced, whether the next step is safe.

    1. Ask every rule. Blockers decide, and without any, missing evidence.
    2. Bound the clients that are locked out, unless a blocker does not show up in reports.
    3. Give the verdict of each audience, by the findings about it and those about the host.
    4. Give the verdict of each release, without findings about other releases.
    """
    # 1: no rule stops another one, so that an operator sees all there is to fix.
    found = [(rule, finding) for rule in rules for finding in rule(inputs)]
    findings = tuple(sorted((finding for _, finding in found), key=_sort_key))
    verdict = _verdict(findings)
    # 2: a share of the reports is no bound for clients that such a blocker locks out without a report.
    hidden = next((f for rule, f in found if f.severity is Severity.BLOCKER and rule not in _OF_REPORTS), None)
    bounded = hidden is None
    # 3
    audiences = tuple(sorted((_answer(inputs, days, found, bounded=bounded) for days in inputs.audiences), key=_worst))
    headline = write_headline(inputs, verdict, findings)
    # 4: a locked-out release must not hold back another one.
    of_all = tuple(finding for rule, finding in found if rule not in release_rules.RULES)
    return Readiness(
        verdict=verdict,
        headline=headline.sentence,
        reason=headline.reason,
        impact=write_impact(inputs, audiences[0].estimate, hidden=hidden),
        also_reported=write_others(inputs),
        audiences=audiences,
        findings=findings,
        plan=make_plan(inputs, findings, verdict),
        thresholds=inputs.limits,
        releases=assess_releases(
            inputs, {days.audience: _verdict_for(days.audience, of_all) for days in inputs.audiences}
        ),
    )


def _answer(
    inputs: ReadinessInput, days: CoveredDays, told: list[tuple[Rule, Finding]], *, bounded: bool
) -> AudienceAnswer:
    """Give the verdict for one audience: findings that name none are about the host, and count for all of them."""
    own = str(days.audience)
    about = [(rule, finding) for rule, finding in told if finding.evidence.get("audience", own) == own]
    verdict = _verdict(tuple(finding for _, finding in about))
    numbers = estimate(inputs, days, bounded=bounded)
    return AudienceAnswer(verdict, days, inputs.needed_days, numbers, judge_criteria(about))


def _verdict_for(audience: Audience, findings: tuple[Finding, ...]) -> Verdict:
    """Return the verdict for an audience: findings that name another one do not count."""
    own = str(audience)
    return _verdict(tuple(finding for finding in findings if finding.evidence.get("audience", own) == own))


def _worst(answer: AudienceAnswer) -> tuple[int, int, float]:
    """Sort by the verdict, then by how many clients configuration errors lock out, then by the upper bound."""
    numbers = answer.estimate
    rank = (Verdict.NOT_READY, Verdict.NOT_ENOUGH_DATA, Verdict.READY).index(answer.verdict)
    # No bound is the worst bound: all clients may be locked out.
    return rank, -numbers.ours.at_least, -(1.0 if numbers.upper is None else numbers.upper)


def _sort_key(finding: Finding) -> int:
    """Sort by what decides: blockers, missing evidence, warnings, and information."""
    if finding.severity is Severity.BLOCKER:
        return 0
    return 1 if finding.withholds else 2 if finding.severity is Severity.WARNING else 3


def _verdict(findings: tuple[Finding, ...]) -> Verdict:
    """Return what findings add up to."""
    # Before missing evidence: a known lockout is an answer also if data is missing (decision record 7).
    if any(finding.severity is Severity.BLOCKER for finding in findings):
        return Verdict.NOT_READY
    if any(finding.withholds for finding in findings):
        return Verdict.NOT_ENOUGH_DATA
    # Only reached if nothing is missing: `ready` is never the default for what was not observed.
    return Verdict.READY
