"""A store that cannot be used: moved, missing, replaced, corrupt, of another version. Nothing is counted elsewhere.

Acknowledged: all reports, into the ingest log. Reads are answered 503, `/readyz` names what is wrong, and what was
acknowledged is counted when the store is back.
"""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import newest_version, open_engine
from tests.support.faults.stored_counts import wait_for_counts
from tests.support.postgres import own_postgres, postgres_database
from tests.support.reports import distinct_bodies
from tests.support.server import RunningService, running_service

SUMMARY = "/api/v1/hosts/www.example.com/summary"
READS = (SUMMARY, "/api/v1/hosts", "/api/v1/violations", "/api/v1/events", "/", "/rejections")


def _post(service: RunningService, bodies: list[bytes]) -> None:
    for body in bodies:
        assert httpx.post(f"{service.url}/report", content=body, timeout=60).status_code == 204


def _reports(service: RunningService) -> int:
    return int(service.client.get(SUMMARY).json()["totals"]["reports"])


def _ready(service: RunningService) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{service.url}/readyz", timeout=60)
    return answer.status_code, answer.json()


def _wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def _assert_reads_are_refused(service: RunningService, reason: str) -> None:
    for path in READS:
        answer = service.client.get(path)
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "30"), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert reason in answer.json()["detail"]


def _assert_not_ready(service: RunningService, state: str, reason: str) -> None:
    status, told = _ready(service)
    assert (status, told["status"], told["store"]) == (503, 503, state), told
    assert reason in told["detail"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_file_of_the_store_is_moved_away_and_back(tmp_path: Path, workers: str) -> None:
    """Sent: 10 reports, and 20 while the file is elsewhere. No file comes into being, none is counted in the other."""
    file, elsewhere = tmp_path / "hpkp.sqlite3", tmp_path / "elsewhere.sqlite3"
    bodies = distinct_bodies(30)
    with running_service(tmp_path, "--workers", workers) as service:
        _post(service, bodies[:10])
        assert _reports(service) == 10
        file.rename(elsewhere)
        _post(service, bodies[10:])
        _wait_until(lambda: service.fold.error is not None, "the fold to notice")
        _assert_reads_are_refused(service, "was moved or deleted")
        _assert_not_ready(service, "missing", "was moved or deleted")
        assert not file.exists()
        assert service.fold.accepted == 10
        elsewhere.rename(file)
        _wait_until(lambda: service.fold.error is None, "the fold")
        assert _reports(service) == 30
        assert _ready(service)[0] == 200
        service.stop()
    assert wait_for_counts(f"sqlite:///{file}", 30).are_all(30)


def test_the_fold_dies_while_the_file_is_away_and_makes_no_other_one(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "hpkp.sqlite3", tmp_path / "elsewhere.sqlite3"
    bodies = distinct_bodies(20)
    with running_service(tmp_path) as service:
        _post(service, bodies[:10])
        assert _reports(service) == 10
        file.rename(elsewhere)
        _post(service, bodies[10:])
        subprocess.run(["kill", "-9", str(service.fold.pid)], check=True)
        waits = "starts when the store can be used"
        _wait_until(lambda: waits in service.log.read_text(), "another fold")
        assert not file.exists()
        elsewhere.rename(file)
        _wait_until(lambda: service.fold.starts == 2, "the fold")
        assert _reports(service) == 20


def test_another_file_takes_the_place_of_the_store(tmp_path: Path) -> None:
    """It is neither read nor written until the service is started again; then it is the store."""
    file = tmp_path / "hpkp.sqlite3"
    bodies = distinct_bodies(20)
    with running_service(tmp_path) as service:
        _post(service, bodies[:10])
        assert _reports(service) == 10
        with closing(sqlite3.connect(file)) as store:
            store.execute("VACUUM INTO ?", (str(tmp_path / "backup.sqlite3"),))
        (tmp_path / "backup.sqlite3").rename(file)
        _post(service, bodies[10:])
        _wait_until(lambda: service.fold.error is not None, "the fold to notice")
        _assert_reads_are_refused(service, "Another file is in the place")
        _assert_not_ready(service, "replaced", "Stop the service")
        service.stop()
    for leftover in ("hpkp.sqlite3-wal", "hpkp.sqlite3-shm"):
        (tmp_path / leftover).unlink(missing_ok=True)
    with running_service(tmp_path) as service:
        assert _reports(service) == 20


def test_a_start_without_the_file_for_which_reports_wait_makes_no_other_one(tmp_path: Path) -> None:
    file = tmp_path / "hpkp.sqlite3"
    with running_service(tmp_path) as service:
        file.rename(tmp_path / "elsewhere.sqlite3")
        _post(service, distinct_bodies(3))
        service.kill()
    failed = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", "--port", "0"],
        env={"HPKP_DATABASE_URL": f"sqlite:///{file}", "HPKP_LOG_DIR": str(service.log_root)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert failed.returncode == 2
    assert "reports for it wait in" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not file.exists()


@pytest.mark.parametrize("where", ["everything", "the first page", "all but the first page"])
def test_a_corrupt_file(tmp_path: Path, where: str) -> None:
    file = tmp_path / "hpkp.sqlite3"
    with running_service(tmp_path) as service:
        _post(service, distinct_bodies(10))
        assert _reports(service) == 10
        service.stop()
    with running_service(tmp_path) as service:
        size, page = file.stat().st_size, 4096
        begin, end = {"everything": (0, size), "the first page": (0, page)}.get(where, (page, size))
        with file.open("r+b") as written:
            written.seek(begin)
            written.write(b"x" * (end - begin))
        _post(service, distinct_bodies(20)[10:])
        _assert_not_ready(service, "corrupt", "restore a backup")
        for path in READS:
            answer = service.client.get(path)
            assert answer.status_code in (200, 503), f"{path} {answer.text}"
        answer = service.client.get(SUMMARY)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_the_database_is_absent(tmp_path: Path) -> None:
    """PostgreSQL is killed: that ends by itself, so reports go on being accepted and `/readyz` stays 200."""
    bodies = distinct_bodies(20)
    with own_postgres() as server, running_service(tmp_path, HPKP_DATABASE_URL=server.url) as service:
        _post(service, bodies[:10])
        assert _reports(service) == 10
        server.kill()
        _post(service, bodies[10:])
        _wait_until(lambda: service.fold.error is not None, "the fold to notice")
        _assert_reads_are_refused(service, "The database does not answer.")
        status, told = _ready(service)
        assert (status, told["store"], told["problems"][0]) == (200, "away", "The database does not answer.")
        metrics = service.client.get("/metrics")  # the token was looked up before
        assert (metrics.status_code, "hpkp_fold_lag_seconds" in metrics.text) == (200, True)
        unknown = {"authorization": "Bearer hpkp_unknown"}
        assert service.client.get("/metrics", headers=unknown).status_code == 503
        server.start_again()
        _wait_until(lambda: service.fold.error is None, "the fold")
        assert _reports(service) == 20


@contextmanager
def _store(kind: str, directory: Path) -> Iterator[str]:
    if kind == "postgresql":
        with postgres_database() as url:
            yield url
    else:
        yield f"sqlite:///{directory}/hpkp.sqlite3"


def _set_version(url: str, version: str) -> None:
    """Say in a store that its schema has a version, as the program of that version does in the end."""
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_newer_program_upgrades_the_store_while_this_one_runs(tmp_path: Path, kind: str) -> None:
    """It adds a column that has to be filled, so that what this program writes would be refused for what is in it.

    Acknowledged: all; counted: none as long, and none is left out. Then the newer one is taken back.
    """
    bodies = distinct_bodies(20)
    with _store(kind, tmp_path) as url, running_service(tmp_path, HPKP_DATABASE_URL=url) as service:
        _post(service, bodies[:10])
        assert _reports(service) == 10
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE seen_submissions RENAME TO submissions_seen"))
            connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
        _post(service, bodies[10:])
        _wait_until(lambda: service.fold.error is not None, "the fold to notice")
        _assert_reads_are_refused(service, "9000 is ahead of this program")
        _assert_not_ready(service, "ahead", "9000 is ahead of this program")
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE submissions_seen RENAME TO seen_submissions"))
        engine.dispose()
        _set_version(url, newest_version())
        _wait_until(lambda: service.fold.error is None, "the fold")
        assert _reports(service) == 20
        assert _ready(service)[0] == 200
        service.stop()
        assert wait_for_counts(url, 20).are_all(20)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "words", ["serve --port 0", "db upgrade", "readiness www.example.com", "prune", "token list"], ids=lambda w: w[:9]
)
def test_a_store_ahead_of_the_program_is_refused_by_its_name(tmp_path: Path, kind: str, words: str) -> None:
    with _store(kind, tmp_path) as url:
        environment = {"HPKP_DATABASE_URL": url, "HPKP_LOG_DIR": str(tmp_path / "log")}
        command = [sys.executable, "-m", "app.cli"]
        subprocess.run([*command, "db", "upgrade"], env=environment, check=True, capture_output=True)
        _set_version(url, "9000")
        failed = subprocess.run(
            [*command, *words.split()], env=environment, capture_output=True, text=True, check=False
        )
    assert failed.returncode == 2, failed.stderr
    assert f"schema 9000 is ahead of this program, which knows up to {newest_version()}" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_store_behind_the_program_is_upgraded_or_refused_by_its_name(tmp_path: Path) -> None:
    with postgres_database() as url:
        _set_version(url, "0001")
        failed = subprocess.run(
            [sys.executable, "-m", "app.cli", "token", "list"],
            env={"HPKP_DATABASE_URL": url, "HPKP_LOG_DIR": str(tmp_path / "log")},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert failed.returncode == 2
    assert "schema 0001 is behind this program" in failed.stderr
    assert "hpkp db upgrade" in failed.stderr


def test_a_copy_of_the_store_of_another_version_is_not_touched(tmp_path: Path) -> None:
    """A refused upgrade changes no byte."""
    with running_service(tmp_path) as service:
        service.stop()
    file = tmp_path / "hpkp.sqlite3"
    _set_version(f"sqlite:///{file}", "9000")
    before = tmp_path / "before.sqlite3"
    shutil.copy(file, before)
    subprocess.run(
        [sys.executable, "-m", "app.cli", "db", "upgrade"],
        env={"HPKP_DATABASE_URL": f"sqlite:///{file}"}, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert file.read_bytes() == before.read_bytes()
