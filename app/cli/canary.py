"""``hpkp canary``: prove that reports sent to the report-uri arrive here."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.terminal import NO, JsonOption, fail, no_policy, opened, out, print_json
from app.clock import now
from app.hpkp.hosts import canonical_host


def canary(
    host: Annotated[str, typer.Argument(help="A host with a policy that names a report-uri.", metavar="HOST")],
    as_json: JsonOption = False,
) -> None:
    """Send a signed test report and check that it arrives.

    It goes the way that a browser's goes: DNS, TLS, proxies, the service. It is never counted as a violation.
    Exit code 0: it arrived. 1: it did not. 2: no policy, no report-uri, or an error.
    """
    with opened() as service:
        name = canonical_host(host)
        sent = asyncio.run(service.canaries.send(name, at=now()))
    if sent is None:
        fail(no_policy(name))
    if as_json:
        print_json({"host": name, **asdict(sent)})
    elif sent.received_at is not None:
        out.print(f"The canary for {name} arrived through {sent.report_uri}.", markup=False)
    else:
        out.print(f"The canary for {name} did not arrive: {sent.fault}.", markup=False, style="red")
    raise typer.Exit(NO if sent.received_at is None else 0)
