"""The application on a real SQLite file."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from tests.application import StartApp, TestClient, caller, settings_for


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartApp]:
    """Return what starts an application with some settings; it ends with the test."""
    with ExitStack() as stack:

        def start_app(**settings: Any) -> TestClient:
            return stack.enter_context(caller(create_app(settings_for(tmp_path, **settings))))

        yield start_app


@pytest.fixture
def client(start: StartApp) -> TestClient:
    """Return a client on loopback of an application with the default settings."""
    return start()
