"""Group commit: all entries that wait when the last write ends go into the next one.

::

    append() --> batch that gathers --(thread: one frame, one fdatasync)--> one future resolved for all of the batch
        |
        +- NotAppended at once if too many bytes wait

There is no timer. A batch leaves at the end of the event loop's turn in which its first entry arrived, so that
everything the turn brought goes together, or when the batch before it is durable.

All entries of a batch have the same fate, so they share one future. A waiter that is cancelled does not cancel it; its
entry stays in the batch, and is counted like any that was delivered without being acknowledged.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import monotonic
from typing import Any, Protocol

from app.ingest.entry import Entry
from app.ingest.log_values import AppendResult, FailureKind, NotAppended

logger = logging.getLogger(__name__)

MAX_BATCH_BYTES = 1 << 20
"""Entries of more bytes go into several frames: bounds what one write takes and what one crash can cut short."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One write of the log, for metrics: entries, seconds of the write, longest wait of an entry in seconds."""

    entries: int
    seconds: float
    waited: float
    result: AppendResult


class _Shared(asyncio.Future[AppendResult]):
    """A future that several tasks await: cancelling one of them must not cancel it for the others."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse. A cancelled task gets its CancelledError when the batch is done, which is soon."""
        return False


@dataclass(slots=True)
class _Batch:
    future: _Shared
    began: float
    entries: list[Entry] = field(default_factory=list)
    own_bytes: int = 0
    result: AppendResult | None = None
    seconds: float = 0


class Log(Protocol):
    """What the group commit needs of a log: see `IngestLog.append`."""

    def append(self, entries: Sequence[Entry]) -> AppendResult:
        """Append a batch, durably."""
        ...


class GroupCommit:
    """Appends entries for the tasks of one event loop. Start and stop it with the service."""

    def __init__(
        self,
        log: Log,
        *,
        max_waiting_bytes: int,
        on_commit: Callable[[Commit], None] = lambda commit: None,
    ) -> None:
        self._log = log
        self._max_waiting_bytes = max_waiting_bytes
        self._on_commit = on_commit
        self._batches: deque[_Batch] = deque()
        self._writing = False
        self._stopping = False
        self._waiting_bytes = 0
        self._waiting = 0
        self._to_write: SimpleQueue[_Batch | None] = SimpleQueue()
        self._failure: tuple[NotAppended, float] | None = None
        self._newest: _Shared | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """How many entries wait for their write."""
        return self._waiting

    @property
    def waiting_bytes(self) -> int:
        """Memory of the entries that wait for their write, about."""
        return self._waiting_bytes

    def recent_failure(self, seconds: float) -> NotAppended | None:
        """Return why the last batch was not appended, if that was less than so many seconds ago."""
        if self._failure is None or monotonic() - self._failure[1] > seconds:
            return None
        return self._failure[0]

    def start(self) -> None:
        """Start the thread that writes, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        # A daemon: a loop that ends without `stop` must not leave a process that never ends.
        self._thread = threading.Thread(target=self._write_all, name="ingest-log", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what waits, then end. The log stays open."""
        self._stopping = True
        await self._idle.wait()
        # Nothing is written any more, and `submit` refuses what comes.
        self._to_write.put(None)
        await asyncio.to_thread(self._thread.join)

    async def append(self, entry: Entry) -> AppendResult:
        """Return when the entry is durable, or why it is not."""
        return await self.submit(entry)

    async def wait_for_submitted(self) -> None:
        """Wait for the write of what was submitted before: of samples of rejections nobody else does."""
        if self._newest is not None and not self._newest.done():
            await asyncio.wait([self._newest])

    def submit(self, entry: Entry) -> asyncio.Future[AppendResult]:
        """Add an entry to a batch; return the batch's future, for `append` and for a protocol's callback."""
        own_bytes = entry.own_bytes
        # Else `stop` would wait for as long as senders send.
        if self._stopping:
            return self._refuse(FailureKind.STOPPED, "the service is stopping")
        # In bytes: an entry takes 400 with a known text, and as much as its body with a new one.
        if self._waiting_bytes + own_bytes > self._max_waiting_bytes:
            return self._refuse(FailureKind.TOO_MANY_WAITING, "too many submissions wait for the disk")
        # At the end of this turn of the loop, unless a batch is gathering and has asked for that.
        if not self._batches:
            self._loop.call_soon(self._send)
        if not self._batches or self._batches[-1].own_bytes + own_bytes > MAX_BATCH_BYTES:
            self._newest = _Shared(loop=self._loop)
            self._batches.append(_Batch(self._newest, monotonic()))
            self._idle.clear()
        batch = self._batches[-1]
        batch.entries.append(entry)
        batch.own_bytes += own_bytes
        self._waiting_bytes += own_bytes
        self._waiting += 1
        return batch.future

    def _refuse(self, kind: FailureKind, reason: str) -> asyncio.Future[AppendResult]:
        """Return a future that is done: the entry is in no batch."""
        future: asyncio.Future[AppendResult] = self._loop.create_future()
        future.set_result(NotAppended(kind, reason))
        return future

    def _send(self) -> None:
        """Hand the oldest batch to the thread, unless it is writing."""
        if not self._writing and self._batches:
            self._writing = True
            # One batch at a time: what comes during the write gathers in the next one.
            self._to_write.put(self._batches.popleft())

    def _write_all(self) -> None:
        """Write batches until there is a None. Runs in the thread, which alone uses the log."""
        while (batch := self._to_write.get()) is not None:
            began = monotonic()
            try:
                batch.result = self._log.append(batch.entries)
            except Exception as error:
                # The thread has to go on: without it all later submissions would wait for ever.
                logger.exception("a batch of %d entries could not be appended", len(batch.entries))
                batch.result = NotAppended(FailureKind.FAULT, str(error))
            batch.seconds = monotonic() - began
            # Futures and batches belong to the thread of the loop; this one only fills in the result.
            self._loop.call_soon_threadsafe(self._finish, batch)

    def _finish(self, batch: _Batch) -> None:
        """Send the next batch, then resolve this one: the disk works while the waiters run."""
        self._writing = False
        self._send()
        self._waiting_bytes -= batch.own_bytes
        self._waiting -= len(batch.entries)
        assert batch.result is not None  # set by the thread
        self._failure = (batch.result, monotonic()) if isinstance(batch.result, NotAppended) else None
        batch.future.set_result(batch.result)
        # `_send` has found no further batch, so nothing waits.
        if not self._writing:
            self._idle.set()
        self._on_commit(Commit(len(batch.entries), batch.seconds, monotonic() - batch.began, batch.result))
