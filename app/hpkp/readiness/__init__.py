"""Whether switching to enforcing is safe: small rules, each giving findings, and the verdict they add up to.

::

    Situation(policy, history, evidence, moment, limits) ──RULES──> findings ──> verdict, per audience and in all
                                                       any blocker                  -> not_ready
                                                       else any missing evidence    -> not_enough_data
                                                       else                         -> ready
      └──estimate per audience──> headline: how many would be locked out      └──plan──> what to do, and the next header

Silence is not evidence: what was not seen withholds the verdict `ready`. Reports are claims by strangers: they can
hold a verdict back, never advance one. The verdict on a host is the worst of its audiences in use.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.hpkp.audience import Audience
from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness import evidence_rules, policy_rules, violation_rules
from app.hpkp.readiness.evidence import (
    CanarySeen,
    Evidence,
    Group,
    OpenViolation,
    Situation,
    Thresholds,
    Verdict,
)
from app.hpkp.readiness.evidence_days import CoveredDays, Observations
from app.hpkp.readiness.headline import Estimate, estimate, write_headline
from app.hpkp.readiness.plan import NextStep, Plan, make_plan

__all__ = [
    "RULES",
    "AudienceAnswer",
    "CanarySeen",
    "CoveredDays",
    "Estimate",
    "Evidence",
    "Group",
    "NextStep",
    "Observations",
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
    policy_rules.enough_pins,
    policy_rules.unusable_pins,
    policy_rules.intermediate_alone,
    policy_rules.max_age,
    policy_rules.remembered_pins,
    evidence_rules.live_host,
    policy_rules.report_uri,
    evidence_rules.canary,
    evidence_rules.covered_days,
    evidence_rules.recent_days,
    violation_rules.open_violations,
    violation_rules.evaluation,
    violation_rules.left_out,
    violation_rules.lockout_share,
    violation_rules.interception_share,
    violation_rules.unknown_share,
    evidence_rules.no_reports,
)
"""Every rule, in the order in which findings of the same weight are told."""

_OF_REPORTS = frozenset(
    {
        violation_rules.open_violations,
        violation_rules.lockout_share,
        violation_rules.interception_share,
        violation_rules.unknown_share,
    }
)
"""Rules on what was reported: what others find wrong does not show in reports, so they bound nothing of it."""


@dataclass(frozen=True, slots=True)
class AudienceAnswer:
    """The verdict for one audience: its days, its numbers, and how many covered days it needs."""

    verdict: Verdict
    days: CoveredDays
    needed_days: int
    estimate: Estimate

    @property
    def audience(self) -> Audience:
        """Whose verdict it is."""
        return self.days.audience


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict with everything it rests on; ``audiences`` holds the worst first."""

    verdict: Verdict
    headline: str
    audiences: tuple[AudienceAnswer, ...]
    findings: tuple[Finding, ...]
    plan: Plan
    thresholds: Thresholds

    @property
    def estimate(self) -> Estimate:
        """The numbers of the worst audience."""
        return self.audiences[0].estimate


def assess_readiness(case: Situation, *, rules: tuple[Rule, ...] = RULES) -> Readiness:
    """Say whether the policy may be enforced, or, where it is enforced already, whether the next step is safe."""
    told = [(rule, finding) for rule in rules for finding in rule(case)]
    findings = tuple(sorted((finding for _, finding in told), key=_weight))
    verdict = _verdict(findings)
    bounded = not any(f.severity is Severity.BLOCKER and rule not in _OF_REPORTS for rule, f in told)
    audiences = tuple(sorted((_answer(case, days, findings, bounded=bounded) for days in case.audiences), key=_worst))
    headline = write_headline(case, audiences[0].estimate, verdict, findings, bounded=bounded)
    return Readiness(verdict, headline, audiences, findings, make_plan(case, findings, verdict), case.limits)


def _answer(case: Situation, days: CoveredDays, findings: tuple[Finding, ...], *, bounded: bool) -> AudienceAnswer:
    """Give the verdict for one audience: findings that name none are about the host, and count for all of them."""
    own = str(days.audience)
    verdict = _verdict(tuple(finding for finding in findings if finding.evidence.get("audience", own) == own))
    return AudienceAnswer(verdict, days, case.needed_days, estimate(case, days, bounded=bounded))


def _worst(answer: AudienceAnswer) -> tuple[int, int, float]:
    """Sort by the verdict, then by how many our mistakes are known to lock out, then by how many there may be."""
    numbers = answer.estimate
    rank = (Verdict.NOT_READY, Verdict.NOT_ENOUGH_DATA, Verdict.READY).index(answer.verdict)
    return rank, -numbers.ours.at_least, -(1.0 if numbers.upper is None else numbers.upper)


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
