"""INSERT … ON CONFLICT for both databases."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel


def _insert(connection: Connection, table: type[SQLModel]) -> sqlite.Insert | postgresql.Insert:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def insert_missing(connection: Connection, table: type[SQLModel], rows: Sequence[dict[str, object]]) -> None:
    """Insert rows, leaving those alone whose key is there already."""
    connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def upsert(
    connection: Connection, table: type[SQLModel], rows: Sequence[dict[str, object]], *, add: Sequence[str]
) -> None:
    """Insert rows; where the primary key is there already, add the named columns to what stands."""
    statement = _insert(connection, table)
    columns = table.__table__.columns  # type: ignore[attr-defined]
    key = [column for column in columns if column.primary_key]
    sums = {name: columns[name] + statement.excluded[name] for name in add}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=sums), rows)
