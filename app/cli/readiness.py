"""``hpkp readiness``: whether the host may switch to enforcing."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.answers.readiness import readiness_answer
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, opened, out, print_json
from app.hpkp.header.server_lines import Server
from app.hpkp.hosts import canonical_host
from app.hpkp.readiness import Verdict
from app.hpkp.readiness.text import Style, write_text
from app.service import now

_EXIT = {Verdict.READY: 0, Verdict.NOT_READY: NO, Verdict.NOT_ENOUGH_DATA: CANNOT_TELL}
_STYLE = {
    Style.READY: "bold green",
    Style.NOT_READY: "bold red",
    Style.NOT_ENOUGH_DATA: "bold yellow",
    Style.HEADING: "bold",
    Style.BLOCKER: "red",
    Style.CAUTION: "yellow",
    Style.INFO: "dim",
}


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
    moment, past = now() if at is None else at.replace(tzinfo=UTC), at is not None
    if moment > now():
        fail("--at lies in the future, which is not known here")
    with opened() as service:
        name = canonical_host(host)
        assessed = service.readiness.assess(name, at=moment, past=past)
    if assessed is None:
        fail(f"there is no policy in force for {name}; set one with `hpkp policy set {name}`")
    policy, answer = assessed
    if as_json:
        print_json(readiness_answer(policy, answer, at=moment, server=server, past=past))
    else:
        for line in write_text(policy, answer, at=moment, server=server, past=past):
            out.print(line.text, markup=False, style=_STYLE.get(line.style))
    raise typer.Exit(_EXIT[answer.verdict])
