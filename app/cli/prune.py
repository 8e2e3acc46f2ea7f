"""``hpkp prune``: delete what is older than the settings say, or what unauthenticated senders have left."""

from collections.abc import Callable
from typing import Annotated

import typer

from app.cli.terminal import JsonOption, opened, out, print_json, show_progress
from app.clock import now


def prune(
    unknown_hosts: Annotated[
        bool,
        typer.Option("--unknown-hosts", help="Also delete all hosts without a policy, with their data."),
    ] = False,
    sources_below: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Count apps, versions, platforms and labels with fewer reports than this without a name from now on.",
            metavar="REPORTS",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Delete data past its retention period.

    And the least valuable of a database over its size limit.

    Runs while the service accepts reports; can be interrupted and started again. Returns free space to the file system
    if possible.
    """
    from rich.progress import SpinnerColumn, TextColumn

    with opened() as service, show_progress(SpinnerColumn(), TextColumn("{task.description}")) as shown:
        task = shown.add_task("looking for what is too old")
        counted: dict[str, int] = {}

        def progress(what: str, count: int) -> None:
            counted[what] = counted.get(what, 0) + count
            shown.update(task, description=", ".join(f"{number} {name}" for name, number in counted.items()))

        retention, at = service.retention, now()
        removed = retention.prune(at=at, progress=progress)
        further: list[Callable[[], dict[str, int]]] = []
        if unknown_hosts:
            further.append(lambda: retention.free_unknown_hosts(at=at, progress=progress))
        if sources_below is not None:
            further.append(lambda: retention.free_sources(fewer_reports_than=sources_below, at=at))
        further.append(lambda: retention.shrink_store(at=at, progress=progress))
        for work in further:
            for what, number in work().items():
                removed[what] = removed.get(what, 0) + number
    if as_json:
        print_json(removed)
        return
    for what, number in removed.items():
        out.print(f"{what:10} {number:,} deleted", markup=False)
