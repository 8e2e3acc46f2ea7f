"""``hpkp serve --workers``: real processes behind one socket, on PostgreSQL and on SQLite."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.postgres import postgres_database
from tests.reports import distinct_bodies
from tests.server import RunningService, running_service

_PATIENCE = 180.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    (tmp_path / "tmp").mkdir()
    with (
        postgres_database() as url,
        running_service(tmp_path, "--workers", "2", HPKP_DATABASE_URL=url, TMPDIR=str(tmp_path / "tmp")) as running,
    ):
        _wait(lambda: len(_ready(running)) == 2, "two workers")
        yield running
        running.stop()


def _wait(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def _ready(service: RunningService) -> list[int]:
    """Return the workers that live and whose application has started, as the log tells."""
    log = service.log.read_text()
    children = _children(service.process.pid)
    started = [child for child in children if f"Started server process [{child}]" in log]
    return started if log.count("Application startup complete") >= len(started) else []


def _children(pid: int) -> list[int]:
    """Return the workers among a process's children, and the fold: what Python's multiprocessing started."""
    of_all = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in of_all if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def _post(service: RunningService, bodies: list[bytes]) -> list[int]:
    """Post each body over a connection of its own, so that every worker gets some; return the statuses."""

    def post(body: bytes) -> int:
        return httpx.post(f"{service.url}/report", content=body, timeout=60).status_code

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(post, bodies))


def _counted(service: RunningService, name: str) -> float:
    lines = httpx.get(f"{service.url}/metrics", timeout=60).text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))


def test_two_workers_count_together_and_a_killed_one_is_replaced(service: RunningService, tmp_path: Path) -> None:
    """Sent: 200 reports, then one worker is killed, then 200 more; found: 400, in the store and in the metrics."""
    bodies = distinct_bodies(400)
    accepted = 'hpkp_submissions_total{outcome="accepted"}'
    assert set(_post(service, bodies[:200])) == {204}
    assert {_counted(service, accepted) for _ in range(6)} == {200}

    before = _ready(service)
    os.kill(before[0], signal.SIGKILL)
    _wait(lambda: len(set(_ready(service)) - set(before)) == 1, "another worker")
    _wait(lambda: service.log.read_text().count("Application startup complete") == 3, "its start")

    assert set(_post(service, bodies[200:])) == {204}
    assert {_counted(service, accepted) for _ in range(6)} == {400}
    assert _counted(service, "hpkp_waiting_submissions") == 0
    totals = httpx.get(f"{service.url}/api/v1/hosts/www.example.com/summary").json()["totals"]
    assert totals["reports"] == 400

    assert list((tmp_path / "tmp").glob("hpkp-metrics-*"))
    assert service.stop() == 0
    assert not list((tmp_path / "tmp").glob("hpkp-metrics-*"))
    assert service.log.read_text().count("Application shutdown complete") == 2


def test_two_workers_on_sqlite_count_together(tmp_path: Path) -> None:
    """Sent: 300 reports to two workers, each with an ingest log of its own. Found: 300, in one SQLite file."""
    with running_service(tmp_path, "--workers", "2") as service:
        _wait(lambda: len(_ready(service)) == 2, "two workers")
        assert set(_post(service, distinct_bodies(300))) == {204}
        totals = httpx.get(f"{service.url}/api/v1/hosts/www.example.com/summary").json()["totals"]
        assert totals["reports"] == 300
        assert service.fold.accepted == 300
        assert service.stop() == 0


def test_workers_end_with_their_parent(service: RunningService) -> None:
    workers = _children(service.process.pid)
    service.kill()
    _wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the end of the workers")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/livez")
