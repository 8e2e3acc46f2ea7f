"""``hpkp readiness``: whether the host may switch to enforcing."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.findings import print_findings
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, opened, out, print_json
from app.hpkp.hosts import canonical_host
from app.hpkp.readiness import Verdict
from app.service import now

_EXIT = {Verdict.READY: 0, Verdict.NOT_READY: NO, Verdict.NOT_ENOUGH_DATA: CANNOT_TELL}
_VERDICT_STYLE = {Verdict.READY: "bold green", Verdict.NOT_READY: "bold red", Verdict.NOT_ENOUGH_DATA: "bold yellow"}


def readiness(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")], as_json: JsonOption = False
) -> None:
    """Say whether enforcing the host's pins would be safe, and what stands in the way.

    Exit code 0: ready. 1: not ready. 2: not enough data, no policy, or an error.
    """
    at = now()
    with opened() as service:
        name = canonical_host(host)
        assessed = service.assess(name, at=at)
    if assessed is None:
        fail(f"there is no policy in force for {name}; set one with `hpkp policy set {name}`")
    policy, answer = assessed
    if as_json:
        print_json(
            {
                "host": name,
                "revision": policy.revision,
                "at": at,
                "verdict": answer.verdict,
                "headline": answer.headline,
                "findings": [asdict(finding) for finding in answer.findings],
                "plan": list(answer.plan),
                "thresholds": answer.thresholds.as_plain(),
            }
        )
    else:
        words = answer.verdict.replace("_", " ")
        out.print(f"{name}: {words}", markup=False, style=_VERDICT_STYLE[answer.verdict])
        out.print(answer.headline, markup=False)
        print_findings(answer.findings)
        out.print("\nNext:", style="bold")
        for number, step in enumerate(answer.plan, 1):
            out.print(f"  {number}. {step}", markup=False)
    raise typer.Exit(_EXIT[answer.verdict])
