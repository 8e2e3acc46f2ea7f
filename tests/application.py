"""The application for tests, and callers of it from here and from elsewhere."""

import asyncio
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import StarletteDeprecationWarning

from app.hpkp.clock import ClockHistory
from app.ingest.envelope import Envelope
from app.ingest.fold_status import FoldStatus, read_status
from app.outcomes import Outcome
from app.service import Service, now
from app.settings import Settings
from app.store.clock import write_clock
from app.store.engine import writing
from app.wiring import collecting
from tests.admin import ADMIN, add_admin_token

with warnings.catch_warnings():
    # The test client asks for a successor of httpx; httpx is what the service itself uses, and it serves here.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

__all__ = [
    "LOOPBACK", "SENDER", "StartApp", "TestClient", "app_of", "caller", "collect", "from_elsewhere", "keep_clock",
    "send_in_order", "service_of", "settings_for", "status_of",
]  # fmt: skip

LOOPBACK = "127.0.0.1"
PATIENCE = 20.0
"""Seconds for which reads wait for the fold: a busy machine must not fail a test that is not about that."""
SENDER = Envelope(address="203.0.113.77", content_type="application/json", user_agent="test")

StartApp = Callable[..., TestClient]
"""Starts an application with some settings, and gives a client with an API token of scope admin."""


def settings_for(directory: Path, **settings: Any) -> Settings:
    """Return settings with the store and its logs in a directory; no file is read for them."""
    placed: dict[str, Any] = {
        "database_url": f"sqlite:///{directory}/hpkp.sqlite3",
        "log_dir": directory / "hpkp.sqlite3-log",
    }
    placed["read_wait_seconds"] = PATIENCE
    return Settings(_env_file=None, **(placed | settings))


class _AdminClient(TestClient):
    """A client that has an API token of scope admin once its application has started."""

    def __enter__(self) -> "_AdminClient":
        super().__enter__()
        add_admin_token(service_of(self).engine)
        self.headers.update(ADMIN)
        return self


def caller(app: FastAPI, **headers: str) -> TestClient:
    """Return a client that starts an application and calls it with an API token of scope admin."""
    return _make_client(_AdminClient, app, LOOPBACK, headers)


def _make_client(kind: type[TestClient], app: FastAPI, address: str, headers: Mapping[str, str]) -> TestClient:
    """Make a client that calls from an address; faults are answers, redirects are not followed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return kind(
        app,
        base_url=f"http://{LOOPBACK}:8000",
        client=(address, 50000),
        headers=named,
        raise_server_exceptions=False,
        follow_redirects=False,
    )


def send_in_order(client: TestClient, *bodies: bytes, path: str = "/report") -> None:
    """Send bodies, each counted before the next, so that the IDs of new violations are in their order.

    Reports that the fold reads together are numbered in the order of their identities.
    """
    for body in bodies:
        assert client.post(path, content=body).status_code == 204
        service_of(client).watch.wait_blocking()


async def _collect(service: Service, bodies: Sequence[bytes], envelope: Envelope, with_fold: bool) -> list[Outcome]:
    async with collecting(service, with_fold=with_fold) as ingest:
        fates = await asyncio.gather(*(ingest.collector.collect(body, envelope) for body in bodies))
    return [fate.outcome for fate in fates]


def collect(service: Service, *bodies: bytes, envelope: Envelope = SENDER, with_fold: bool = True) -> list[Outcome]:
    """Let a service without an application collect bodies; with the fold they are counted, too, when this returns."""
    return asyncio.run(_collect(service, bodies, envelope, with_fold))


def status_of(service: Service) -> FoldStatus:
    """Return what the fold tells."""
    return read_status(service.settings.log_root)


def keep_clock(service: Service) -> None:
    """Let the clock be known to have shown the present time, as in a service that ran while a test let days pass."""
    with writing(service.engine) as connection:
        write_clock(connection, ClockHistory(now()))


def from_elsewhere(client: TestClient, address: str, **headers: str) -> TestClient:
    """Return a client of the same running application that has no token."""
    other = _make_client(TestClient, app_of(client), address, headers)
    other.portal = client.portal  # the log is written from one event loop
    return other


def service_of(client: TestClient) -> Service:
    """Return the parts of the running application."""
    service: Service = app_of(client).state.service
    return service


def app_of(client: TestClient) -> FastAPI:
    """Return the application that a client calls."""
    assert isinstance(client.app, FastAPI)
    return client.app
