"""A store with its schema made, on a real SQLite file and in a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.store.engine import open_engine, upgrade
from tests.support.postgres import postgres_database
from tests.support.store.ingest_harness import IngestHarness


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that needs a store once for each database, unless it is about SQLite's file."""
    if "database" in metafunc.fixturenames:
        about_the_file = metafunc.definition.get_closest_marker("sqlite_file") is not None
        metafunc.parametrize("database", ["sqlite"] if about_the_file else ["sqlite", "postgresql"])


@pytest.fixture
def url(database: str, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a store; in SQLite of one that does not exist yet."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path}/data/hpkp.sqlite3"
    else:
        with postgres_database() as made:
            yield made


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Open a store with an empty schema."""
    upgrade(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def harness(engine: Engine) -> IngestHarness:
    """Return a harness with the default limits."""
    return IngestHarness.at(engine)
