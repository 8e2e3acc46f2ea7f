"""``hpkp backup``: a copy of the SQLite database."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import JsonOption, fail, opened, out, print_json, read_settings


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
    as_json: JsonOption = False,
) -> None:
    """Copy the SQLite database while the service runs.

    The copy is consistent, has mode 0600, and contains every report that was acknowledged before. It also contains the
    keys of the client hashes and the token hashes. docs/operating.md says how to restore it. For PostgreSQL, use
    pg_dump. Exit code 0: written. 2: not written.
    """
    from app.store.backup import copy_store
    from app.store.engine import exists, without_password

    settings = read_settings()
    shown = without_password(settings.database_url)
    if not exists(settings.database_url):
        fail(f"database {shown} not found")
    if not settings.database_url.startswith("sqlite"):
        fail(f"{shown} is not SQLite. Use pg_dump; docs/operating.md says how")
    with opened(settings) as service:
        try:
            size = copy_store(service.engine, file)
        except OSError as error:
            fail(f"{file}: {error.strerror}")
    if as_json:
        print_json({"file": file, "bytes": size})
    else:
        out.print(f"{file}: {size:,} bytes", markup=False)
