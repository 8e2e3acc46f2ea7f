"""``hpkp host``: the hosts in the database, the most urgent first, and the deletion of one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.terminal import ACTOR, JsonOption, err, fail, opened, out, print_json
from app.clock import now
from app.hpkp.hosts import canonical_host

app = typer.Typer()

_LATELY = timedelta(days=14)


@app.command("list")
def list_(
    search: Annotated[str | None, typer.Option(help="Only names that contain this text.", metavar="TEXT")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of hosts to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List hosts by severity, each with its last recorded verdict."""
    from app.store.read.host_list import HostOrder

    at = now()
    with opened() as service:
        found = service.hosts.list_page(
            text=search, standing=None, order=HostOrder.SEVERITY, limit=limit, offset=0, since=at - _LATELY
        )
    if as_json:
        print_json([asdict(host) for host in found.shown])
    else:
        for host in found.shown:
            counted = f"{host.open_violations:,} open violations, {host.reports:,} reports"
            standing = host.standing.replace("_", " ")
            out.print(f"{standing:16}  {host.name}  {counted}", markup=False)
    if found.matching > limit:
        err.print(f"More hosts match: raise --limit above {limit}, or use --search.", markup=False)


@app.command("delete")
def delete(
    host: Annotated[str, typer.Argument(help="Host name.", metavar="HOST")],
    confirmed: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a host with all of its data, for good.

    Violations, reports, policy revisions, verdicts, probes and exposure go. If clients still report the host, it
    appears again without a policy.
    """
    with opened() as service:
        name = canonical_host(host)
        counted = service.hosts.count_data(name)
        if counted is None:
            fail(f"host {name} not found")
        question = (
            f"Delete {name} with {counted.violations:,} violations, {counted.reports:,} reports and "
            f"{counted.revisions:,} policy revisions?"
        )
        if not confirmed and not _confirm(question):
            fail("not confirmed, so nothing was deleted; --yes deletes without a question")
        deleted = service.hosts.delete(name, at=now(), actor=ACTOR)
    if deleted is None:
        fail(f"host {name} not found")
    if as_json:
        print_json(asdict(deleted))
    else:
        out.print(f"{name} deleted: {deleted.violations:,} violations, {deleted.reports:,} reports", markup=False)


def _confirm(question: str) -> bool:
    """Ask on standard error; without an answer it is a no."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False
