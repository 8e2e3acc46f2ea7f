"""``hpkp rejudge``: judge what is in the store again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import JsonOption, fail, opened, out, print_json, show_progress
from app.clock import now
from app.hpkp.hosts import canonical_host

if TYPE_CHECKING:
    from app.service import Service
    from app.store.rejudging import Run


def rejudge_hosts(
    host: Annotated[str | None, typer.Argument(help="The host; all hosts where none is given.", metavar="HOST")] = None,
    as_json: JsonOption = False,
) -> None:
    """Re-evaluate stored violations.

    As after a change of the roots or catalogs.

    The service does so itself when a policy changes, and from its start on when roots, catalogs or rules have changed.
    The service accepts reports meanwhile. After an interruption, the next run or the service continues.
    """
    from app.store.rejudging import ALL, describe

    with opened() as service:
        name = ALL if host is None else str(canonical_host(host))
        found = service.rejudging.request(name, at=now())
        done = finish_rejudging(service)
        if not found and host is not None:
            fail(f"no violations of {name}")
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
    with show_progress() as bar:
        task = bar.add_task("Re-evaluating", total=service.rejudging.count_waiting() or None)
        while (progress := service.rejudging.go_on(at=now())) is not None:
            bar.update(task, completed=progress.run.judged, total=progress.run.judged + progress.waiting)
            if progress.finished:
                ended[progress.run.host] = progress.run
    return ended
