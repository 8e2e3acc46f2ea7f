"""``hpkp readiness``: whether the host may switch to enforcing."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli.findings import print_findings
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, opened, out, print_json
from app.hpkp.hosts import canonical_host
from app.hpkp.readiness import Verdict
from app.hpkp.readiness.plain import as_plain
from app.hpkp.servers import Server
from app.service import now

_EXIT = {Verdict.READY: 0, Verdict.NOT_READY: NO, Verdict.NOT_ENOUGH_DATA: CANNOT_TELL}
_VERDICT_STYLE = {Verdict.READY: "bold green", Verdict.NOT_READY: "bold red", Verdict.NOT_ENOUGH_DATA: "bold yellow"}


def readiness(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")],
    at: Annotated[datetime | None, typer.Option(help="A past moment, UTC, instead of now.")] = None,
    server: Annotated[
        Server, typer.Option("--for", help="The server in whose configuration the next header is written.")
    ] = Server.TEXT,
    as_json: JsonOption = False,
) -> None:
    """Say whether enforcing the host's pins, or the next step of it, would be safe, and what stands in the way.

    Exit code 0: ready. 1: not ready. 2: not enough data, no policy, or an error.
    """
    moment = now() if at is None else at.replace(tzinfo=UTC)
    if moment > now():
        fail("--at lies in the future, which is not known here")
    with opened() as service:
        name = canonical_host(host)
        assessed = service.assess(name, at=moment, past=at is not None)
    if assessed is None:
        fail(f"there is no policy in force for {name}; set one with `hpkp policy set {name}`")
    policy, answer = assessed
    plain = as_plain(policy, answer, at=moment, server=server, past=at is not None)
    if as_json:
        print_json(plain)
    else:
        words = answer.verdict.replace("_", " ")
        out.print(f"{name}: {words}", markup=False, style=_VERDICT_STYLE[answer.verdict])
        out.print(answer.headline, markup=False)
        print_findings(answer.findings)
        _print_plan(plain["plan"])
        _print_list("\nWhat the numbers say and do not say:", plain["estimate"]["caveats"])
    raise typer.Exit(_EXIT[answer.verdict])


def _print_plan(plan: dict[str, Any]) -> None:
    out.print("\nNow:", style="bold")
    for number, step in enumerate(plan["do"], 1):
        out.print(f"  {number}. {step}", markup=False)
    if step := plan["next_step"]:
        out.print(f"\nThe next step, not before {step['earliest']:%Y-%m-%d %H:%M} UTC:", style="bold")
        out.print(f"  {step['server_line']}\n  ({step['place']})", markup=False)
        for condition in step["conditions"]:
            out.print(f"  - {condition}", markup=False)
    _print_list("\nThe way back:", plan["rollback"])
    _print_list("\nSubdomains:", plan["subdomains"])
    _print_list("\nCalendar:", [f"{due['at']:%Y-%m-%d}  {due['what']}" for due in plan["calendar"]])


def _print_list(title: str, items: list[str]) -> None:
    if items:
        out.print(title, style="bold")
    for item in items:
        out.print(f"  {item}", markup=False)
