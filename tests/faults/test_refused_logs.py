"""Refused logs while the service runs: reported everywhere, a hindrance to no other, repaired without a restart."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.application import settings_for
from tests.support.faults.stored_counts import read_counts, wait_for_counts
from tests.support.ingest.altered_logs import damage, set_version, write_log
from tests.support.reports import distinct_bodies
from tests.support.server import RunningService, running_service


def _ready(service: RunningService, refused: int) -> dict[str, Any]:
    """Return what /readyz tells once so many logs are refused."""
    deadline = time.monotonic() + 60
    while True:
        told: dict[str, Any] = service.client.get("/readyz").json()
        if len(told["refused_logs"]) == refused:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def _run(directory: Path, *arguments: str) -> Any:
    environment = os.environ | {"HPKP_DATABASE_URL": f"sqlite:///{directory}/hpkp.sqlite3"}
    command = [sys.executable, "-m", "app.cli", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_refused_logs_stop_nothing_and_are_mended_beside_the_service(tmp_path: Path) -> None:
    """Left by others: a log of another version, one of another database, and a damaged one that lost 5 of 25."""
    bodies = distinct_bodies(80)
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    settings, others = settings_for(tmp_path), settings_for(tmp_path / "other")
    newer = write_log(settings, bodies[:10])
    set_version(newer, 2)
    damaged = write_log(settings, bodies[10:20], bodies[20:25], bodies[25:35])
    damage(damaged, 2)
    foreign = write_log(others, bodies[35:40])
    shutil.copytree(foreign.path, settings.log_root / foreign.path.name)

    with running_service(tmp_path) as service:
        told = "\n".join(_ready(service, refused=3)["refused_logs"])
        assert f"{newer.path} not used: it has format 2, this program reads format 1" in told
        assert f"{settings.log_root / foreign.path.name} not used: it belongs to another database" in told
        assert f"{damaged.path} not used: 0000000000000002.segment" in told
        assert "hpkp_refused_ingest_logs 3.0" in service.client.get("/metrics").text.splitlines()
        for body in bodies[40:]:
            assert service.client.post("/report", content=body).status_code == 204
        assert wait_for_counts(url, 10 + 40, patience=60).are_all(10 + 40)

        assert "is not refused" in _run(tmp_path, "log", "skip", _log_in_use(service, newer.path, damaged.path))
        assert _run(tmp_path, "log", "skip", damaged.path.name)["entries_left_out"] == 5
        _ready(service, refused=2)
        assert wait_for_counts(url, 20 + 40, patience=60).are_all(20 + 40)
        set_version(newer, 1)
        _ready(service, refused=1)
        assert wait_for_counts(url, 30 + 40, patience=60).are_all(30 + 40)
        written = service.log.read_text()
        assert written.count("it has format 2") == 1, "told once, not at each look"
        assert service.stop() in (0, -15)
    assert read_counts(url).are_all(70)


def _log_in_use(service: RunningService, *others: Path) -> str:
    """Return the name of the log that the service writes."""
    logs = [path for path in service.log_root.iterdir() if len(path.name) == 32 and path not in others]
    return next(path.name for path in logs if path.name in service.fold.folded)
