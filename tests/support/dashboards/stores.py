"""The demo's store and an empty one, in both databases, as Grafana reads them."""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import Engine, insert, make_url, select
from sqlmodel import SQLModel

from app.store.engine import open_engine, upgrade
from app.store.reader_role import make_reader_role
from tests.support.dashboards import grafana
from tests.support.postgres import postgres_database

_TIMESTAMPTZ = 1184
QUOTED = "o'brien.example"
"""A host that nobody has, with what SQL would take for the end of a text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave, the same from both databases: instants are seconds, truths 1 and 0, all numbers floats."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    @property
    def sorted(self) -> list[str]:
        """The rows in an order that does not depend on the database."""
        return sorted(map(repr, self.rows))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return float(int(value.timestamp()))
    return float(value) if isinstance(value, int | float | Decimal) else value


def _answer(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Answer:
    return Answer(tuple(columns), tuple(tuple(map(_plain, row)) for row in rows))


class Store(Protocol):
    """A store as Grafana reads it."""

    def ask(self, text: str, shown: grafana.Range) -> Answer:
        """Expand the macros of a query and run it."""
        ...


class PostgresStore:
    """By the role that reads the views alone."""

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]", url: str) -> None:
        self.connection = connection
        self.url = url
        """How others open it by the same role."""

    def ask(self, text: str, shown: grafana.Range) -> Answer:
        """Run it as it is: psycopg leaves alone what comes without parameters."""
        cursor = self.connection.execute(grafana.postgres(text, shown).encode())
        assert cursor.description is not None
        return _answer([column.name for column in cursor.description], cursor.fetchall())

    def instants(self, text: str, shown: grafana.Range) -> set[str]:
        """Return the columns of a query that hold instants."""
        cursor = self.connection.execute(grafana.postgres(text, shown).encode())
        return {column.name for column in cursor.description or () if column.type_code == _TIMESTAMPTZ}


class SqliteStore:
    """By a file that is opened to be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def ask(self, text: str, shown: grafana.Range) -> Answer:
        """Run it."""
        cursor = self.connection.execute(grafana.sqlite(text, shown))
        return _answer([column[0] for column in cursor.description], cursor.fetchall())


@contextmanager
def sqlite_store(path: Path) -> Iterator[SqliteStore]:
    """Open a file to be read."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield SqliteStore(connection)


def copy_store(source: Engine, target: Engine) -> None:
    """Copy every row of a store into another one that is empty."""
    with source.connect() as old, target.begin() as new:
        for table in SQLModel.metadata.sorted_tables:
            if rows := [dict(row) for row in old.execute(select(table)).mappings()]:
                new.execute(insert(table), rows)


@contextmanager
def postgres_store(copied_from: Path | None = None) -> Iterator[PostgresStore]:
    """Make a store in PostgreSQL, fill it with what a SQLite file holds, and open it as the role that reads views."""
    role, password = f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    with postgres_database() as url:
        engine = open_engine(url)
        if copied_from is not None:
            source = open_engine(f"sqlite:///{copied_from}")
            copy_store(source, engine)
            source.dispose()
        assert make_reader_role(engine, role, password)
        try:
            plain = make_url(url).set(drivername="postgresql", username=role, password=password)
            url = plain.render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True) as connection:
                yield PostgresStore(connection, url)
        finally:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
                for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                    owner.exec_driver_sql(sql.SQL(statement).format(sql.Identifier(role)).as_string(None))
            engine.dispose()


@contextmanager
def empty_sqlite_store(folder: Path) -> Iterator[SqliteStore]:
    """Make an empty store in a file."""
    path = folder / "empty.sqlite3"
    upgrade(f"sqlite:///{path}")
    with sqlite_store(path) as store:
        yield store


def whole_demo(until: datetime | None = None) -> grafana.Range:
    """Return a time range that holds all of the demo."""
    end = until or datetime.now(UTC)
    return grafana.Range(datetime(2020, 1, 1, tzinfo=UTC), end)
