"""What an append to the ingest log costs, beside rows of a SQLite file: ``python -m bench.ingest_log``.

As many tasks as a server has connections append one entry after the other through the group commit; both ways use the
same one, so what differs is the write. Times are of this machine and its disk: compare within a run.
"""

import argparse
import asyncio
import os
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.ingest.coding import Encoder
from app.ingest.entry import Entry, ReportEntry
from app.ingest.group_commit import Commit, GroupCommit
from app.ingest.log import open_log
from app.ingest.log_reader import open_reader
from app.ingest.log_values import Appended, AppendResult, LogRefused, Position

CONNECTIONS = 64
_TEXTS = 200
_TEXT_BYTES = 11_700
_BATCH = 30
_STORE = bytes(16)


class _Log(Protocol):
    """What the group commit needs of a log."""

    def append(self, entries: Sequence[Entry]) -> AppendResult:
        """Make a batch durable."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class SqliteLog:
    """A row per batch, or per entry, in a WAL file with ``synchronous=FULL``."""

    def __init__(self, path: Path, *, checkpoint: int, row_per_entry: bool) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={checkpoint}"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, payload BLOB)")
        self._row_per_entry = row_per_entry
        self._encoder = Encoder()
        self._sequence = 0

    def append(self, entries: Sequence[Entry]) -> AppendResult:
        """Insert a batch and commit."""
        batches = [[entry] for entry in entries] if self._row_per_entry else [entries]
        rows = [(self._encoder.encode(batch),) for batch in batches]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO log (payload) VALUES (?)", rows)
        self._connection.execute("COMMIT")
        self._sequence += len(entries)
        return Appended(Position(1, 0, self._sequence))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to log: per second, CPU of all threads in us an entry, entries a batch, and us of a write."""

    name: str
    rate: float
    cpu: float
    batch: float
    p50: float
    p99: float
    p999: float
    longest: float

    def __str__(self) -> str:
        return (
            f"{self.name:<40} {self.rate:>8,.0f} {self.cpu:>7.1f} {self.batch:>6.1f}"
            f" {self.p50:>6.0f} {self.p99:>6.0f} {self.p999:>6.0f} {self.longest:>7.0f}"
        )


def make_entries(count: int, *, new_bodies: bool = False) -> list[Entry]:
    """Make entries as a server has them: a few texts many times, or each a body of its own."""
    texts = [secrets.token_hex(_TEXT_BYTES // 2).encode() for _ in range(_TEXTS)]
    dates = b"2026-11-26T14:00:00.000Z", b"2027-01-25T14:00:00.000Z"
    return [
        ReportEntry(
            received_at=1_795_000_000_000 + number,
            client=secrets.token_bytes(16),
            network=secrets.token_bytes(8),
            submission=secrets.token_bytes(16),
            text=secrets.token_hex(_TEXT_BYTES // 2).encode() if new_bodies else texts[number * number % _TEXTS],
            dates=None if new_bodies else dates,
            user_agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/60.0",
        )
        for number in range(count)
    ]


async def measure(name: str, log: _Log, entries: Sequence[Entry], *, connections: int) -> Cost:
    """Append all entries from so many tasks."""
    commits: list[Commit] = []
    group = GroupCommit(log, max_waiting_bytes=64 << 20, on_commit=commits.append)
    group.start()
    waiting = iter(entries)

    async def connection() -> None:
        for entry in waiting:
            if not isinstance(result := await group.append(entry), Appended):
                raise SystemExit(f"{name}: {result.reason}")

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(connection() for _ in range(connections)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await group.stop()
    log.close()
    writes = sorted(commit.seconds * 1e6 for commit in commits)

    def at(share: float) -> float:
        return writes[min(len(writes) - 1, int(share * len(writes)))]

    count = len(entries)
    per_batch = count / len(commits)
    return Cost(name, count / seconds, cpu / count * 1e6, per_batch, at(0.5), at(0.99), at(0.999), writes[-1])


def measure_appends(name: str, log: _Log, entries: Sequence[Entry]) -> str:
    """Append in batches of 30 from one thread, which is the write alone: CPU and wall-clock in us an append."""
    log.append(entries[:_BATCH])
    times, cpu = [], time.thread_time()
    for start in range(0, len(entries) - _BATCH, _BATCH):
        began = time.perf_counter()
        log.append(entries[start : start + _BATCH])
        times.append((time.perf_counter() - began) * 1e6)
    cpu = (time.thread_time() - cpu) / len(times) * 1e6
    log.close()
    times.sort()
    at = [times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.99, 0.999, 1)]
    return f"{name:<40} {cpu:>8.0f} {cpu / _BATCH:>7.2f} {'':>6} " + " ".join(f"{value:>6.0f}" for value in at)


def run(root: Path, count: int, connections: int) -> list[str]:
    """Measure all ways, each on new files."""
    lines = [f"{'':<40} {'rate/s':>8} {'CPU us':>7} {'batch':>6} {'p50':>6} {'p99':>6} {'p99.9':>6} {'longest':>7}"]
    known, new = make_entries(count), make_entries(count // 50, new_bodies=True)
    ways = _ways(root, known, new)
    lines += [f"group commit, {connections} tasks"]
    for name, entries, make in ways:
        lines.append(str(asyncio.run(measure(name, make(), entries, connections=connections))))
    lines.append(_read_back(root / "known"))
    lines.append(f"write alone, {_BATCH} entries: CPU us an append, an entry; us p50, p99, p99.9, longest")
    root = root / "alone"
    root.mkdir()
    lines += [measure_appends(name, make(), entries) for name, entries, make in _ways(root, known, new)]
    return lines


_Way = tuple[str, Sequence[Entry], Callable[[], _Log]]


def _ways(root: Path, known: Sequence[Entry], new: Sequence[Entry]) -> list[_Way]:
    """Return ways to log with what each is given, in files below a directory."""

    def new_log(name: str) -> _Log:
        return open_log(root / name, store_id=_STORE, max_bytes=4 << 30).log

    ways: list[_Way] = [
        ("log, known texts", known, lambda: new_log("known")),
        ("log, known texts, files used again", known, lambda: _recycled(root / "again", known)),
        ("log, every body new", new, lambda: new_log("new")),
    ]
    for checkpoint in (1000, 4000):
        for row_per_entry in (False, True):
            name = f"SQLite, row per {'entry' if row_per_entry else 'batch'}, checkpoint {checkpoint}"
            path = root / f"{checkpoint}{row_per_entry}.sqlite3"
            ways.append((name, known, _sqlite(path, checkpoint, row_per_entry)))
    return ways


def _sqlite(path: Path, checkpoint: int, row_per_entry: bool) -> Callable[[], _Log]:
    return lambda: SqliteLog(path, checkpoint=checkpoint, row_per_entry=row_per_entry)


def _recycled(root: Path, entries: Sequence[Entry]) -> _Log:
    """Return a log whose fold has caught up, so that it has spare files."""
    log = open_log(root, store_id=_STORE, max_bytes=4 << 30).log
    while log.end.segment < 8:
        log.append(entries[:2000])
    reader = open_reader(log.directory, store_id=_STORE)
    assert not isinstance(reader, LogRefused)
    reader.start(None)
    while (batch := reader.read()) and not isinstance(batch, LogRefused) and batch.entries:
        reader.release(batch.end)
    reader.close()
    return log


def _read_back(root: Path) -> str:
    [path] = root.iterdir()
    log = open_log(root, store_id=_STORE, max_bytes=4 << 30).log
    reader = open_reader(log.directory, store_id=_STORE)
    assert not isinstance(reader, LogRefused)
    reader.start(None)
    count, began = 0, time.process_time()
    while (batch := reader.read()) and not isinstance(batch, LogRefused) and batch.entries:
        count += len(batch.entries)
    cost = (time.process_time() - began) / count * 1e6
    size = sum(file.stat().st_size for file in path.iterdir())
    reader.close()
    log.close()
    return f"read back: {count:,} entries, {cost:.2f} us each; {size / count:.0f} bytes each on disk"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--directory", type=Path, help="where to log; the disk is what is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        lines = run(Path(directory), arguments.entries, arguments.connections)
    sys.stdout.write("\n".join([f"load average {os.getloadavg()[0]:.1f}", *lines, ""]))


if __name__ == "__main__":
    main()
