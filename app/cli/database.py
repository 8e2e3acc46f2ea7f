"""``hpkp db``: the store's schema, and who may read it."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from app.cli.terminal import JsonOption, cannot_use, fail, opened, out, print_json, read_settings
from app.store.engine import open_engine, schema_version, upgrade
from app.store.reader_role import make_reader_role, reader_role_statements
from app.store.views.copy import copy_views

app = typer.Typer(help="Look after the store's schema, and who may read it.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look after the store's schema, and who may read it."""


@app.command("upgrade")
def upgrade_schema(as_json: JsonOption = False) -> None:
    """Bring the store's schema to the version of this program. Nothing happens where it is there already."""
    settings = read_settings()
    try:
        engine = open_engine(settings.database_url)
        before = schema_version(engine)
        upgrade(settings.database_url)
        after = schema_version(engine)
        engine.dispose()
    except (SQLAlchemyError, OSError, ValueError) as error:
        fail(cannot_use(settings, error))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        out.print(f"The schema is at {after} already.", markup=False)
    else:
        out.print(f"The schema went from {before or 'nothing'} to {after}.", markup=False)


_SQLITE = """SQLite has no roles: whoever can read the file can read all of it, the key of the client hashes included.
Give Grafana a file with what the views show and nothing else, time and again: hpkp db grafana-copy FILE
docs/grafana.md says what it takes to let it read the store itself."""


@app.command("grafana-role")
def grafana_role(
    name: Annotated[str, typer.Argument(help="The role's name.")] = "grafana_reader",
    password_file: Annotated[
        Path | None, typer.Option(help="Make the role now, with the password in this file; else only print how.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print, or do, what makes a role in PostgreSQL that reads the reporting views and nothing else."""
    with opened() as service:
        if service.engine.dialect.name == "sqlite":
            if as_json:
                print_json({"statements": [], "made": False, "note": _SQLITE})
            else:
                out.print(_SQLITE, markup=False)
            return
        if password_file is None:
            statements = reader_role_statements(service.engine, name)
            if as_json:
                print_json({"statements": statements, "made": False, "note": ""})
            else:
                out.print(*(f"{statement};" for statement in statements), sep="\n", markup=False)
                out.print(f"-- Then set its password, in psql: \\password {name}", markup=False)
            return
        try:
            password = password_file.read_text().strip()
        except OSError as error:
            fail(f"{password_file}: {error.strerror}")
        if not password:
            fail(f"{password_file} is empty; the role needs a password")
        new = make_reader_role(service.engine, name, password)
    if as_json:
        print_json({"statements": [], "made": True, "note": ""})
    else:
        out.print(f"{name} {'can' if new else 'could already, and can,'} read the reporting views.", markup=False)


@app.command("grafana-copy")
def grafana_copy(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced in one step.")],
    as_json: JsonOption = False,
) -> None:
    """Write what the reporting views of a store in SQLite show into a file of their own, for Grafana to read."""
    with opened() as service:
        if service.engine.dialect.name != "sqlite":
            fail("this is for a store in SQLite; in PostgreSQL a role reads the views: hpkp db grafana-role")
        try:
            rows = copy_views(service.engine, file)
        except OSError as error:
            fail(f"{file} cannot be written: {error.strerror}")
    if as_json:
        print_json({"file": file, "rows": rows})
    else:
        out.print(f"{sum(rows.values())} rows of {len(rows)} views are in {file}.", markup=False)
