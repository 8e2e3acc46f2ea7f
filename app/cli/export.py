"""``hpkp export``: the single reports that are kept, as NDJSON or CSV."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import fail, opened, show_progress
from app.export import ExportFormat, write_lines
from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.causes import Cause
from app.hpkp.report import Sender


def export(
    host: Annotated[str | None, typer.Option(help="Only this host.", metavar="HOST")] = None,
    cause: Annotated[Cause | None, typer.Option(help="Only this cause.")] = None,
    sender: Annotated[Sender | None, typer.Option(help="Only this sender.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Received at or after, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Received before, UTC.")] = None,
    form: Annotated[ExportFormat, typer.Option("--format", help="How lines are written.")] = ExportFormat.NDJSON,
    output: Annotated[Path | None, typer.Option(help="Where they go; standard output unless given.")] = None,
    cursor: Annotated[int, typer.Option(min=0, help="Resume after the report with this ID.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format ndjson.")] = False,
) -> None:
    """Export stored reports as NDJSON or CSV.

    Oldest first, without what would identify a client.

    They are kept up to limits for each violation and day; exact counts are those of the summary. If the command is
    interrupted, it prints the --cursor to resume with; it then appends to the file.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from app.store.read.filters import Filter

    chosen = ExportFormat.NDJSON if as_json else form
    wanted = Filter(
        host=None if host is None else canonical_host(host),
        cause=cause,
        sender=sender,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
    )
    last = cursor
    with ExitStack() as stack:
        service = stack.enter_context(opened())
        if wanted.host is not None and not service.hosts.is_known(wanted.host):
            fail(f"host {wanted.host} not found")
        total = service.records.count_reports(wanted, after=cursor)
        try:
            stream = (
                stack.enter_context(output.open("a" if cursor else "w", encoding="utf-8")) if output else sys.stdout
            )
        except OSError as error:
            fail(f"{output}: {error.strerror}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = stack.enter_context(show_progress(*columns))
        task = shown.add_task("reports", total=total)
        try:
            for number, line in write_lines(service.records.export_reports(wanted, after=cursor), chosen):
                if number == 0 and cursor:
                    continue  # the line of names stands in the file already
                stream.write(line)
                last = number
                shown.advance(task, bool(number))
            stream.flush()
        except KeyboardInterrupt:
            fail(f"interrupted; resume with --cursor {last}")
        except BrokenPipeError:
            sys.stderr.close()  # whoever read has enough
        except OSError as error:
            fail(f"{output or 'standard output'}: {error.strerror}; resume with --cursor {last}")
