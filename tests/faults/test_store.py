"""A store that cannot be written: full, read-only, locked. Nothing acknowledged is lost, and nobody starts it again."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Sent: reports until one is refused, on a disk of 3 MB with 1 MB of something else; more when that was removed.

    Acknowledged: some, then none for as long as the disk is full, then all, with nobody starting the service again.
    Found: all that were acknowledged, also after kill -9 and a start on the same disk.
    """
    bodies, place = iter(distinct_bodies(2000)), tmp_path / "disk"
    with _disk(place, size="3m") as within:
        url = f"sqlite:///{place}/hpkp.sqlite3"
        subprocess.run([*within, "sh", "-c", f"head -c 1000000 /dev/zero > {place}/something"], check=True)
        with running_service(tmp_path, within=within, HPKP_DATABASE_URL=url) as service:
            taken = 0
            while _post(service, next(bodies)) == 204:
                taken += 1
            assert taken > 20
            assert {_post(service, next(bodies)) for _ in range(5)} == {503}
            assert _reports(service) == taken
            subprocess.run([*within, "rm", f"{place}/something"], check=True)
            assert {_post(service, next(bodies)) for _ in range(20)} == {204}
            assert _reports(service) == taken + 20
            service.kill()
        with running_service(tmp_path, within=within, HPKP_DATABASE_URL=url) as service:
            assert _reports(service) == taken + 20


@contextmanager
def _no_file_grows(service: RunningService, size: int) -> Iterator[None]:
    """Let no file of the service become longer than so many bytes."""
    _, most = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size, most))
    yield
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (most, most))


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """Sent: 20 reports; then more until one is refused, as no file may grow by more than 200 kB; then what was refused.

    Acknowledged: some, then none for as long as the limit stands, then all. Found: all that were acknowledged, also
    after a start on what is left.
    """
    bodies = distinct_bodies(400)
    with running_service(tmp_path) as service:
        assert {_post(service, body) for body in bodies[:20]} == {204}
        longest = max(path.stat().st_size for path in tmp_path.glob("hpkp.sqlite3*"))
        with _no_file_grows(service, longest + 200_000):
            taken = 20
            while _post(service, bodies[taken]) == 204:
                taken += 1
            assert taken > 20
            assert {_post(service, body) for body in bodies[taken : taken + 5]} == {503}
            assert _reports(service) == taken
        assert {_post(service, body) for body in bodies[taken : taken + 20]} == {204}
        assert _reports(service) == taken + 20
        service.kill()
    with running_service(tmp_path) as service:
        assert _reports(service) == taken + 20


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
    """Sent: ten reports, five while PostgreSQL takes no writes, the same five again.

    Acknowledged: the ten, none, the five. Found: fifteen; reading was possible meanwhile.
    """
    bodies = distinct_bodies(15)
    with postgres_database() as url, running_service(tmp_path, HPKP_DATABASE_URL=url) as service:
        assert {_post(service, body) for body in bodies[:10]} == {204}
        with _read_only(url):
            assert {_post(service, body) for body in bodies[10:]} == {503}
            assert _reports(service) == 10
        assert {_post(service, body) for body in bodies[10:]} == {204}
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
    """Sent: ten reports, one while another process holds the lock, the same one again.

    Acknowledged: the ten, not the one (after the ten seconds for which the store waits), the one. Found: eleven.
    """
    bodies = distinct_bodies(11)
    with running_service(tmp_path) as service, ThreadPoolExecutor(1) as pool:
        assert {_post(service, body) for body in bodies[:10]} == {204}
        with _locked(tmp_path / "hpkp.sqlite3"):
            refused = pool.submit(_post, service, bodies[10])
            assert _CLIENT.get(f"{service.url}/readyz").status_code == 200
            assert _reports(service) == 10
            assert refused.result() == 503
        assert _post(service, bodies[10]) == 204
        assert _reports(service) == 11
