"""How findings are printed, by every command that has some."""

from collections.abc import Iterable

from app.cli.terminal import out
from app.hpkp.findings import Finding, Severity

_STYLE = {Severity.BLOCKER: "red", Severity.CAUTION: "yellow", Severity.INFO: "dim"}


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings with what to do about each."""
    for finding in findings:
        out.print(f"\n{finding.severity:8} {finding.code}", markup=False, style=_STYLE[finding.severity])
        out.print(f"         {finding.message}\n         {finding.fix}", markup=False)
