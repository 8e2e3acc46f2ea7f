"""``hpkp rejudge``: judge what is in the store again."""

from typing import Annotated

import typer
from rich.progress import track

from app.cli.terminal import NO, JsonOption, err, fail, opened, out, print_json
from app.hpkp.hosts import canonical_host
from app.store.engine import writing
from app.store.violations import list_judged_hosts, rejudge


def rejudge_hosts(
    host: Annotated[str | None, typer.Argument(help="The host; all hosts where none is given.", metavar="HOST")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge violations again, as after a change of the roots or catalogs; each host in one transaction.

    The service does so itself when a policy changes, and at its start when roots or catalogs have changed.
    """
    with opened() as service:
        with service.engine.connect() as connection:
            hosts = list_judged_hosts(connection)
        if host is not None:
            if canonical_host(host) not in hosts:
                fail(f"there are no violations of {host}", NO)
            hosts = [canonical_host(host)]
        changed = {}
        for name in track(hosts, description="Judging again", console=err, transient=True):
            with writing(service.engine) as connection:
                changed[name] = rejudge(connection, name, service.judge)
    if as_json:
        print_json({"hosts": len(changed), "changed": changed})
    else:
        out.print(
            f"{len(changed)} hosts judged again, {sum(changed.values())} violations have another cause", markup=False
        )
