"""INSERT … ON CONFLICT for both databases. The statements are made once for each table."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Table, func
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert


def _insert(dialect: str, table: Table) -> Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def insert_missing_statement(dialect: str, table: Table) -> Insert:
    """Make the statement of `insert_missing`."""
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def insert_many_missing_statement(dialect: str, table: Table) -> Insert:
    """Make the statement of `insert_missing` for many rows at once, which must not lack a value.

    In SQLite, OR IGNORE also passes over rows that lack one. It saves the copy of every page that an INSERT of many
    rows keeps to take itself back: half of its time.
    """
    if dialect == "sqlite":
        return sqlite.insert(table).prefix_with("OR IGNORE")
    return insert_missing_statement(dialect, table)


@cache
def upsert_statement(
    dialect: str,
    table: Table,
    *,
    add: tuple[str, ...] = (),
    put: tuple[str, ...] = (),
    greatest: tuple[str, ...] = (),
) -> Insert:
    """Make the statement of `upsert_rows`."""
    statement = _insert(dialect, table)
    key = [column for column in table.columns if column.primary_key]
    sums = {name: table.columns[name] + statement.excluded[name] for name in add}
    new = {name: statement.excluded[name] for name in put}
    larger = func.max if dialect == "sqlite" else func.greatest
    kept = {name: larger(table.columns[name], statement.excluded[name]) for name in greatest}
    return statement.on_conflict_do_update(index_elements=key, set_=sums | new | kept)


def upsert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    add: tuple[str, ...] = (),
    put: tuple[str, ...] = (),
    greatest: tuple[str, ...] = (),
) -> None:
    """Insert rows; where the key is there, add to columns, replace others, and keep the greater value of others."""
    if rows:
        statement = upsert_statement(connection.dialect.name, table, add=add, put=put, greatest=greatest)
        connection.execute(statement, rows)


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, leaving those alone whose key is there already."""
    connection.execute(insert_missing_statement(connection.dialect.name, table), rows)


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, each in place of the one with its key."""
    statement = _insert(connection.dialect.name, table)
    key = [column for column in table.columns if column.primary_key]
    others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=others), rows)


def upsert_selected(connection: Connection, table: Table, rows: Select[Any], *, add: str) -> None:
    """Insert what a query with a WHERE finds, adding one column to what stands where the key is there already."""
    statement = _insert(connection.dialect.name, table)
    key = [column for column in table.columns if column.primary_key]
    selected = statement.from_select([column.name for column in table.columns], rows)
    sums = {add: table.columns[add] + statement.excluded[add]}
    connection.execute(selected.on_conflict_do_update(index_elements=key, set_=sums))
