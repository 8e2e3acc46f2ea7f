"""A store or log that cannot be written: full, read-only, locked. Nothing acknowledged is lost; all ends by itself."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests.postgres import postgres_database
from tests.reports import distinct_bodies
from tests.server import RunningService, running_service

_CLIENT = httpx.Client(timeout=60)
_URL = "/api/v1/hosts/www.example.com/summary"
_PATIENCE = 120.0
_ROWS = {"HPKP_MAX_REPORT_ROWS_PER_DAY": "10000"}
_HASTY = {"HPKP_READ_WAIT_SECONDS": "0.2"}
"""Reads do not wait long for a fold that cannot write."""


@pytest.fixture(autouse=True, scope="module")
def _closed_at_the_end() -> Iterator[None]:
    with _CLIENT:
        yield


def _post(service: RunningService, body: bytes) -> int:
    """Post a report; whoever is refused is told when to come again."""
    answer = _CLIENT.post(f"{service.url}/report", content=body)
    assert (answer.status_code == 503) == (answer.headers.get("retry-after") == "30")
    return answer.status_code


def _reports(service: RunningService) -> int:
    return int(_CLIENT.get(f"{service.url}{_URL}").json()["totals"]["reports"])


@contextmanager
def _disk(place: Path, *, size: str) -> Iterator[tuple[str, ...]]:
    """Mount a disk of a size, there only for what is run by the command that is yielded."""
    place.mkdir()
    script = 'mount -t tmpfs -o "size=$1" tmpfs "$0" && echo mounted && exec cat'
    alone = ("unshare", "--user", "--map-root-user", "--mount")  # so that it takes no root, and leaves nothing behind
    with subprocess.Popen(
        [*alone, "sh", "-c", script, str(place), size], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n", "this test needs user namespaces, to mount a disk of its own"
        yield "nsenter", "--preserve-credentials", "--user", "--mount", f"--target={holder.pid}"
        holder.communicate()


def _counted(service: RunningService) -> int:
    """Return how many reports the fold has counted; does not wait for it."""
    return service.fold.accepted


def _wait_until_counted(service: RunningService, number: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _counted(service) < number:
        assert time.monotonic() < deadline, f"{_counted(service)} of {number} are counted"
        time.sleep(0.05)


def _wait_until_away(service: RunningService) -> None:
    """Wait until the fold says that the store is away."""
    deadline = time.monotonic() + _PATIENCE
    while service.fold.error is None:
        assert time.monotonic() < deadline, "the fold finds nothing wrong"
        time.sleep(0.05)


def _wait_until_accepted(service: RunningService, body: bytes) -> None:
    """Send a report until it is accepted, as a sender does that heeds Retry-After."""
    deadline = time.monotonic() + _PATIENCE
    while _post(service, body) != 204:
        assert time.monotonic() < deadline, "nothing is accepted"
        time.sleep(0.1)


def test_a_full_disk_of_the_store(tmp_path: Path) -> None:
    """Sent: reports until the store's disk of 3 MB, with 1 MB of something else, is full; 20 more; room is made.

    Acknowledged: all, since the ingest log is on another disk. Found after there was room: all, also after kill -9.
    """
    bodies, place = iter(distinct_bodies(3000)), tmp_path / "disk"
    with _disk(place, size="3m") as within:
        url = f"sqlite:///{place}/hpkp.sqlite3"
        subprocess.run([*within, "sh", "-c", f"head -c 1000000 /dev/zero > {place}/something"], check=True)
        with running_service(tmp_path, within=within, HPKP_DATABASE_URL=url, **_ROWS) as service:
            sent = 0
            while service.fold.error is None:
                assert _post(service, next(bodies)) == 204
                sent += 1
            assert {_post(service, next(bodies)) for _ in range(20)} == {204}
            sent += 20
            assert _counted(service) < sent
            subprocess.run([*within, "rm", f"{place}/something"], check=True)
            _wait_until_counted(service, sent)
            assert _reports(service) == sent
            service.kill()
        with running_service(tmp_path, within=within, HPKP_DATABASE_URL=url, **_ROWS) as service:
            assert _reports(service) == sent


def test_a_full_disk_of_the_ingest_log(tmp_path: Path) -> None:
    """Sent: reports while the log's disk has no room for a segment, then after room was made.

    Acknowledged: none, then all, with nobody starting the service again. Found: all that were, also after kill -9.
    """
    bodies, place = iter(distinct_bodies(40)), tmp_path / "disk"
    with _disk(place, size="3m") as within:
        subprocess.run([*within, "sh", "-c", f"head -c 2500000 /dev/zero > {place}/something"], check=True)
        settings = {"HPKP_LOG_DIR": f"{place}/log"}
        with running_service(tmp_path, within=within, **settings) as service:
            assert {_post(service, next(bodies)) for _ in range(5)} == {503}
            assert httpx.get(f"{service.url}/readyz").status_code == 503
            subprocess.run([*within, "rm", f"{place}/something"], check=True)
            _wait_until_accepted(service, next(bodies))
            assert {_post(service, next(bodies)) for _ in range(20)} == {204}
            assert httpx.get(f"{service.url}/readyz").status_code == 200
            assert _reports(service) == 21
            service.kill()
        with running_service(tmp_path, within=within, **settings) as service:
            assert _reports(service) == 21


_READ_ONLY = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")


@contextmanager
def _read_only(url: str) -> Iterator[None]:
    """Let the database take no writes, as one does that has become a standby; whoever was connected is sent away."""
    plain = make_url(url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as connection:
        database = sql.Identifier(plain.database or "")
        away = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(_READ_ONLY.format(database, sql.SQL("on")))
        connection.execute(away)
        yield
        connection.execute(_READ_ONLY.format(database, sql.SQL("off")))
        connection.execute(away)


def test_a_store_that_is_read_only_for_a_while(tmp_path: Path) -> None:
    """Sent: ten reports, and five while PostgreSQL takes no writes. Acknowledged: all.

    Found meanwhile: ten, for reading is possible; afterwards: fifteen.
    """
    bodies = distinct_bodies(15)
    with postgres_database() as url, running_service(tmp_path, HPKP_DATABASE_URL=url, **_HASTY) as service:
        assert {_post(service, body) for body in bodies[:10]} == {204}
        _wait_until_counted(service, 10)
        with _read_only(url):
            assert {_post(service, body) for body in bodies[10:]} == {204}
            _wait_until_away(service)
            assert _reports(service) == 10
        _wait_until_counted(service, 15)
        assert _reports(service) == 15


_LOCK = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let another process hold the store's write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        yield
        other.communicate()


def test_a_store_that_another_process_has_locked(tmp_path: Path) -> None:
    """Sent: ten reports, and one while another process holds the lock. Acknowledged: all.

    Found meanwhile: ten; afterwards: eleven.
    """
    bodies = distinct_bodies(11)
    with running_service(tmp_path, **_HASTY) as service:
        assert {_post(service, body) for body in bodies[:10]} == {204}
        _wait_until_counted(service, 10)
        with _locked(tmp_path / "hpkp.sqlite3"):
            assert _post(service, bodies[10]) == 204
            assert _CLIENT.get(f"{service.url}/readyz").status_code == 200
            assert _reports(service) == 10
            _wait_until_away(service)
        _wait_until_counted(service, 11)
        assert _reports(service) == 11
