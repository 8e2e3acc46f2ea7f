"""The store as the fold of the ingest log sees it: connections of its own, frozen values, two kinds of failure.

::

    StoreAway     locked, full, gone, of another version: the same again may succeed, and nothing is wrong with what was
                  to be stored
    StoreRefused  refused for what is in it: the same again fails again
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from app.hpkp.pinned_host import Histories
from app.store.engine import now_ms, open_store, writing
from app.store.events import add_event
from app.store.failures import StoreUnusable, describe_failure
from app.store.read.fold_inputs import (
    KnownViolation,
    Names,
    NewViolations,
    count_new_violations,
    find_violations,
    load_histories_for,
    load_registered,
)
from app.store.write.fold import fold, fold_batch
from app.store.write.marks import delete_mark, read_mark, set_mark
from app.store.write.values import FoldBatch, FoldLimits, FoldOutcome, FoldResult, LogMark


class StoreAway(Exception):
    """The store did not answer, or could not write; nothing that was to be stored is the reason."""


class StoreRefused(Exception):
    """The store cannot take what it was given."""


class FoldStore:
    """What the fold, and whoever waits for it, asks the store. Every method raises StoreAway or StoreRefused."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> "FoldStore":
        """Open connections apart from those of readers: whatever they do, the fold gets its own."""
        return cls(open_store(url))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def find_mark(self, log_id: bytes) -> LogMark | None:
        """Return how far a log is folded; None if it never was."""
        with self._told_apart(), self._engine.connect() as connection:
            return read_mark(connection, log_id)

    def delete_mark(self, log_id: bytes) -> None:
        """Delete the mark of a log whose files are removed."""
        with self._told_apart(), writing(self._engine) as connection:
            delete_mark(connection, log_id)

    def skip_log(self, log_id: bytes, mark: LogMark | None, moved: LogMark | None, text: str) -> bool:
        """Move or delete the mark of a log of which something is left out, with an event; False if it moved meanwhile.

        The caller holds the log's lock.
        """
        with self._told_apart(), writing(self._engine) as connection:
            if read_mark(connection, log_id, lock=True) != mark:
                return False
            if moved is None:
                delete_mark(connection, log_id)
            else:
                set_mark(connection, log_id, moved)
            add_event(connection, "log_skipped", text, at=now_ms())
            return True

    def find_violations(self, identities: Iterable[bytes]) -> dict[bytes, KnownViolation]:
        """Find violations by identity."""
        with self._told_apart(), self._engine.connect() as connection:
            return find_violations(connection, identities)

    def load_histories(self, names: Iterable[Names]) -> Histories:
        """Load the policy histories of all hosts that may answer for reports, and the releases that pin their names."""
        with self._told_apart(), self._engine.connect() as connection:
            return load_histories_for(connection, names)

    def load_registered(self) -> dict[str, bool]:
        """Load every host that ever had a policy, and whether that ever covered its subdomains."""
        with self._told_apart(), self._engine.connect() as connection:
            return load_registered(connection)

    def count_new_violations(self, hosts: Iterable[str], *, since: int, until: int) -> NewViolations:
        """Count what was added in a time, in milliseconds, from which limits are reckoned."""
        with self._told_apart(), self._engine.connect() as connection:
            return count_new_violations(connection, hosts, since=since, until=until)

    def fold(self, batch: FoldBatch, limits: FoldLimits) -> FoldOutcome:
        """Count a batch. After StoreAway it is not known whether it is counted: the log's mark tells."""
        with self._told_apart():
            outcome = fold_batch(self._engine, batch, limits)
            with self._engine.connect():
                pass  # taking a connection checks the store's file: it may have been moved while the batch was written
            return outcome

    def can_fold(self, batch: FoldBatch, limits: FoldLimits) -> bool:
        """Whether the store takes a batch: it is counted, and rolled back."""
        try:
            with (
                self._told_apart(),
                self._engine.connect().execution_options(writing=True) as connection,
                connection.begin() as transaction,
            ):
                outcome = fold(connection, batch, limits)
                transaction.rollback()
        except StoreRefused:
            return False
        return isinstance(outcome, FoldResult)

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Turn what a driver raises into one of the two kinds of failure."""
        try:
            yield
        except StoreUnusable as error:
            # A file that was moved gets its write-ahead log with the last connection that is closed.
            self._engine.dispose()
            raise StoreAway(str(error)) from error
        except SQLAlchemyError as error:
            raise (StoreAway if _is_away(error) else StoreRefused)(str(error)) from error


def _is_away(error: SQLAlchemyError) -> bool:
    """Whether the store as a whole failed, and not one statement for what was in it."""
    if describe_failure(error) is not None:
        return True
    return isinstance(error, DBAPIError) and not isinstance(error, DataError | IntegrityError | ProgrammingError)
