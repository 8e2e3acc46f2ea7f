"""How findings are printed, by every command that has some."""

from collections.abc import Iterable

from app.cli.terminal import out
from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness.messages import title_of

STYLE = {Severity.BLOCKER: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def print_findings(findings: Iterable[Finding]) -> None:
    """Print the findings of a verdict or a probe with what to do about each."""
    for finding in findings:
        title = f"\n{finding.severity:8} {title_of(finding.code)} [{finding.code}]"
        out.print(title, markup=False, style=STYLE[finding.severity])
        out.print(f"         {finding.message}\n         {finding.fix}", markup=False)
