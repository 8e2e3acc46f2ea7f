"""Locks between processes that work on one store.

PostgreSQL has advisory locks for it. A SQLite file has its own lock for writers, and files next to it for upkeep.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from sqlalchemy import Connection, Engine

from app.store import postgres


class LockKey(IntEnum):
    """What the service does by itself beside taking reports; the numbers are part of the locks' keys."""

    REJUDGING = 0
    PRUNING = 1
    PROBING = 2
    CANARIES = 3
    VERDICTS = 4
    ALERTS = 5


def lock_inserts(connection: Connection) -> None:
    """Wait until nobody else adds violations, and keep others from it to the end of the transaction.

    So limits on what is new are exact, and no two writers add the same hosts and certificates in different orders.
    """
    if connection.dialect.name == "postgresql":
        postgres.wait_to_add(connection)


def lock_for_fold(connection: Connection, *, alone: bool) -> None:
    """Keep policies, judgements and deletions as they are until the end of the transaction, next to other folds.

    So a violation is added under the policy that it was judged with, and what it refers to is not deleted meanwhile.
    With ``alone`` no other fold runs either. Whoever changes these things calls `lock_inserts` first.
    Nor is the schema changed meanwhile: a statement that fails for that would look like a fault of the reports.
    """
    if connection.dialect.name == "postgresql":
        postgres.keep_schema(connection)
        postgres.wait_to_add(connection) if alone else postgres.wait_to_fold(connection)


@contextmanager
def try_lock(engine: Engine, key: LockKey) -> Iterator[bool]:
    """Tell whether nobody else does this now, and keep others from it within the block; nobody waits."""
    if engine.dialect.name != "postgresql":
        with _file_lock(engine.url.database, key) as ours:
            yield ours
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed for good at the end, and with the session the lock is gone
        yield postgres.try_upkeep(connection, key)


@contextmanager
def _file_lock(database: str | None, key: LockKey) -> Iterator[bool]:
    """Lock a file next to a SQLite store, if nobody has it; the kernel releases it when its process dies."""
    if not database or database == ":memory:":
        yield True
        return
    fd = os.open(f"{database}-{key.name.lower()}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
