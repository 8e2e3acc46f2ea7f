"""A store that cannot be written: full, read-only, locked. Nothing acknowledged is lost, and nobody starts it again."""

import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests.support.admin import ADMIN
from tests.support.faults.kill_rounds import SETTINGS
from tests.support.faults.locking import locked
from tests.support.faults.stored_counts import wait_for_counts
from tests.support.postgres import postgres_database
from tests.support.reports import distinct_bodies, report_body
from tests.support.server import RunningService, running_service

_CLIENT = httpx.Client(headers=ADMIN, timeout=60)
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


def _long_bodies() -> Iterator[bytes]:
    """Make bodies of which each is another violation, so that all of its 20 kB stand in the log: it is full soon."""
    return (report_body(port=number, padding="x" * 20_000) for number in range(1, 65_536))


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


def _fill(place: Path, within: tuple[str, ...]) -> None:
    """Leave no room on a disk; `dd` ends with an error when it is full."""
    subprocess.run([*within, "dd", "if=/dev/zero", f"of={place}/something", "bs=4k"], check=False, capture_output=True)


def _wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def _fold_fails(service: RunningService) -> bool:
    return bool(_CLIENT.get(f"{service.url}/readyz").json()["fold_fails"])


def _post_until(service: RunningService, bodies: Iterator[bytes], status: int) -> int:
    """Post until one report is answered with a status; return how many were acknowledged, that one included."""
    taken, deadline = 0, time.monotonic() + 60
    while True:
        answer = _post(service, next(bodies))
        taken += answer == 204
        if answer == status:
            return taken
        assert time.monotonic() < deadline, f"still {answer} and not {status}"


def test_the_disk_of_the_log_is_full(tmp_path: Path) -> None:
    """Sent: reports before, while and after nothing more fits on the disk of the log; the store has one of its own.

    Acknowledged: what still fits into the open segment, then none (503, and /readyz tells it), then all, with nobody
    starting the service again. Found: all that were acknowledged, also after kill -9 and a start.
    """
    bodies, place = _long_bodies(), tmp_path / "disk"
    with _disk(place, size="8m") as within:
        log = {"HPKP_LOG_DIR": str(place / "log"), **SETTINGS}
        with running_service(tmp_path, within=within, **log) as service:
            taken = sum(_post(service, next(bodies)) == 204 for _ in range(20))
            assert taken == 20
            _fill(place, within)
            taken += _post_until(service, bodies, 503)
            ready = _CLIENT.get(f"{service.url}/readyz")
            assert ready.status_code == 503
            assert "No space left on device" in ready.json()["detail"]
            subprocess.run([*within, "rm", f"{place}/something"], check=True)
            taken += _post_until(service, bodies, 204)
            assert _CLIENT.get(f"{service.url}/readyz").status_code == 200
            _wait_for_reports(tmp_path, taken)
            service.kill()
        with running_service(tmp_path, within=within, **log):
            _wait_for_reports(tmp_path, taken)


def test_the_disk_of_the_store_is_full(tmp_path: Path) -> None:
    """Sent: reports before, while and after nothing more fits on the disk of the store; the log has one of its own.

    Acknowledged: all. Counted: those before, then none (/readyz tells that the fold fails), then all, with nobody
    starting the service again.
    """
    bodies, place = iter(distinct_bodies(1000)), tmp_path / "disk"
    with _disk(place, size="8m") as within:
        database = {"HPKP_DATABASE_URL": f"sqlite:///{place}/hpkp.sqlite3", "HPKP_MAX_REPORT_ROWS_PER_DAY": "100000"}
        with running_service(tmp_path, within=within, **database) as service:
            assert {_post(service, next(bodies)) for _ in range(20)} == {204}
            assert _reports(service) == 20
            _fill(place, within)
            taken = 20
            while not _fold_fails(service):  # the file of the store has some room left
                taken += 1
                assert _post(service, next(bodies)) == 204
            assert {_post(service, next(bodies)) for _ in range(20)} == {204}
            assert _CLIENT.get(f"{service.url}/readyz").json()["fold_lag_seconds"] > 0
            subprocess.run([*within, "rm", f"{place}/something"], check=True)
            _wait_until(lambda: not _fold_fails(service), "the fold")
            assert _reports(service) == taken + 20
            service.kill()
        with running_service(tmp_path, within=within, **database) as service:
            assert _reports(service) == taken + 20


def test_the_log_is_full_while_the_store_is_away(tmp_path: Path) -> None:
    """Sent: reports until one is refused, as another process holds the lock of the store; then more.

    Acknowledged: as many as the log holds, then none (503, and /readyz tells why), then all again.
    """
    bodies = _long_bodies()
    with running_service(tmp_path, HPKP_MAX_LOG_BYTES=str(1 << 20), **SETTINGS) as service:
        with locked(tmp_path / "hpkp.sqlite3"):
            taken = _post_until(service, bodies, 503)
            assert taken > 10
            ready = _CLIENT.get(f"{service.url}/readyz")
            assert ready.status_code == 503
            assert "of at most 1048576 bytes: the fold is behind" in ready.json()["detail"]
        taken += _post_until(service, bodies, 204)
        _wait_for_reports(tmp_path, taken)
        assert _CLIENT.get(f"{service.url}/readyz").status_code == 200


def _wait_for_reports(directory: Path, count: int) -> None:
    """Wait until all that were acknowledged are counted, and none twice."""
    counts = wait_for_counts(f"sqlite:///{directory}/hpkp.sqlite3", count, patience=60)
    assert {counts.rollups[name] for name in ("rollup_hours", "rollup_days", "host_hours", "violations")} == {count}


@contextmanager
def _no_file_grows(service: RunningService, size: int) -> Iterator[None]:
    """Let no file of the service become longer than so many bytes."""
    _, most = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size, most))
    yield
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (most, most))


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """Sent: 20 reports; more while no file of the process that accepts may become longer than 300 kB; then more again.

    Acknowledged: what fits into the open segment, then none, then all. Found: all that were acknowledged.
    """
    bodies = _long_bodies()
    with running_service(tmp_path, **SETTINGS) as service:
        taken = sum(_post(service, next(bodies)) == 204 for _ in range(20))
        with _no_file_grows(service, 300_000):
            taken += _post_until(service, bodies, 503)
        taken += _post_until(service, bodies, 204)
        _wait_for_reports(tmp_path, taken)
        service.kill()
    with running_service(tmp_path):
        _wait_for_reports(tmp_path, taken)


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
    """Sent: ten reports, and five while PostgreSQL takes no writes.

    Acknowledged: all. Counted meanwhile: the ten, which can be read; /readyz tells that the fold fails. Then: all.
    """
    bodies = distinct_bodies(15)
    with (
        postgres_database() as url,
        running_service(tmp_path, HPKP_DATABASE_URL=url, HPKP_READ_WAIT_SECONDS="5") as service,
    ):
        assert {_post(service, body) for body in bodies[:10]} == {204}
        assert _reports(service) == 10
        with _read_only(url):
            assert {_post(service, body) for body in bodies[10:]} == {204}
            _wait_until(lambda: _fold_fails(service), "the failure")
            assert _reports(service) == 10
        _wait_until(lambda: not _fold_fails(service), "the fold")
        assert _reports(service) == 15
