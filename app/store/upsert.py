"""INSERT … ON CONFLICT for both databases. The statements are made once for each table."""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_Insert = sqlite.Insert | postgresql.Insert


def _insert(dialect: str, table: Table) -> _Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _insert_missing(dialect: str, table: Table) -> _Insert:
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def _upsert(dialect: str, table: Table, add: tuple[str, ...]) -> _Insert:
    statement = _insert(dialect, table)
    key = [column for column in table.columns if column.primary_key]
    sums = {name: table.columns[name] + statement.excluded[name] for name in add}
    return statement.on_conflict_do_update(index_elements=key, set_=sums)


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, leaving those alone whose key is there already."""
    connection.execute(_insert_missing(connection.dialect.name, table), rows)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *, add: tuple[str, ...]) -> None:
    """Insert rows; where the primary key is there already, add the named columns to what stands."""
    connection.execute(_upsert(connection.dialect.name, table, add), rows)
