"""INSERT … ON CONFLICT for both databases."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, leaving those alone whose key is there already."""
    connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *, add: Sequence[str]) -> None:
    """Insert rows; where the primary key is there already, add the named columns to what stands."""
    statement = _insert(connection, table)
    key = [column for column in table.columns if column.primary_key]
    sums = {name: table.columns[name] + statement.excluded[name] for name in add}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=sums), rows)
