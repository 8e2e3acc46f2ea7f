"""``hpkp db``: the store's schema."""

import typer
from sqlalchemy.exc import SQLAlchemyError

from app.cli.terminal import JsonOption, cannot_use, fail, out, print_json, read_settings
from app.store.engine import open_engine, schema_version, upgrade

app = typer.Typer(help="Look after the store's schema.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look after the store's schema."""


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
