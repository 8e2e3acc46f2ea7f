"""Findings: of verdicts and probes, and of texts and files."""

from collections.abc import Iterable
from typing import Any

from app.hpkp.findings import Finding
from app.hpkp.readiness.messages import title_of


def finding_answer(finding: Finding) -> dict[str, Any]:
    """Return a finding of a verdict or a probe."""
    return {
        "code": finding.code,
        "title": title_of(finding.code),
        "severity": finding.severity.value,
        "message": finding.message,
        "evidence": finding.evidence,
        "fix": finding.fix,
        "withholds": finding.withholds,
    }


def lint_answer(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings on text and files, with the words of linters for severities."""
    return [{"code": f.code, "severity": f.severity.in_lint, "message": f.message, "fix": f.fix} for f in findings]
