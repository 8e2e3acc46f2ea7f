"""Why a store cannot be used: one classification for answers over HTTP, health checks, commands and the fold.

::

    away                                         ends by itself: locked, restarted, unreachable
    missing, replaced, corrupt, full,            ends when an operator acts
    incomplete, behind, ahead

The texts name no path, host or user: they are shown without a log-in. The service's log has the driver's words.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

StoreError = SQLAlchemyError
"""The family of everything that using the store raises, for layers that do not know the database's library."""


class StoreState(StrEnum):
    """Whether a store can be used, and if not, why."""

    ANSWERS = "answers"
    AWAY = "away"
    MISSING = "missing"
    REPLACED = "replaced"
    CORRUPT = "corrupt"
    FULL = "full"
    INCOMPLETE = "incomplete"
    BEHIND = "behind"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class StoreFailure:
    """Why a store cannot be used, with what to do about it."""

    state: StoreState
    reason: str

    @property
    def needs_operator(self) -> bool:
        """Whether it does not end by itself."""
        return self.state is not StoreState.AWAY


class StoreUnusable(SQLAlchemyError):
    """The store is there or not there in a way that an operator has to change; found by a check of our own."""

    def __init__(self, state: StoreState, reason: str) -> None:
        super().__init__(reason)
        self.failure = StoreFailure(state, reason)


AWAY = StoreFailure(StoreState.AWAY, "The database does not answer.")
_CORRUPT = StoreFailure(
    StoreState.CORRUPT,
    "The database is corrupt. Stop the service and restore a backup; the ingest log is counted then.",
)
_FULL = StoreFailure(StoreState.FULL, "The disk of the database is full. Free space; nothing has to be restarted.")

_SQLITE = {
    5: AWAY,  # BUSY
    6: AWAY,  # LOCKED
    8: AWAY,  # READONLY
    9: AWAY,  # INTERRUPT
    10: AWAY,  # IOERR
    11: _CORRUPT,  # CORRUPT
    13: _FULL,  # FULL
    14: AWAY,  # CANTOPEN
    15: AWAY,  # PROTOCOL
    26: _CORRUPT,  # NOTADB
}
"""By primary result code (https://sqlite.org/rescode.html). What is not here is a fault of the statement."""

_POSTGRES = {"53100": _FULL, "XX001": _CORRUPT, "XX002": _CORRUPT}
"""By SQLSTATE: disk_full, data_corrupted, index_corrupted."""


def describe_failure(error: SQLAlchemyError) -> StoreFailure | None:
    """Say why the store could not be used; None if the error is about a statement, which is a fault of this program."""
    if isinstance(error, StoreUnusable):
        return error.failure
    if isinstance(error, PoolTimeoutError):
        return AWAY
    if not isinstance(error, DBAPIError):
        return None
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)  # the bits above are details
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in _POSTGRES:
        return _POSTGRES[state]
    # 25…: a transaction that writes where only reading is allowed, as on a standby.
    if error.connection_invalidated or state.startswith("25") or isinstance(error, OperationalError | InterfaceError):
        return AWAY
    return None
