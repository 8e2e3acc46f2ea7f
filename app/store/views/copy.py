"""A file with what the views of a store in SQLite show, and nothing else of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from app.store.views import VIEWS


def copy_views(engine: Engine, target: Path) -> dict[str, int]:
    """Write each view as a table, all as of one moment; return their rows. OSError where the file cannot be written."""
    with engine.connect() as connection:
        source = connection.exec_driver_sql("PRAGMA database_list").one().file
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.new")
    beside.unlink(missing_ok=True)
    beside.touch()
    with closing(sqlite3.connect(beside, isolation_level=None)) as copy:
        copy.execute("ATTACH ? AS store", (source,))
        copy.execute("BEGIN")
        rows = {name: _copy(copy, name) for name in VIEWS}
        copy.execute("COMMIT")
    beside.replace(target)
    return rows


def _copy(copy: sqlite3.Connection, name: str) -> int:
    copy.execute(f"CREATE TABLE main.{name} AS SELECT * FROM store.{name}")
    return int(copy.execute(f"SELECT COUNT(*) FROM main.{name}").fetchone()[0])
