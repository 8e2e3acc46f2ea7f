"""The processes of a running service, found as an operator would find them: by parent and by what the fold tells."""

import os
import re
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.support.server import RunningService

_SERVES = re.compile(r"Started server process \[(\d+)\]")


def find_children(service: RunningService) -> list[int]:
    """Return what the parent started to run something of it: workers and the fold, the oldest first."""
    found = list[int]()
    # A child belongs to the thread that started it, and the fold is started again by one of its own.
    for children in Path(f"/proc/{service.process.pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, children.read_text().split())
    return sorted(filter(_is_spawned, found))


def _is_spawned(pid: int) -> bool:
    """Whether a process is one that Python's multiprocessing started to run something."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def find_fold(service: RunningService) -> int | None:
    """Return the fold's process, once it has told that it runs; None while there is none."""
    pid = service.fold.pid
    return pid if pid in find_children(service) and lives(pid) else None


def find_workers(service: RunningService) -> list[int]:
    """Return the workers that serve, where there are several, as the log tells."""
    told = set(map(int, _SERVES.findall(service.log.read_text())))
    return [pid for pid in find_children(service) if pid in told and lives(pid)]


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_all(pids: Iterable[int]) -> None:
    """Kill processes with SIGKILL; one that is gone already is gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_end(pids: Iterable[int], *, patience: float = 60.0) -> None:
    """Wait until processes are gone."""
    deadline = time.monotonic() + patience
    left = list(pids)
    while left := [pid for pid in left if lives(pid)]:
        assert time.monotonic() < deadline, f"processes {left} do not end"
        time.sleep(0.01)
