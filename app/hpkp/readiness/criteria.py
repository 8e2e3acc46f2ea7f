"""What a verdict asks for, as a short list: each criterion is met, lacks evidence, or is blocked; rules say which.

The list is for those who follow a rollout over time: findings come and go, a criterion is there on every day.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness import evidence_rules, policy_rules, refusal_rules, release_rules, violation_rules
from app.hpkp.readiness.evidence import ReadinessInput

Rule = Callable[[ReadinessInput], Iterator[Finding]]


class CriterionState(StrEnum):
    """How a criterion stands, the worst first."""

    BLOCKED = "blocked"
    MISSING_EVIDENCE = "missing_evidence"
    MET = "met"


CRITERIA: Mapping[str, tuple[Rule, ...]] = {
    "no_lockout_now": (violation_rules.locked_out,),
    "releases": release_rules.RULES,
    "policy": (
        policy_rules.enough_pins,
        policy_rules.unusable_pins,
        policy_rules.intermediate_alone,
        policy_rules.max_age,
        policy_rules.remembered_pins,
        policy_rules.report_uri,
        policy_rules.subdomains,
    ),
    "served_chain": (evidence_rules.live_host, policy_rules.unpinned_subdomains),
    "canary": (evidence_rules.canary,),
    # Whether reports arrive at all: control pins measure it, and `no_reports` is shown with it and never blocks.
    "delivery": (evidence_rules.control, evidence_rules.no_reports),
    "covered_days": (evidence_rules.covered_days,),
    "recent_days": (evidence_rules.recent_days,),
    "violations": (
        violation_rules.open_violations,
        violation_rules.enforcing_clients,
        violation_rules.left_out,
        violation_rules.reopened,
    ),
    "lockout_share": (violation_rules.lockout_share,),
    "interception_share": (violation_rules.interception_share,),
    "unknown_share": (violation_rules.unknown_share,),
    "refusals": (refusal_rules.refusals,),
    # Both ask whether what is stored can be relied on at all.
    "evaluation": (violation_rules.evaluation, evidence_rules.clock),
}
"""Each rule stands under one criterion, in the order in which they are shown."""


def judge_criteria(told: Iterable[tuple[Rule, Finding]]) -> dict[str, CriterionState]:
    """Return how each criterion stands, from what its rules found."""
    found = tuple(told)
    return {name: _state(finding for rule, finding in found if rule in rules) for name, rules in CRITERIA.items()}


def _state(findings: Iterable[Finding]) -> CriterionState:
    """Return the worst that findings make of a criterion; one that neither blocks nor withholds leaves it met."""
    worst = CriterionState.MET
    for finding in findings:
        if finding.severity is Severity.BLOCKER:
            return CriterionState.BLOCKED
        # No return here: a later finding may block.
        if finding.withholds:
            worst = CriterionState.MISSING_EVIDENCE
    return worst
