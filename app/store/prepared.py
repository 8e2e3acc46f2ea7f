"""Statements of the ingest path: compiled once for each database, their values handed to the driver as they are.

What SQLAlchemy does for each row (dictionaries, bind processors, a look into the cache of compiled statements) costs
more than SQLite needs for the row itself. The statements are Core's all the same, so that they fit both databases;
their values have to be of types that the drivers take: int, str, bytes and None.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

Row = tuple[Any, ...]

# With values by position instead of by name.
_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "sqlite": lambda: SQLiteDialect_pysqlite(paramstyle="qmark"),
    "postgresql": lambda: PGDialect_psycopg(paramstyle="format"),  # type: ignore[no-untyped-call]
}


class Prepared:
    """A statement whose values come as tuples in the order of ``names``, its bind parameters.

    ``make`` makes it for the dialect of that name. With ``texts`` it goes by SQLAlchemy's events, which look at texts
    of strangers; else its values are numbers, bytes, and texts that came out of the store or from this program.
    """

    def __init__(self, make: Callable[[str], ClauseElement], *names: str, texts: bool = False) -> None:
        self._make = make
        self._names = names
        self._execute = _by_events if texts else _at_once
        self._texts: dict[str, str] = {}

    def once(self, connection: Connection, *values: object) -> Sequence[Any]:
        """Run it with one row of values, and return what it finds."""
        return self._execute(connection, self._text(connection.dialect.name), values)

    def for_each(self, connection: Connection, rows: list[Row]) -> None:
        """Run it for each row of values."""
        self._execute(connection, self._text(connection.dialect.name), rows)

    def _text(self, dialect: str) -> str:
        if dialect not in self._texts:
            compiled = self._make(dialect).compile(dialect=_DIALECTS[dialect]())
            order = tuple(getattr(compiled, "positiontup", None) or ())
            if order != self._names:
                raise TypeError(f"the values of {compiled} are {order}, not {self._names}")
            self._texts[dialect] = str(compiled)
        return self._texts[dialect]


def _by_events(connection: Connection, text: str, values: Sequence[Any]) -> Sequence[Any]:
    result = connection.exec_driver_sql(text, values if isinstance(values, tuple) else list(values))
    return result.all() if result.returns_rows else ()


def _at_once(connection: Connection, text: str, values: Sequence[Any]) -> Sequence[Any]:
    """Hand it to the driver's cursor; what that raises is raised as SQLAlchemy would."""
    errors = connection.dialect.loaded_dbapi.Error
    cursor = connection.connection.cursor()
    try:
        if isinstance(values, tuple):
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else ()
        cursor.executemany(text, values)
        return ()
    except errors as error:
        raise cast("DBAPIError", DBAPIError.instance(text, None, error, errors, dialect=connection.dialect)) from error
    finally:
        cursor.close()


Values = dict[str, ColumnElement[Any]]
"""What stands for the values of a row in a statement that is run for each of many, by name."""


class PreparedForEach:
    """A statement that is run for each of many rows: row by row in SQLite, where that is cheap, and once in PostgreSQL.

    There each value is a column of what the arrays of all rows' values unnest to. ``make`` makes the statement of
    these values, whose types are ``types``; `into` makes an INSERT of them. ``texts`` as in `Prepared`.
    """

    def __init__(
        self, make: Callable[[str, Values], ClauseElement], types: Mapping[str, TypeEngine[Any]], *, texts: bool = False
    ) -> None:
        self._row_by_row = Prepared(lambda dialect: make(dialect, _parameters(types)), *types, texts=texts)
        self._at_once = Prepared(lambda dialect: make(dialect, _unnested(types)), *types, texts=texts)

    def run(self, connection: Connection, rows: list[Row]) -> None:
        """Run it for each row; for none, nothing happens."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            self._row_by_row.for_each(connection, rows)
        else:
            self._at_once.once(connection, *map(list, zip(*rows, strict=True)))


def _parameters(types: Mapping[str, TypeEngine[Any]]) -> Values:
    return {name: bindparam(name, type_=type_) for name, type_ in types.items()}


def _unnested(types: Mapping[str, TypeEngine[Any]]) -> Values:
    arrays = (bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items())
    rows = func.unnest(*arrays).table_valued(*types, name="new").render_derived()
    return {name: rows.c[name] for name in types}


def into(statement: Insert, values: Values) -> Insert:
    """Return an INSERT of values that are parameters, or of those that are columns of something else."""
    if all(isinstance(value, BindParameter) for value in values.values()):
        return statement.values(values)
    return statement.from_select(list(values), select(*values.values()))


Parameters = tuple[BindParameter[Any], ...]


class PreparedForAll:
    """A statement that takes many rows at once: a text for each power of two of them.

    ``make`` gets the dialect and the bind parameters of so many rows; ``before`` names those in front of them. The last
    row is repeated up to the next power of two, so that the database has few texts to understand: what the statement
    does must not change by that.
    """

    def __init__(
        self, make: Callable[[str, list[Parameters]], ClauseElement], *before: str, columns: Sequence[str]
    ) -> None:
        self._make = make
        self._before = before
        self._columns = columns
        self._sizes: dict[int, Prepared] = {}

    def once(self, connection: Connection, rows: Sequence[Row], *before: object) -> Sequence[Any]:
        """Run it once with all rows, and return what it finds; for none, nothing happens."""
        if not rows:
            return ()
        size = 1 << (len(rows) - 1).bit_length()
        values = [value for row in (*rows, *[rows[-1]] * (size - len(rows))) for value in row]
        return self._of(size).once(connection, *before, *values)

    def _of(self, size: int) -> Prepared:
        if size not in self._sizes:
            rows: list[Parameters] = [
                tuple(bindparam(f"{column}_{number}") for column in self._columns) for number in range(size)
            ]
            names = [parameter.key for row in rows for parameter in row]
            self._sizes[size] = Prepared(lambda dialect: self._make(dialect, rows), *self._before, *names)
        return self._sizes[size]
