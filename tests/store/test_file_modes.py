"""What holds reports, hashes and keys is for its owner alone, whatever the umask of who starts it."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.store.engine import open_engine, upgrade
from tests.support.admin import add_admin_token_at
from tests.support.reports import report_body
from tests.support.server import running_service

_OPEN_TO_ALL = ("sh", "-c", 'umask 000 && exec "$0" "$@"')
"""Runs what it is given with a umask under which files are 0666 unless somebody cares."""


def _open_to_others(directory: Path, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the files below a directory that others than their owner may touch."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in but)
    modes = {str(path.relative_to(directory)): path.stat().st_mode for path in files}
    return {name: stat.filemode(mode) for name, mode in modes.items() if mode & 0o077}


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_the_files_of_a_running_service(tmp_path: Path, options: tuple[str, ...]) -> None:
    with running_service(tmp_path, *options, within=_OPEN_TO_ALL) as service:
        assert service.client.post("/report", content=report_body()).status_code == 204
        assert service.client.get("/api/v1/hosts").json()["items"]
        names = {path.name for path in tmp_path.rglob("*")}
        assert names >= {"hpkp.sqlite3", "hpkp.sqlite3-wal", "hpkp.sqlite3-shm", "hpkp.sqlite3-log", "fold.json"}
        assert any(name.endswith(".segment") for name in names)
        assert _open_to_others(tmp_path, but=("serve.log",)) == {}


def test_the_files_of_the_demo(tmp_path: Path) -> None:
    command = [*_OPEN_TO_ALL, sys.executable, "-m", "app.cli", "demo", "--scenario", "clean"]
    subprocess.run([*command, "--database", str(tmp_path / "demo.sqlite3")], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} >= {"demo.sqlite3", "demo.roots.pem", "demo.catalog.toml"}
    assert _open_to_others(tmp_path) == {}


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o640), (0o666, 0o660), (0o640, 0o640), (0o600, 0o600)])
def test_a_store_that_others_can_read_is_closed_to_them_and_not_to_its_group(
    tmp_path: Path, before: int, after: int
) -> None:
    file = tmp_path / "hpkp.sqlite3"
    upgrade(f"sqlite:///{file}")
    with sqlite3.connect(file) as held:  # so that -wal and -shm stay
        held.execute("SELECT count(*) FROM tokens").fetchall()
        parts = [file, *(file.with_name(f"{file.name}-{end}") for end in ("wal", "shm"))]
        for part in parts:
            part.chmod(before)
        add_admin_token_at(f"sqlite:///{file}")
        assert {stat.S_IMODE(part.stat().st_mode) for part in parts} == {after}
    held.close()


def test_what_is_no_file_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_engine(f"sqlite:///{tmp_path}").dispose()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
