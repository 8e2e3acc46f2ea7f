"""A copy of a store in SQLite, made while others write to it."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine


def copy_store(engine: Engine, target: Path) -> int:
    """Copy all of the store, as of one moment, into a new file of mode 0600; return its bytes.

    Raises FileExistsError if the target exists, and OSError if it cannot be written. Nothing is left of a copy that was
    not finished, and the target appears when it is complete and on the disk.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "exists and is not overwritten")
    with engine.connect() as connection:
        source = connection.exec_driver_sql("PRAGMA database_list").one().file
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # VACUUM takes a file that is empty
    try:
        with closing(sqlite3.connect(source, isolation_level=None)) as store:
            store.execute("VACUUM INTO ?", (str(beside),))  # reads one snapshot, and blocks no writer (WAL)
        _sync(beside)
        os.link(beside, target)  # fails if the target came into being meanwhile
        _sync(target.parent)
    except sqlite3.Error as error:
        raise OSError(errno.EIO, str(error)) from None
    finally:
        beside.unlink()
    return target.stat().st_size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
