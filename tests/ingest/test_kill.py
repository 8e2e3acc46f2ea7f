"""kill -9 of a real writer, and of the fold behind it, at random moments.

What was acknowledged is counted exactly once. 30 rounds; ``KILL_ROUNDS=300`` for more.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from app.ingest.log_directory import find_logs
from tests.support.ingest.killed_writer import TASKS
from tests.support.ingest.small_fold import SmallFold

ROUNDS = int(os.environ.get("KILL_ROUNDS", "30"))
_NUMBERS = 10_000_000
"""More than one round writes."""


def _write_and_kill(root: Path, first: int, *, after: int, seconds: float) -> set[int]:
    """Let a writer run until it acknowledged so many and a while longer; kill it and return what it acknowledged."""
    command = [sys.executable, "-m", "tests.support.ingest.killed_writer", str(root), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        acknowledged = {int(writer.stdout.readline()) for _ in range(after)}
        timer = threading.Timer(seconds, writer.kill)
        timer.start()
        rest = writer.stdout.read()
        timer.join()
    return acknowledged | set(map(int, rest.split(b"\n")[:-1]))


def _write_and_kill_both(root: Path, store: Path, first: int, random_: random.Random) -> set[int]:
    """Let a writer and a fold run, and kill both, the fold before or after the writer."""
    weight = random_.choice([1, 100, 8192])
    command = [sys.executable, "-m", "tests.support.ingest.small_fold", str(root), str(store), str(weight)]
    with subprocess.Popen(command) as fold:
        timer = threading.Timer(random_.uniform(0.1, 0.6), fold.kill)
        timer.start()
        acknowledged = _write_and_kill(root, first, after=random_.randint(1, 400), seconds=random_.uniform(0, 0.1))
        timer.join()
    assert fold.returncode == -signal.SIGKILL, "it ended by itself"
    return acknowledged


def test_what_was_acknowledged_before_a_kill_is_counted_exactly_once(tmp_path: Path) -> None:
    root, store = tmp_path / "log", tmp_path / "store.sqlite3"
    fold, random_, acknowledged = SmallFold(root, store), random.Random(), set[int]()
    fold.create()
    for round_ in range(ROUNDS):
        first = round_ * _NUMBERS
        if round_ % 3:
            acknowledged |= _write_and_kill_both(root, store, first, random_)
        else:  # all of it is left for the next
            acknowledged |= _write_and_kill(
                root, first, after=random_.randint(1, 200), seconds=random_.uniform(0, 0.05)
            )
        if round_ % 2:
            fold.finish()
            _check(fold, acknowledged)
    fold.finish()
    _check(fold, acknowledged)
    [log] = find_logs(root)
    assert log.segments()[-1] > ROUNDS, "segments have to begin under way"


def _check(fold: SmallFold, acknowledged: set[int]) -> None:
    counted = fold.counted()
    assert set(counted.values()) == {1}
    assert acknowledged <= counted.keys()


def test_at_most_one_batch_is_counted_without_having_been_acknowledged(tmp_path: Path) -> None:
    fold = SmallFold(tmp_path / "log", tmp_path / "store.sqlite3")
    fold.create()
    acknowledged = _write_and_kill(tmp_path / "log", 0, after=50, seconds=0.02)
    fold.finish()
    assert len(fold.counted().keys() - acknowledged) <= TASKS
