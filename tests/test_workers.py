"""``hpkp serve --workers``: real processes behind one socket, on PostgreSQL and on SQLite; and the fold beside them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.ingest.log_directory import find_logs
from tests.support.faults.processes import find_children, find_fold, find_workers, kill_all
from tests.support.faults.stored_counts import wait_for_counts
from tests.support.postgres import own_postgres, postgres_database
from tests.support.reports import distinct_bodies
from tests.support.server import RunningService, running_service

_PATIENCE = 180.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    (tmp_path / "tmp").mkdir()
    with (
        postgres_database() as url,
        running_service(tmp_path, "--workers", "2", HPKP_DATABASE_URL=url, TMPDIR=str(tmp_path / "tmp")) as running,
    ):
        _wait(lambda: len(find_workers(running)) == 2, "two workers")
        yield running
        running.stop()


def _wait(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def _post(service: RunningService, bodies: list[bytes]) -> list[int]:
    """Post each body with a new client and connection, so that every worker gets some; return the statuses.

    Threads share no client: a pool that keeps no connections may close one that it has just given to another thread.
    """

    def post(body: bytes) -> int:
        return httpx.post(f"{service.url}/report", content=body, timeout=60, trust_env=False).status_code

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(post, bodies))


def _counted(service: RunningService, name: str) -> float:
    lines = service.client.get("/metrics", timeout=60).text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))


def test_two_workers_count_together_and_a_killed_one_is_replaced(service: RunningService, tmp_path: Path) -> None:
    """Sent: 200 reports, then one worker is killed, then 200 more; found: 400, in the store and in the metrics."""
    bodies = distinct_bodies(400)
    accepted = 'hpkp_submissions_total{outcome="accepted"}'
    assert set(_post(service, bodies[:200])) == {204}
    assert {_counted(service, accepted) for _ in range(6)} == {200}

    before = find_workers(service)
    kill_all(before[:1])
    _wait(lambda: len(set(find_workers(service)) - set(before)) == 1, "another worker")
    _wait(lambda: service.log.read_text().count("Application startup complete") == 3, "its start")

    assert set(_post(service, bodies[200:])) == {204}
    assert {_counted(service, accepted) for _ in range(6)} == {400}
    assert _counted(service, "hpkp_waiting_submissions") == 0
    totals = service.client.get("/api/v1/hosts/www.example.com/summary").json()["totals"]
    assert totals["reports"] == 400

    assert list((tmp_path / "tmp").glob("hpkp-metrics-*"))
    assert service.stop() == 0
    assert not list((tmp_path / "tmp").glob("hpkp-metrics-*"))
    assert service.log.read_text().count("Application shutdown complete") == 2


def test_workers_end_with_their_parent(service: RunningService) -> None:
    workers = find_children(service)
    service.kill()
    _wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the end of the workers")
    with pytest.raises(httpx.ConnectError):
        service.client.get("/livez")


def test_two_workers_on_sqlite_have_a_log_each_and_count_together(tmp_path: Path) -> None:
    """Sent: 200 reports to two workers on a SQLite store; found: 200, from two logs, of which none is left."""
    with running_service(tmp_path, "--workers", "2") as service:
        _wait(lambda: len(find_workers(service)) == 2, "two workers")
        assert set(_post(service, distinct_bodies(200))) == {204}
        totals = service.client.get("/api/v1/hosts/www.example.com/summary", timeout=60).json()["totals"]
        assert totals["reports"] == 200
        assert len(find_logs(service.log_root)) == 2
        assert service.stop() == 0
    assert find_logs(service.log_root) == []


def test_a_fold_that_is_killed_is_replaced_and_its_lag_is_told(tmp_path: Path) -> None:
    """The fold is stopped, so that reports wait: /readyz and metrics tell their age. It is killed: they are counted."""
    with running_service(tmp_path) as service:
        fold = find_fold(service)
        assert fold is not None
        os.kill(fold, signal.SIGSTOP)
        assert set(_post(service, distinct_bodies(20))) == {204}
        time.sleep(3)  # the lag is sampled once a second
        ready = service.client.get("/readyz").json()
        assert ready["status"] == "ready"
        assert ready["fold_lag_seconds"] >= 1
        assert ready["log_bytes"] > 1 << 20
        assert _counted(service, "hpkp_fold_lag_seconds") >= 1
        assert _counted(service, "hpkp_ingest_log_bytes") == ready["log_bytes"]

        for starts in (2, 3):
            kill_all([fold])
            _wait(lambda starts=starts: service.fold.starts == starts, "another fold")  # type: ignore[misc]
            replaced = find_fold(service)
            assert replaced not in (None, fold)
            fold = replaced
        assert service.client.get("/api/v1/hosts/www.example.com/summary").json()["totals"]["reports"] == 20
        ready = service.client.get("/readyz").json()
        assert (ready["fold_lag_seconds"], ready["fold_starts"]) == (0, 3)
        assert service.log.read_text().count("the fold ended with -9; another one is started") == 2
        assert service.stop() in (0, -signal.SIGTERM)


def test_a_worker_and_the_fold_that_die_while_the_store_is_away_come_back_with_it(tmp_path: Path) -> None:
    """PostgreSQL is killed, then one of two workers and the fold; the other worker accepts all the while."""
    with own_postgres() as server, running_service(tmp_path, "--workers", "2", HPKP_DATABASE_URL=server.url) as service:
        _wait(lambda: len(find_workers(service)) == 2, "two workers")
        fold, [worker, _] = find_fold(service), find_workers(service)
        assert fold is not None
        bodies = distinct_bodies(60)
        assert set(_post(service, bodies[:20])) == {204}
        server.kill()
        kill_all([worker, fold])
        _wait(lambda: service.log.read_text().count("starts when the store can be used") == 2, "two that wait")
        assert set(_post(service, bodies[20:40])) == {204}
        server.start_again()
        _wait(lambda: len(find_workers(service)) == 2, "another worker")
        assert set(_post(service, bodies[40:])) == {204}
        assert wait_for_counts(server.url, 60).are_all(60)
        assert service.stop() == 0
