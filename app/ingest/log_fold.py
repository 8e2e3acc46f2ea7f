"""Folds all logs below a directory: its own process's, those of others, and those that dead processes left.

::

    run:   lock the directory ──> round, round, … until stopped ──> what is left, and end
    round: find logs ──> for each: read a batch from its mark ──> Fold ──> give the segments back
                              └── nothing left and no writer: adopt, look again, remove

There is one fold for each directory, by a lock that the kernel releases when its process dies. Everything that fails is
tried again from the mark that the store has: what was counted is known there alone.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.ingest.entry import CanaryEntry
from app.ingest.fold import Counted, Fold, Section
from app.ingest.fold_status import Folded, FoldStatus, read_status, write_status
from app.ingest.log_directory import Lock, LogDirectory, find_logs, lock_directory, remove_leftovers
from app.ingest.log_reader import Batch, LogReader, open_reader
from app.ingest.log_values import LogRefused, Position, RefusalKind
from app.store.engine import now_ms
from app.store.fold_store import FoldStore, StoreAway
from app.store.write.values import LogPosition, MarkMoved

logger = logging.getLogger(__name__)

_POLL = 0.01
"""Seconds between looks at logs in which nothing is new."""
_LOOK = 0.5
"""Seconds between looks for other logs, for logs without a writer, and for a store or a lock that was not free."""
# Measured with a prototype on SQLite: a report takes 14.9 us in batches of 512, 7.6 in 4096, 7.1 in 8192.
_BATCH_WEIGHT = 8192
_INTERVAL = 0.25
"""Most seconds between two transactions while reports come: larger batches cost less for each report."""
_INTERVAL_PER_ENTRY = 0.004
"""After a few entries it waits less: a single report is visible at once."""
# Longer than for a store that is away: a fault seldom ends by itself, and each try logs a traceback.
_FAULT_PAUSE = 5.0


@dataclass(slots=True)
class _Followed:
    """A log that is being folded, and from when on its next batch may be read."""

    reader: LogReader
    mark: LogPosition | None
    due: float = 0.0
    adopt_at: float = 0.0


class LogFold:
    """The one fold of a directory of logs. ``wake`` cuts its waiting short."""

    def __init__(
        self,
        root: Path,
        fold: Fold,
        store: FoldStore,
        *,
        store_id: bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wake = threading.Event()
        self._root = root
        self._fold = fold
        self._store = store
        self._store_id = store_id
        self._monotonic = monotonic
        self._followed: dict[str, _Followed] = {}
        self._refused: dict[str, LogRefused] = {}
        self._look_at = 0.0
        self._status = FoldStatus()

    def run(self, stopping: threading.Event) -> None:
        """Fold until stopped, and then what is left, once the lock of the directory is free."""
        while not stopping.is_set():
            with _locked(self._root) as lock:
                if lock is not None:
                    self._begin()
                    self._run_locked(stopping)
                    return
            # Another process has the lock; if it dies, the kernel releases that, and this process folds.
            stopping.wait(_LOOK)

    def run_once(self) -> bool:
        """Fold what is there; False if another fold has the directory. Raises StoreAway, OSError."""
        with _locked(self._root) as lock:
            if lock is None:
                return False
            self._begin()
            try:
                while self._round(in_a_hurry=True):
                    pass
            finally:
                self._end()
        return True

    def _begin(self) -> None:
        """Take over the status of the fold before this one, so that counters go on."""
        # With the lock of the directory, so no other fold is removing a log now.
        remove_leftovers(self._root)
        before = read_status(self._root)
        self._status = replace(before, pid=os.getpid(), starts=before.starts + 1, refused={}, error=None)
        self._tell(self._status)

    def _end(self) -> None:
        """Close and unlock all logs; the next round begins at the marks that the store has."""
        for followed in self._followed.values():
            followed.reader.close()
        self._followed.clear()
        self._refused.clear()
        self._look_at = 0.0

    def _run_locked(self, stopping: threading.Event) -> None:
        """Fold until stopped, then what is left without waiting for large batches."""
        try:
            while not stopping.is_set():
                if not self._attempt(stopping, in_a_hurry=False):
                    self.wake.wait(_POLL)
                    self.wake.clear()
            # What was acknowledged before the stop. Ends with the first failure: the store may be away for hours.
            while self._attempt(None, in_a_hurry=True):
                pass
        finally:
            self._end()

    def _attempt(self, stopping: threading.Event | None, *, in_a_hurry: bool) -> bool:
        """Do a round; whether anything was counted. After a failure wait, and begin at the marks again."""
        try:
            return self._round(in_a_hurry=in_a_hurry)
        except StoreAway as error:
            # Once and not with each try: reports wait in the log, and nothing is lost.
            if self._status.error is None:
                logger.error("the store is away, reports wait in the log: %s", error)
            self._fail(str(error), stopping, _LOOK)
        except Exception as error:
            logger.exception("the fold failed")
            self._fail(repr(error), stopping, _FAULT_PAUSE)
        return False

    def _fail(self, reason: str, stopping: threading.Event | None, seconds: float) -> None:
        """Tell why counting failed, close all logs, and wait; not if the service stops."""
        self._end()
        # After the logs are closed: whether the batch was committed is known by the mark in the store alone.
        self._tell(replace(self._status, error=reason))
        if stopping is not None:
            stopping.wait(seconds)

    def _round(self, *, in_a_hurry: bool) -> bool:
        """Fold a batch of each log that is due; whether anything was counted."""
        now = self._monotonic()
        if now >= self._look_at or in_a_hurry:
            self._look_at = now + _LOOK
            self._find_logs()
        counted = False
        # A copy, because a log may be removed or refused while it is folded.
        for name, followed in list(self._followed.items()):
            if in_a_hurry or now >= followed.due:
                counted |= self._fold_next(name, followed, in_a_hurry=in_a_hurry)
        return counted

    def _find_logs(self) -> None:
        """Follow logs that came into being; try those again that were refused."""
        logs = {directory.path.name: directory for directory in find_logs(self._root)}
        # Moved away by an operator: a log that was folded to its end is followed no more.
        for name in self._followed.keys() - logs.keys():
            self._followed.pop(name).reader.close()
        refused: dict[str, LogRefused] = {}
        for name, directory in logs.items():
            if name not in self._followed and (reason := self._follow(name, directory)) is not None:
                refused[name] = reason
        self._tell_refused(refused)

    def _follow(self, name: str, directory: LogDirectory) -> LogRefused | None:
        """Lock a log and go to its mark; return why it is refused, if it is. Raises StoreAway."""
        mark = self._store.find_mark(directory.log_id)  # may fail, so before anything is locked
        reader = open_reader(directory, store_id=self._store_id)
        if isinstance(reader, LogRefused):
            return reader
        refused = reader.start(None if mark is None else _position(mark.position))
        if refused is not None:
            reader.close()
            return refused
        self._followed[name] = _Followed(reader, None if mark is None else mark.position)
        if mark is not None:
            # The file of the status is not durable; the mark is.
            folded = Folded(mark.position.segment, mark.position.offset, mark.newest_received_at)
            self._tell(replace(self._status, folded={**self._status.folded, name: folded}))
        return None

    def _tell_refused(self, refused: dict[str, LogRefused]) -> None:
        """Log refusals once, and tell those that are there now. A log that disappeared meanwhile is none."""
        # In use is no fault: `hpkp log skip` locks a log for a while.
        refused = {name: why for name, why in refused.items() if why.kind is not RefusalKind.IN_USE}
        for name, why in refused.items():
            if name not in self._refused:
                logger.error("%s", why)
        self._refused = refused
        # Compared with what was told: after a failure nothing is known as refused, and it may be told still.
        if (told := {name: str(why) for name, why in refused.items()}) != self._status.refused:
            self._tell(replace(self._status, refused=told))

    def _fold_next(self, name: str, followed: _Followed, *, in_a_hurry: bool) -> bool:
        """Fold the next batch of a log; whether there was any."""
        batch = followed.reader.read(_BATCH_WEIGHT)
        # Without a writer the log is read again: it may have written until it ended.
        if isinstance(batch, Batch) and not batch.entries and self._adopt(followed, in_a_hurry=in_a_hurry):
            batch = followed.reader.read(_BATCH_WEIGHT)  # its end is final only now
            if isinstance(batch, Batch) and not batch.entries:
                self._remove(name, followed)
                return False
        if isinstance(batch, LogRefused):
            self._refuse(name, batch)
            return False
        if batch.entries:
            self._fold_batch(name, followed, batch)
        return bool(batch.entries)

    def _fold_batch(self, name: str, followed: _Followed, batch: Batch) -> None:
        """(1) Count a batch, (2) give back its segments, (3) tell its end, (4) plan the next. Raises StoreAway."""
        reader = followed.reader
        section = Section(reader.directory.log_id, followed.mark, LogPosition(*batch.end))
        # (1) The mark moves in the same transaction: a kill at any moment counts each entry once.
        counted = self._fold.fold(batch.entries, section)
        # Nothing was counted: the mark that the store has is right, so reading goes on there.
        if isinstance(counted, MarkMoved):
            logger.warning("log %s is folded up to %s already", name, counted.mark)
            followed.mark = counted.mark
            if (refused := reader.start(None if counted.mark is None else _position(counted.mark))) is not None:
                self._refuse(name, refused)
            return
        followed.mark = section.ends_at
        # (2) Only behind the commit: what is recycled cannot be read again.
        reader.release(batch.end)
        # (3) Readers that wait for these entries look at the status.
        self._tell(_add(self._status, name, batch, counted))
        # (4) So a flood makes large batches, and a single report is seen at once.
        followed.due = self._monotonic() + min(_INTERVAL, len(batch.entries) * _INTERVAL_PER_ENTRY)

    def _adopt(self, followed: _Followed, *, in_a_hurry: bool) -> bool:
        """Lock a log for writing, too, if it has no writer; asked only now and then."""
        now = self._monotonic()
        if now < followed.adopt_at and not in_a_hurry:
            return False
        # Each try opens and locks a file.
        followed.adopt_at = now + _LOOK
        return followed.reader.adopt()

    def _remove(self, name: str, followed: _Followed) -> None:
        """Remove a log that is folded to its end and can get no writer."""
        del self._followed[name]
        # The files first: with a log left and no mark, it would be counted again.
        followed.reader.remove()
        self._tell(replace(self._status, folded={n: f for n, f in self._status.folded.items() if n != name}))
        self._store.delete_mark(followed.reader.directory.log_id)

    def _refuse(self, name: str, refused: LogRefused) -> None:
        """Follow a log no more, and tell why; it is tried again with the next look for logs."""
        self._followed.pop(name).reader.close()
        self._tell_refused(self._refused | {name: refused})

    def _tell(self, status: FoldStatus) -> None:
        """Keep what is told, and write it for other processes."""
        self._status = status
        write_status(self._root, status)


@contextmanager
def _locked(root: Path) -> Iterator[Lock | None]:
    """Hold the lock of a directory within a block; None if another fold has it."""
    lock = lock_directory(root)
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


def _add(status: FoldStatus, name: str, batch: Batch, counted: Counted) -> FoldStatus:
    """Add a batch that is counted to what the fold tells."""
    newest = max(entry.received_at for entry in batch.entries)
    # Never back, also if the clock was set back.
    if (before := status.folded.get(name)) is not None:
        newest = max(newest, before.newest_received_at)
    folded = Folded(batch.end.segment, batch.end.offset, newest)
    canaries = (entry.received_at for entry in batch.entries if isinstance(entry, CanaryEntry))
    told = replace(status, folded={**status.folded, name: folded})
    return told.plus(counted.result, unreadable=counted.unreadable, canary_at=max(canaries, default=0), at=now_ms())


def _position(mark: LogPosition) -> Position:
    """Convert a mark of the store into a position of the log."""
    return Position(mark.segment, mark.offset, mark.sequence)
