"""Whose turn it is where several processes work on one store. A SQLite file has one of them, and locks of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from sqlalchemy import Connection, Engine

from app.store import postgres


class Upkeep(IntEnum):
    """What the service does by itself beside taking reports; the numbers are part of the locks' keys."""

    REJUDGING = 0
    PRUNING = 1
    PROBING = 2
    CANARIES = 3
    VERDICTS = 4
    ALERTS = 5


def wait_for_other_writers(connection: Connection) -> None:
    """Wait until nobody else adds violations, and keep others from it to the end of the transaction.

    So limits on what is new are exact, and no two writers add the same hosts and certificates in different orders.
    """
    if connection.dialect.name == "postgresql":
        postgres.wait_to_add(connection)


def lock_for_fold(connection: Connection, *, alone: bool) -> None:
    """Keep policies, judgements and deletions as they are until the end of the transaction, next to other folds.

    So a violation is added under the policy that it was judged with, and what it refers to is not deleted meanwhile.
    With ``alone`` no other fold runs either. Whoever changes these things calls `wait_for_other_writers` first.
    """
    if connection.dialect.name == "postgresql":
        postgres.wait_to_add(connection) if alone else postgres.wait_to_fold(connection)


@contextmanager
def turn(engine: Engine, upkeep: Upkeep) -> Iterator[bool]:
    """Tell whether nobody else does this now, and keep others from it within the block; nobody waits."""
    if engine.dialect.name != "postgresql":
        yield True
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed for good at the end, and with the session the lock is gone
        yield postgres.try_upkeep(connection, upkeep)
