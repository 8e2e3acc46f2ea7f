"""The application on a real store: a SQLite file, and for tests marked ``both_databases`` a PostgreSQL too."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from tests.support.application import StartApp, TestClient, caller, settings_for
from tests.support.postgres import postgres_database


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of what stands in the store once for each database."""
    if "application_store" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_databases") is not None
        metafunc.parametrize("application_store", ["sqlite", "postgresql"] if both else ["sqlite"])


@pytest.fixture
def start(application_store: str, tmp_path: Path) -> Iterator[StartApp]:
    """Return what starts an application with some settings; it ends with the test."""
    with ExitStack() as stack:
        store: dict[str, str] = {}
        if application_store == "postgresql":
            store["database_url"] = stack.enter_context(postgres_database())

        def start_app(**settings: Any) -> TestClient:
            return stack.enter_context(caller(create_app(settings_for(tmp_path, **(store | settings)))))

        yield start_app


@pytest.fixture
def client(start: StartApp) -> TestClient:
    """Return a client with an admin token, of an application with the default settings."""
    return start()
