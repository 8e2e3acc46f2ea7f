"""A small fold: counts numbered entries in a SQLite file, whose transactions move the watermark, too.

``python -m tests.support.ingest.small_fold LOGS STORE WEIGHT`` folds until it is killed.
"""

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.ingest.log_directory import LogDirectory, find_logs
from app.ingest.log_reader import LogReader, open_reader
from app.ingest.log_values import LogRefused, Position
from tests.support.ingest.makers import STORE, number_of

_SCHEMA = """
CREATE TABLE counted (number INTEGER PRIMARY KEY, times INTEGER);
CREATE TABLE watermarks (log TEXT PRIMARY KEY, segment INTEGER, offset INTEGER, sequence INTEGER);
"""
_COUNT = "INSERT INTO counted VALUES (?, 1) ON CONFLICT (number) DO UPDATE SET times = times + 1"
_MOVE = "INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?, ?)"
_FIND = "SELECT segment, offset, sequence FROM watermarks WHERE log = ?"


class SmallFold:
    """Counts what the logs below a directory contain."""

    def __init__(self, root: Path, store: Path) -> None:
        self._root = root
        self._store = store

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._store, isolation_level=None)) as connection:
            yield connection

    def create(self) -> None:
        with self._connect() as connection:
            connection.executescript(_SCHEMA)

    def run(self, weight: int) -> None:
        """Fold all logs again and again."""
        with self._connect() as connection:
            while True:
                for directory in find_logs(self._root):
                    self._fold(connection, directory, weight, adopt=False)
                time.sleep(0.001)

    def finish(self) -> None:
        """Fold everything of writers that are dead."""
        with self._connect() as connection:
            for directory in find_logs(self._root):
                self._fold(connection, directory, 8192, adopt=True)

    def _fold(self, connection: sqlite3.Connection, directory: LogDirectory, weight: int, *, adopt: bool) -> None:
        reader = open_reader(directory, store_id=STORE)
        assert isinstance(reader, LogReader), reader
        row = connection.execute(_FIND, (directory.path.name,)).fetchone()
        refused = reader.start(row and Position(*row))
        assert refused is None, refused
        try:
            assert not adopt or reader.adopt(), "its writer is dead"
            while (batch := reader.read(weight)) and not isinstance(batch, LogRefused) and batch.entries:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_COUNT, [(number_of(entry),) for entry in batch.entries])
                connection.execute(_MOVE, (directory.path.name, *batch.end))
                connection.execute("COMMIT")
                reader.release(batch.end)
            assert not isinstance(batch, LogRefused), batch
        finally:
            reader.close()

    def counted(self) -> dict[int, int]:
        """Return how often each number was counted."""
        with self._connect() as connection:
            return dict(connection.execute("SELECT number, times FROM counted"))


if __name__ == "__main__":
    SmallFold(Path(sys.argv[1]), Path(sys.argv[2])).run(int(sys.argv[3]))
