"""``hpkp db``: the store's schema, and who may read it."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import JsonOption, cannot_use, fail, opened, out, print_json, read_settings

app = typer.Typer(help="Manage the database schema and Grafana access.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Manage the database schema and Grafana access."""


@app.command("upgrade")
def upgrade_schema(as_json: JsonOption = False) -> None:
    """Upgrade the database schema to this version."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.store.engine import open_engine, schema_version, upgrade

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
        out.print(f"Schema is up to date ({after}).", markup=False)
    else:
        out.print(f"Schema upgraded from {before or 'nothing'} to {after}.", markup=False)


_SQLITE = """SQLite has no roles: a reader of the file can read all of it, the key of the client hashes included.
Give Grafana a file with what the views show and nothing else at regular intervals: hpkp db grafana-copy FILE
docs/grafana.md says what it takes to let it read the store itself."""


@app.command("grafana-role")
def grafana_role(
    name: Annotated[str, typer.Argument(help="The role's name.")] = "grafana_reader",
    password_file: Annotated[
        Path | None, typer.Option(help="Make the role now, with the password in this file; else only print how.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print or create the read-only PostgreSQL role.

    It reads the reporting views and nothing else.
    """
    from app.store.reader_role import make_reader_role, reader_role_statements

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
    """Write the reporting views into a SQLite file for Grafana."""
    from app.store.views.copy import copy_views

    with opened() as service:
        if service.engine.dialect.name != "sqlite":
            fail("SQLite only; on PostgreSQL use `hpkp db grafana-role`")
        try:
            rows = copy_views(service.engine, file)
        except OSError as error:
            fail(f"{file} cannot be written: {error.strerror}")
    if as_json:
        print_json({"file": file, "rows": rows})
    else:
        out.print(f"{sum(rows.values())} rows of {len(rows)} views are in {file}.", markup=False)
