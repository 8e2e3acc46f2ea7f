"""A disk that is full, really: a small file system, and where none can be mounted a limit on the size of files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ingest.log import open_log
from app.ingest.log_values import Appended, FailureKind, NotAppended
from tests.support.ingest.makers import STORE, append, number_of, numbers_in, read_all, reader_of, report

_DISK = 2 << 20
_SEGMENT = 1 << 18


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MB; skips where that is not allowed."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems can be mounted by root only")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_refuses_and_recovers_by_itself(small_disk: Path) -> None:
    time = [0.0]
    log = open_log(small_disk, store_id=STORE, max_bytes=1 << 30, segment_bytes=_SEGMENT, monotonic=lambda: time[0]).log
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(_DISK // 2))
    number = 0
    while isinstance(result := log.append([report(number, whole=True)]), Appended):
        number += 1
    assert result.kind is FailureKind.DISK_FULL
    assert "No space left on device" in result.reason
    assert number > 1000
    for _ in range(20):
        time[0] += 1
        assert log.append([report(number)]) == result
    leftovers = {path.suffix for path in log.directory.path.iterdir() if path != log.directory.end_path}
    assert leftovers == {".segment", ".lock"}, "attempts on a full disk leave no files"

    ballast.unlink()
    time[0] += 1
    append(log, report(number))
    reader = reader_of(log.directory.path)
    assert list(map(number_of, read_all(reader)[0])) == list(range(number + 1))
    reader.close()
    log.close()


def test_space_that_the_fold_frees_is_enough_to_recover(small_disk: Path) -> None:
    time = [0.0]
    log = open_log(small_disk, store_id=STORE, max_bytes=1 << 30, segment_bytes=_SEGMENT, monotonic=lambda: time[0]).log
    reader, read, number = reader_of(log.directory.path), list[int](), 0
    for _ in range(5):
        while isinstance(result := log.append([report(number, whole=True)]), Appended):
            number += 1
        assert result.kind is FailureKind.DISK_FULL
        entries, refused = read_all(reader)
        assert refused is None
        read += map(number_of, entries)
        reader.release(reader.position)
        time[0] += 1
    assert read == list(range(number))
    assert number > 5 * 3000
    reader.close()
    log.close()


_LIMITED = f"""
import resource, sys
from pathlib import Path
from app.ingest.log_values import Appended
from tests.support.ingest.makers import open_small_log, report
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
log = open_small_log(Path(sys.argv[1]), segment_bytes={_SEGMENT})
refused = log.append([report(1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert log.append([report(1)]) == refused
log._failure = None
assert isinstance(log.append([report(2)]), Appended)
print(refused.kind, log.directory.path)
"""


def test_a_limit_on_files_refuses_and_recovers(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    kind, path = run.stdout.split()
    assert kind == FailureKind.DISK_FULL
    assert numbers_in(Path(path)) == [2]


def test_a_write_that_is_cut_short_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time, write = [0.0], os.pwrite
    log = open_log(tmp_path, store_id=STORE, max_bytes=1 << 30, segment_bytes=_SEGMENT, monotonic=lambda: time[0]).log
    append(log, report(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, data[:100], offset))
        refused = log.append([report(2)])
    assert isinstance(refused, NotAppended)
    assert refused.kind is FailureKind.DISK_FULL
    log.close()
    # The process ends before it begins another segment: the end is torn, amid a sector.
    assert numbers_in(log.directory.path) == [1]
