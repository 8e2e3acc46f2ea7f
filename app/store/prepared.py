"""Statements of the ingest path: compiled once for each database, their values handed to the driver as they are.

What SQLAlchemy does for each row (dictionaries, bind processors, a look into the cache of compiled statements) costs
more than SQLite needs for the row itself. The statements are Core's all the same, so that they fit both databases;
their values have to be of types that the drivers take: int, str, bytes and None.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import BindParameter, ClauseElement, Connection, Dialect, bindparam
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError

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

    def for_each(self, connection: Connection, rows: list[Row]) -> None:
        """Run it for each row; for none, nothing happens."""
        if rows:
            self._execute(connection, self._text(connection.dialect.name), rows)

    def once(self, connection: Connection, *values: object) -> Sequence[Any]:
        """Run it with one row of values, and return what it finds."""
        return self._execute(connection, self._text(connection.dialect.name), values)

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
            return cursor.fetchall()
        cursor.executemany(text, values)
        return ()
    except errors as error:
        raise cast("DBAPIError", DBAPIError.instance(text, None, error, errors, dialect=connection.dialect)) from error
    finally:
        cursor.close()


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
