"""The application's end: nothing that runs in a thread uses the store after it is closed, and no connection is left."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from app.main import create_app
from app.usecases import store_check
from tests.support.application import TestClient, caller, service_of, settings_for
from tests.support.postgres import postgres_database

_SLOW = 0.5
"""Seconds that the work in a thread still takes when the application ends."""
_VERY_SLOW = 4.0
"""The same, longer than everything else takes to end, and than a health check waits."""


class OpenConnections:
    """Connections to databases that any pool opened, and did not close."""

    def __init__(self) -> None:
        self.open: dict[int, Any] = {}
        self.slow = threading.Event()
        """Set once a connection is in use by slow work."""

    def opened(self, connection: Any, _record: object) -> None:
        """Note that a connection was opened."""
        self.open[id(connection)] = connection

    def closed(self, connection: Any, *_: object) -> None:
        """Note that a connection is closed."""
        self.open.pop(id(connection), None)

    def checked_out(self, *_: object) -> None:
        """Let background work in a thread take its time with the connection that it has."""
        if threading.current_thread().name.startswith("asyncio_") and not self.slow.is_set():
            self.slow.set()
            time.sleep(_SLOW)


@pytest.fixture
def connections() -> Iterator[OpenConnections]:
    watched = OpenConnections()
    listeners: dict[str, Callable[..., None]] = {
        "connect": watched.opened, "close": watched.closed, "close_detached": watched.closed,
        "checkout": watched.checked_out,
    }  # fmt: skip
    for name, listener in listeners.items():
        event.listen(Pool, name, listener)
    yield watched
    for name, listener in listeners.items():
        event.remove(Pool, name, listener)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Return the settings of a store."""
    with ExitStack() as stack:
        yield {} if request.param == "sqlite" else {"database_url": stack.enter_context(postgres_database())}


def test_the_end_waits_for_what_background_jobs_do(
    connections: OpenConnections, store: dict[str, Any], tmp_path: Path
) -> None:
    with caller(create_app(settings_for(tmp_path, **store))):
        assert connections.slow.wait(60)
    assert connections.open == {}


def test_the_end_waits_for_a_health_check_that_was_given_up(
    connections: OpenConnections, store: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A health check that takes too long is answered; its thread goes on."""
    begun = threading.Event()

    def find_slowly(*_: object) -> None:
        with service.engine.connect():
            begun.set()
            time.sleep(_VERY_SLOW)

    with caller(create_app(settings_for(tmp_path, **store))) as client:
        service = service_of(client)
        monkeypatch.setattr(store_check, "find_failure", find_slowly)
        asking = threading.Thread(target=service.store_check.find_failure)
        asking.start()
        assert begun.wait(60)
    asking.join()
    assert connections.open == {}


def test_the_end_waits_for_a_look_at_the_hosts_with_a_policy(
    connections: OpenConnections, store: dict[str, Any], tmp_path: Path
) -> None:
    """No report waits for the look any more."""
    app = create_app(settings_for(tmp_path, unknown_hosts="reject", **store))
    with caller(app) as client:
        assert connections.slow.wait(60)
        connections.slow.clear()
        hosts = app.state.ingest.collector._registered

        async def ask_and_leave() -> None:
            asking = asyncio.create_task(hosts.covers("unknown.example"))
            while not connections.slow.is_set():
                await asyncio.sleep(0.01)
            asking.cancel()

        assert client.portal is not None
        client.portal.call(ask_and_leave)
    assert connections.open == {}


def test_a_start_that_fails_leaves_nothing_open(
    connections: OpenConnections, store: dict[str, Any], tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError("the caller's part of the start")

    app = create_app(settings_for(tmp_path, **store), when_ready=fail)
    with pytest.raises(RuntimeError, match="the caller's part"), TestClient(app):
        pass
    assert connections.open == {}


def test_a_store_that_cannot_be_read_at_the_start_is_closed(
    connections: OpenConnections, store: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no canary can be read")

    monkeypatch.setattr("app.usecases.canaries.Canaries.find_last_arrival", fail)
    with pytest.raises(RuntimeError, match="no canary"), TestClient(create_app(settings_for(tmp_path, **store))):
        pass
    assert connections.open == {}
