"""A PostgreSQL database for the measurement: that of the tests, if it keeps what it has committed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text

from tests.support.postgres import postgres_database

_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class NotDurable(Exception):
    """The server may lose what it has committed, so that there is nothing to compare."""


@contextmanager
def durable_database() -> Iterator[str]:
    """Make a database with an empty schema; yield its URL. Raises NotDurable."""
    with postgres_database() as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            found = {name: connection.scalar(text(f"SHOW {name}")) for name in _DURABLE}
        engine.dispose()
        if found != _DURABLE:
            raise NotDurable(f"PostgreSQL runs with {found}")
        yield url
