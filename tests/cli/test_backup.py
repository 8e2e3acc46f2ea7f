"""``hpkp backup``: a copy made while reports come in, what it refuses, and the restore that the documents describe."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.faults.stored_counts import read_counts
from tests.support.postgres import postgres_database
from tests.support.reports import HOST, distinct_bodies, site
from tests.support.server import RunningService, running_service
from tests.test_docs import OPERATING, blocks, section

ROWS = {"HPKP_MAX_REPORT_ROWS_PER_DAY": "100000"}
BODIES = distinct_bodies(3000)


def _hpkp(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    placed = {"HPKP_DATABASE_URL": f"sqlite:///{folder}/hpkp.sqlite3", "HPKP_LOG_DIR": f"{folder}/hpkp.sqlite3-log"}
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, env=os.environ | placed | settings, capture_output=True, text=True, check=False)


def _post(service: RunningService, bodies: list[bytes], until: threading.Event | None = None) -> int:
    """Post one body after the other, up to an event; return how many were acknowledged."""
    acknowledged = 0
    with httpx.Client() as client:
        for body in bodies:
            if until is not None and until.is_set():
                break
            acknowledged += client.post(f"{service.url}/report", content=body).status_code == 204
    return acknowledged


def test_a_backup_while_reports_come_in_is_consistent_and_can_be_restored(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "backup.sqlite3"
    url = f"sqlite:///{data}/hpkp.sqlite3"
    with running_service(data, **ROWS) as service:
        assert _hpkp(data, "policy", "set", HOST, "--pin", site().root.pin).returncode == 0
        before = _post(service, BODIES[:200])
        done, sent = threading.Event(), list[int]()
        posting = threading.Thread(target=lambda: sent.append(_post(service, BODIES[200:], done)))
        posting.start()
        try:
            made = _hpkp(data, "backup", str(copy))
        finally:
            done.set()
            posting.join()
        assert (made.returncode, made.stderr) == (0, "")
        assert service.stop() == 0

    assert before == 200
    assert sent[0] > 0, "reports came in meanwhile"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert opened.execute("PRAGMA foreign_key_check").fetchall() == []
        [(copied,)] = opened.execute("SELECT count(*) FROM reports").fetchall()
    assert before <= copied <= before + sent[0]
    assert read_counts(url).are_all(before + sent[0])

    _, restore = blocks(section(OPERATING, "Backup"), "sh")
    done_so = subprocess.run(["bash", "-c", restore], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done_so.stderr == ""
    assert read_counts(url).are_all(copied), "all tables are of one moment"
    with running_service(data, **ROWS) as service:
        assert _post(service, BODIES[-100:]) == 100
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        assert service.stop() == 0
    assert read_counts(url).are_all(copied + 100)
    assert stat.S_IMODE((data / "hpkp.sqlite3").stat().st_mode) == 0o600


def test_a_backup_contains_what_only_the_log_has_so_far(tmp_path: Path) -> None:
    """Reports that were acknowledged by a service that was killed before it counted them."""
    with running_service(tmp_path, **ROWS) as service:
        acknowledged = _post(service, BODIES[:50])
        service.kill()
    assert _hpkp(tmp_path, "backup", str(tmp_path / "copy.sqlite3"), **ROWS).returncode == 0
    assert read_counts(f"sqlite:///{tmp_path}/copy.sqlite3").are_all(acknowledged)


def test_nothing_is_overwritten_and_nothing_is_left_of_a_copy_that_fails(tmp_path: Path) -> None:
    assert _hpkp(tmp_path, "db", "upgrade").returncode == 0
    kept, linked = tmp_path / "kept", tmp_path / "linked"
    kept.write_text("mine")
    linked.symlink_to(tmp_path / "nowhere")
    for target in (kept, linked):
        refused = _hpkp(tmp_path, "backup", str(target))
        assert (refused.returncode, refused.stderr) == (2, f"error: {target}: exists and is not overwritten\n")
    assert kept.read_text() == "mine"
    assert not linked.exists()

    missing = _hpkp(tmp_path, "backup", str(tmp_path / "missing" / "copy"))
    assert (missing.returncode, "No such file or directory" in missing.stderr) == (2, True)
    full = _hpkp(tmp_path, "backup", "/dev/full/copy")
    assert (full.returncode, "/dev/full/copy" in full.stderr) == (2, True)
    (tmp_path / "hpkp.sqlite3").write_bytes((tmp_path / "hpkp.sqlite3").read_bytes()[:8192])
    damaged = _hpkp(tmp_path, "backup", str(tmp_path / "copy"))
    assert (damaged.returncode, damaged.stderr.startswith("error: ")) == (2, True)
    assert {path.name for path in tmp_path.iterdir() if "copy" in path.name} == set()


def test_without_a_database_none_is_made(tmp_path: Path) -> None:
    refused = _hpkp(tmp_path, "backup", str(tmp_path / "copy"))
    assert (refused.returncode, "hpkp.sqlite3 not found" in refused.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reachable", [True, False])
def test_postgresql_has_tools_of_its_own(tmp_path: Path, reachable: bool) -> None:
    with postgres_database() as url:
        asked = url if reachable else "postgresql://hpkp:secret@127.0.0.1:9/hpkp"
        refused = _hpkp(tmp_path, "backup", str(tmp_path / "copy"), HPKP_DATABASE_URL=asked)
    assert (refused.returncode, "pg_dump" in refused.stderr, "secret" in refused.stderr) == (2, True, False)
