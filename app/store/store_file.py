"""The file of a SQLite store: connections use the file that was there at the beginning, and never make a new one.

A connection keeps the file that it opened after that was moved or deleted. What is counted then is lost with it, what
is read is old, and a new connection makes an empty file in its place. So taking a connection raises an error.

Another file in the same place is refused until the service is restarted: the write-ahead log of the first one may still
be there, and SQLite would apply it to the second.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, event

from app.store.failures import StoreState, StoreUnusable

_MISSING = "The database's file was moved or deleted. Put it back in its place; reports wait in the ingest log."
_REPLACED = (
    "Another file is in the place of the database's. Stop the service, see to it that the right file is there, "
    "without a -wal and -shm of the other, and start the service."
)


class StoreFile:
    """The file of a store, as it was when this was made. Raises StoreUnusable if it is missing."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file: tuple[int, int] | None = None
        self._file = self.check()

    def check(self) -> tuple[int, int]:
        """Return what identifies the file (device and inode). Raises StoreUnusable if it is missing or another one."""
        try:
            found = self._path.stat()
        except OSError:
            raise StoreUnusable(StoreState.MISSING, _MISSING) from None
        file = found.st_dev, found.st_ino
        if self._file is not None and file != self._file:
            raise StoreUnusable(StoreState.REPLACED, _REPLACED)
        return file

    def guard(self, engine: Engine) -> None:
        """Check before each connection is made and whenever one is taken, and let none make a file."""

        def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
            self.check()
            arguments[0] = f"file:{quote(str(self._path.absolute()))}?mode=rw"
            options["uri"] = True

        def check_out(_connection: Any, _record: Any, _proxy: Any) -> None:
            self.check()

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "checkout", check_out)
