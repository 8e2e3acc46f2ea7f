"""``hpkp log``: the ingest logs of this machine, and how to continue one that is damaged."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import NO, JsonOption, fail, opened, out, print_json

if TYPE_CHECKING:
    from app.ingest.log_salvage import LogFacts

app = typer.Typer(help="Look at the ingest logs, and continue one that is damaged.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at the ingest logs, and continue one that is damaged."""


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List ingest logs, and how much is not counted yet.

    Says why a log is refused. Exit code 0: none is. 1: one is.
    """
    from app.ingest.log_salvage import list_logs
    from app.store.fold_store import FoldStore, StoreAway

    with opened() as service, closing(FoldStore.open(service.settings.database_url)) as store:
        try:
            logs = list_logs(service.settings.log_root, store)
        except (StoreAway, OSError) as error:
            fail(str(error))
    if as_json:
        print_json(
            [
                {
                    "name": log.name,
                    "segments": log.segments,
                    "bytes": log.size,
                    "last_append_at": log.appended_at,
                    "counted_entries": log.counted,
                    "waiting_entries": log.waiting,
                    "refused": log.refused,
                }
                for log in logs
            ]
        )
    else:
        out.print(*map(_describe, logs), sep="\n", markup=False)
    if any(log.refused for log in logs):
        raise typer.Exit(NO)


def _describe(log: LogFacts) -> str:
    waiting = "unknown" if log.waiting is None else log.waiting
    appended = "never" if log.appended_at is None else f"{log.appended_at:%Y-%m-%d %H:%M:%S} UTC"
    line = f"{log.name}  {log.size} bytes  last append {appended}  counted {log.counted}  waiting {waiting}"
    return line if log.refused is None else f"{line}\n  {log.refused}"


@app.command("skip")
def skip(
    name: Annotated[str, typer.Argument(help="The log, as `hpkp log list` shows it.")], as_json: JsonOption = False
) -> None:
    """Continue a damaged log with its next readable segment.

    What is left out is not counted. How much that is, is printed and recorded as an event; the damaged files are kept.
    """
    from app.ingest.log_salvage import CannotSkip, skip_damage
    from app.store.fold_store import FoldStore, StoreAway
    from app.store.secrets import store_id

    with opened() as service, closing(FoldStore.open(service.settings.database_url)) as store:
        try:
            skipped = skip_damage(service.settings.log_root, name, store, store_id=store_id(service.engine))
        except (CannotSkip, StoreAway, OSError) as error:
            fail(str(error))
    if as_json:
        print_json(
            {
                "name": skipped.name,
                "bytes_left_out": skipped.bytes_left_out,
                "entries_left_out": skipped.entries_left_out,
                "segments": skipped.segments,
                "continues_with": skipped.continues_with,
                "kept_in": skipped.kept_in,
            }
        )
    else:
        out.print(str(skipped), markup=False)
