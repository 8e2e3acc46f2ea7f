"""``hpkp refusals``: what was refused or not kept for a host, and whether it matters."""

from enum import StrEnum
from typing import Annotated

import typer

from app.answers.refusals import refusals_answer
from app.cli.terminal import ACTOR, JsonOption, fail, no_policy, opened, out, print_json
from app.clock import now
from app.hpkp.hosts import canonical_host


class Decision(StrEnum):
    """What the operator may decide."""

    IGNORED = "ignored"
    OPEN = "open"


def refusals(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")],
    decision: Annotated[Decision | None, typer.Option("--set", "--as", help="Whether they count from now on.")] = None,
    note: Annotated[str, typer.Option(help="Why, for those who look later.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show rejected reports of a host; count or ignore them.

    Shows what may be reports about the host and was rejected or not kept; with --as, decide whether it counts.

    `ignored`: it does not hold the verdict back, up to three times as many networks as now, and at least ten more.
    `open`: it does.
    """
    with opened() as service:
        name, at = canonical_host(host), now()
        if decision is None:
            case = service.readiness.gather(name, at=at)
            evidence = None if case is None else case.evidence
        else:
            ignore = decision is Decision.IGNORED
            evidence = service.readiness.decide_on_refusals(name, ignore=ignore, note=note, at=at, actor=ACTOR)
    if evidence is None:
        fail(no_policy(name))
    answer = refusals_answer(name, evidence.refused)
    if as_json:
        print_json(answer)
        return
    reasons = "".join(f"\n  {count:,} {reason}" for reason, count in answer["reasons"].items())
    out.print(f"{answer['reports']:,} submissions from about {answer['networks']:,} networks{reasons}", markup=False)
    if answer["reports"]:
        out.print("withholds the verdict" if answer["withholds"] else "ignored, by your decision", markup=False)
