"""Applications whose store is filled, in this process and behind a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.main import create_app
from app.service import now
from tests.support.application import StartApp, TestClient, caller, service_of, settings_for
from tests.support.web.stock import fill, roots_file

HTML = "text/html,application/xhtml+xml"


@pytest.fixture
def visitor(start: StartApp) -> TestClient:
    """Return a browser's client with an admin token, of a service that knows nothing yet."""
    client = start()
    client.headers["accept"] = HTML
    return client


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Return a browser's client with an admin token, of a service with a filled store that tests only look at."""
    directory: Path = tmp_path_factory.mktemp("filled")
    settings = settings_for(directory, trust_anchors=roots_file(directory))
    with caller(create_app(settings), accept=HTML) as client:
        fill(service_of(client), at=now())
        yield client
