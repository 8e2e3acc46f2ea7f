"""``hpkp readiness``: whether a host is ready to enforce its pins."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.answers.readiness import readiness_answer
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, no_policy, opened, out, print_json
from app.clock import now
from app.hpkp.header.server_lines import Server
from app.hpkp.hosts import canonical_host
from app.hpkp.readiness import Verdict
from app.hpkp.readiness.text import Style, write_text

_EXIT = {Verdict.READY: 0, Verdict.NOT_READY: NO, Verdict.NOT_ENOUGH_DATA: CANNOT_TELL}
_STYLE = {
    Style.READY: "bold green",
    Style.NOT_READY: "bold red",
    Style.NOT_ENOUGH_DATA: "bold yellow",
    Style.HEADING: "bold",
    Style.BLOCKER: "red",
    Style.WARNING: "yellow",
    Style.INFO: "dim",
}


def readiness(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")],
    at: Annotated[datetime | None, typer.Option(help="Time of the verdict in UTC, instead of now.")] = None,
    server: Annotated[
        Server, typer.Option("--for", help="Server whose configuration syntax the next header has.")
    ] = Server.TEXT,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Findings in full, evidence days, and what the numbers mean.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show whether a host is ready to enforce its pins.

    For a host that enforces already: whether it is ready for the next max-age step.

    Exit code 0: ready. 1: not ready. 2: not enough data, no policy, or an error.
    """
    moment, past = now() if at is None else at.replace(tzinfo=UTC), at is not None
    if moment > now():
        fail("--at must not be in the future")
    with opened() as service:
        name = canonical_host(host)
        assessed = service.readiness.assess(name, at=moment, past=past)
    if assessed is None:
        fail(no_policy(name))
    policy, answer = assessed
    if as_json:
        print_json(readiness_answer(policy, answer, at=moment, server=server, past=past))
    else:
        for line in write_text(policy, answer, at=moment, server=server, past=past, verbose=verbose):
            out.print(line.text, markup=False, style=_STYLE.get(line.style))
    raise typer.Exit(_EXIT[answer.verdict])
