"""A store with its schema made, on a real SQLite file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.store.engine import open_engine, upgrade
from tests.store.desk import Desk


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that does not exist yet."""
    return f"sqlite:///{tmp_path}/data/hpkp.sqlite3"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Open a store with an empty schema."""
    upgrade(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def desk(engine: Engine) -> Desk:
    """Return a desk with the default limits."""
    return Desk.at(engine)
