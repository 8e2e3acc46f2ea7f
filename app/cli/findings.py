"""How findings are printed and written, by every command that has some."""

from collections.abc import Iterable
from typing import Any

from app.cli.terminal import out
from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness.words import title_of

STYLE = {Severity.BLOCKER: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def print_findings(findings: Iterable[Finding]) -> None:
    """Print the findings of a verdict or a probe with what to do about each."""
    for finding in findings:
        title = f"\n{finding.severity:8} {title_of(finding.code)} [{finding.code}]"
        out.print(title, markup=False, style=STYLE[finding.severity])
        out.print(f"         {finding.message}\n         {finding.fix}", markup=False)


def lint_as_plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings on text and files as plain JSON values, with the words of linters for severities."""
    return [{"code": f.code, "severity": f.severity.in_lint, "message": f.message, "fix": f.fix} for f in findings]
