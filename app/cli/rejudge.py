"""``hpkp rejudge``: judge what is in the store again."""

from typing import Annotated

import typer
from rich.progress import Progress

from app.cli.terminal import NO, JsonOption, err, fail, opened, out, print_json
from app.hpkp.hosts import canonical_host
from app.service import Service, now
from app.store.rejudging import ALL, Run, describe


def rejudge_hosts(
    host: Annotated[str | None, typer.Argument(help="The host; all hosts where none is given.", metavar="HOST")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge violations again, as after a change of the roots or catalogs.

    The service does so itself when a policy changes, and from its start on when roots, catalogs or rules have changed.
    Reports are taken meanwhile; broken off, it is gone on with by the next one, or by the service.
    """
    with opened() as service:
        name = ALL if host is None else str(canonical_host(host))
        found = service.rejudging.request(name, at=now())
        done = finish_rejudging(service)
        if not found and host is not None:
            fail(f"there are no violations of {name}", NO)
    judged = done.get(name)
    if as_json:
        print_json(
            {
                "violations": judged.judged if judged else 0,
                "changed": sum(judged.changes.values()) if judged else 0,
                "changes": dict(judged.changes) if judged else {},
            }
        )
    else:
        out.print(describe(judged) if judged else "The running service has re-evaluated them.", markup=False)


def finish_rejudging(service: Service) -> dict[str, Run]:
    """Judge all that waits for it, showing how far that is; return the runs that ended here, by host."""
    ended: dict[str, Run] = {}
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("Re-evaluating", total=service.rejudging.count_waiting() or None)
        while (progress := service.rejudging.go_on(at=now())) is not None:
            bar.update(task, completed=progress.run.judged, total=progress.run.judged + progress.waiting)
            if progress.finished:
                ended[progress.run.host] = progress.run
    return ended
