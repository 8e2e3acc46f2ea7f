"""Whether switching to enforcing is safe: small rules, each giving findings, and the verdict they add up to.

::

    Situation(policy, history, evidence, moment, limits) ──RULES──> findings ──> verdict
                                                       any blocker                  -> not_ready
                                                       else any missing evidence    -> not_enough_data
                                                       else                         -> ready
      └──estimate──> headline: how many would be locked out      └──plan──> what to do, and the next header

Silence is not evidence: what was not seen withholds the verdict `ready`. Reports are claims by strangers: they can
hold a verdict back, never advance one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness import evidence_rules, policy_rules, refusal_rules, violation_rules
from app.hpkp.readiness.evidence import (
    CanarySeen,
    Evidence,
    Group,
    OpenViolation,
    Situation,
    Thresholds,
    Verdict,
)
from app.hpkp.readiness.headline import Estimate, estimate, write_headline
from app.hpkp.readiness.plan import NextStep, Plan, make_plan

__all__ = [
    "RULES",
    "CanarySeen",
    "Estimate",
    "Evidence",
    "Group",
    "NextStep",
    "OpenViolation",
    "Plan",
    "Readiness",
    "Rule",
    "Situation",
    "Thresholds",
    "Verdict",
    "assess_readiness",
]

Rule = Callable[[Situation], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    violation_rules.locked_out,
    policy_rules.enough_pins,
    policy_rules.unusable_pins,
    policy_rules.intermediate_alone,
    policy_rules.max_age,
    policy_rules.remembered_pins,
    evidence_rules.live_host,
    policy_rules.report_uri,
    policy_rules.subdomains,
    evidence_rules.exposure,
    evidence_rules.canary,
    evidence_rules.control,
    evidence_rules.observation,
    violation_rules.open_violations,
    violation_rules.enforcing_clients,
    violation_rules.evaluation,
    violation_rules.left_out,
    violation_rules.reopened,
    violation_rules.lockout_share,
    violation_rules.interception_share,
    violation_rules.unknown_share,
    refusal_rules.refusals,
    evidence_rules.no_reports,
)
"""Every rule, in the order in which findings of the same weight are told."""

_OF_REPORTS = frozenset(
    {
        violation_rules.locked_out,
        violation_rules.open_violations,
        violation_rules.lockout_share,
        violation_rules.interception_share,
        violation_rules.unknown_share,
    }
)
"""Rules on what was reported: what others find wrong does not show in reports, so they bound nothing of it."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict with everything it rests on."""

    verdict: Verdict
    headline: str
    estimate: Estimate
    findings: tuple[Finding, ...]
    plan: Plan
    thresholds: Thresholds


def assess_readiness(case: Situation, *, rules: tuple[Rule, ...] = RULES) -> Readiness:
    """Say whether the policy may be enforced, or, where it is enforced already, whether the next step is safe."""
    told = [(rule, finding) for rule in rules for finding in rule(case)]
    findings = tuple(sorted((finding for _, finding in told), key=_weight))
    verdict = _verdict(findings)
    bounded = not any(f.severity is Severity.BLOCKER and rule not in _OF_REPORTS for rule, f in told)
    numbers = estimate(case, bounded=bounded)
    headline = write_headline(case, numbers, verdict, findings, bounded=bounded)
    return Readiness(verdict, headline, numbers, findings, make_plan(case, findings, verdict), case.limits)


def _weight(finding: Finding) -> int:
    """Sort by what decides: blockers, what withholds, cautions, and what is only told."""
    if finding.severity is Severity.BLOCKER:
        return 0
    return 1 if finding.withholds else 2 if finding.severity is Severity.WARNING else 3


def _verdict(findings: tuple[Finding, ...]) -> Verdict:
    if any(finding.severity is Severity.BLOCKER for finding in findings):
        return Verdict.NOT_READY
    if any(finding.withholds for finding in findings):
        return Verdict.NOT_ENOUGH_DATA
    return Verdict.READY
