"""The ingest log as its one writer has it: durable appends of whole batches. For one thread.

::

    append(batch) -> encode for the segment -> one frame, one fdatasync -> Appended(end) | NotAppended(why)

A segment receives frames until one does not fit or fails; then the next one begins, with a header that says where this
one ended. So nothing follows a torn or failed frame in its segment, and a failure of the disk ends by itself as soon as
a segment can be created again.
"""

import contextlib
import errno
import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.ingest.coding import Encoder
from app.ingest.entry import Entry
from app.ingest.frames import FRAME_OVERHEAD, HEADER_BYTES, SegmentHeader, build_frame
from app.ingest.log_directory import EndFile, Lock, LogDirectory, PublishedEnd, find_logs
from app.ingest.log_values import (
    Appended,
    AppendResult,
    FailureKind,
    LogRefused,
    NotAppended,
    Position,
    damaged,
    incomplete,
    unreadable,
)
from app.ingest.segment import Segment

logger = logging.getLogger(__name__)

# Each segment repeats the definitions that it uses: those of 200 chains are 2.3 MB.
SEGMENT_BYTES = 16 << 20
_FIRST_SEGMENT_BYTES = 1 << 20
"""Segments double from here: a small site never fills 32 MB of zeros at its start."""
_RETRY_SECONDS = 0.25
"""Pause after a failed append. Without it a full disk is asked for a file thousands of times a second."""
# All that an operator ends: a full disk, a quota, the limit for the size of one file.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(slots=True)
class _Current:
    """The segment that receives frames."""

    fd: int
    header: SegmentHeader
    encoder: Encoder
    end: Position
    path: Path
    inode: int
    """The path must still lead to this file: what is appended to a file that was moved away would never be counted."""


class IngestLog:
    """The log of this process, locked for writing. Made by `open_log`."""

    def __init__(
        self,
        directory: LogDirectory,
        lock: Lock,
        *,
        store_id: bytes,
        end: Position,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self._lock = lock
        self._ids = directory.log_id, store_id, secrets.token_bytes(16)
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._next_bytes = min(_FIRST_SEGMENT_BYTES, segment_bytes)
        self._monotonic = monotonic
        self._current: _Current | None = None
        self._failure: tuple[NotAppended, float] | None = None
        self._failing = False
        self._end_file = EndFile(directory.end_path)
        self.end = end
        """The position behind the last durable frame."""
        self.syncs = 0
        """How many frames were written and synced."""
        # Readers wait for what a dead process left, too; of a new log there is nothing to wait for.
        if end.segment:
            self._publish_end()

    def append(self, entries: Sequence[Entry]) -> AppendResult:
        """Append a batch in one frame; durable when it returns Appended, else nothing of it will be read.

        Raises ValueError for an entry that cannot be encoded; nothing is appended then.
        """
        if self._failure is not None:
            failed, until = self._failure
            # Everything that arrives in the pause gets the reason of the last try.
            if self._monotonic() < until:
                return failed
            self._failure = None
        try:
            return self._append(entries)
        except OSError as error:
            kind = FailureKind.DISK_FULL if error.errno in _FULL else FailureKind.WRITE_FAILED
            return self._fail(NotAppended(kind, f"the ingest log cannot be written: {error}"))

    def close(self) -> None:
        """Close the files and unlock. What is in the log stays for a fold."""
        self._leave_segment()
        self._end_file.close()
        self._lock.release()

    def _append(self, entries: Sequence[Entry]) -> AppendResult:
        """Append to the current segment, or to the next one if there is too little room. Raises OSError, ValueError."""
        if (current := self._current) is not None:
            payload = self._encode(current.encoder, entries)
            if current.end.offset + FRAME_OVERHEAD + len(payload) <= current.header.size:
                return self._write(current, payload, len(entries))
            self._leave_segment()
            self._next_bytes = min(2 * current.header.size, self._segment_bytes)
        # Encoded again: the payload above refers to definitions of the segment that is left.
        encoder = Encoder()
        payload = self._encode(encoder, entries)
        begun = self._begin_segment(encoder, HEADER_BYTES + FRAME_OVERHEAD + len(payload))
        return begun if isinstance(begun, NotAppended) else self._write(begun, payload, len(entries))

    def _encode(self, encoder: Encoder, entries: Sequence[Entry]) -> bytes:
        """Encode a batch for a segment. Raises ValueError, and has left the segment then."""
        try:
            return encoder.encode(entries)
        except ValueError:
            self._leave_segment()  # the encoder may have numbered definitions that will never be written
            raise

    def _begin_segment(self, encoder: Encoder, needed: int) -> _Current | NotAppended:
        """Create the next segment, with room for a first frame."""
        # The size covers a first frame that is larger than usual segments: it must not be refused for ever.
        header = SegmentHeader(
            *self._ids,
            number=self.end.segment + 1,
            size=max(self._next_bytes, needed),
            sequence=self.end.sequence,
            previous_end=self.end.offset,
        )
        size = self.directory.size()
        created = self.directory.create_segment(header, room=self._max_bytes - size)
        if created is None:
            reason = f"the ingest log has {size} of at most {self._max_bytes} bytes: the fold is behind"
            return self._fail(NotAppended(FailureKind.LOG_FULL, reason))
        fd, header = created
        # Published with the first frame: behind an empty segment there is nothing to wait for.
        self.end = Position(header.number, HEADER_BYTES, header.sequence)
        path = self.directory.segment_path(header.number)
        self._current = _Current(fd, header, encoder, self.end, path, os.fstat(fd).st_ino)
        return self._current

    def _write(self, current: _Current, payload: bytes, entries: int) -> AppendResult:
        """(1) Write a frame, (2) sync it, (3) check that it can be found, (4) publish the new end. Raises OSError."""
        segment, offset, sequence = current.end
        frame = build_frame(payload, seed=current.header.seed, offset=offset, sequence=sequence, entries=entries)
        try:
            # (1) A short write is a torn frame, and means that no more fits on the disk.
            if os.pwrite(current.fd, frame, offset) != len(frame):
                raise OSError(errno.ENOSPC, "the write was cut short")
            # (2) Not fsync: the file was filled with zeros, so neither its size nor its blocks change.
            os.fdatasync(current.fd)
            # (3) See `_Current.inode`.
            if current.path.stat().st_ino != current.inode:
                raise OSError(errno.ESTALE, f"{current.path} was replaced")
        except OSError:
            self._leave_segment()
            raise
        self.syncs += 1
        if self._failing:
            logger.info("the ingest log accepts entries again")
            self._failing = False
        # (4) Only now: readers wait for what is published, and the next frame begins there.
        self.end = current.end = Position(segment, offset + len(frame), sequence + entries)
        self._publish_end()
        return Appended(self.end)

    def _publish_end(self) -> None:
        """Write where the log ends for other processes to see."""
        self._end_file.publish(PublishedEnd(self.end, time.time_ns() // 1_000_000))

    def _leave_segment(self) -> None:
        """Close the current segment, if any; the next append begins another one."""
        if self._current is not None:
            with contextlib.suppress(OSError):  # close reports a late failure of a write that was refused already
                os.close(self._current.fd)
            self._current = None

    def _fail(self, failed: NotAppended) -> NotAppended:
        """Begin the pause after a failure, and log the first failure of a row."""
        if not self._failing:
            logger.error("%s", failed.reason)
        self._failing = True
        self._failure = failed, self._monotonic() + _RETRY_SECONDS
        return failed


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """A log ready for appends, and the logs beside it that could not be used, for the operator to see."""

    log: IngestLog
    refused: tuple[LogRefused, ...] = ()


def open_log(
    root: Path,
    *,
    store_id: bytes,
    max_bytes: int,
    segment_bytes: int = SEGMENT_BYTES,
    monotonic: Callable[[], float] = time.monotonic,
) -> OpenedLog:
    """Open a log for this process: one that a dead process left, else a new one. Raises OSError.

    Going on with what is left bounds the number of logs by the number of processes, however often they restart.
    """
    refused = []
    for directory in find_logs(root):
        if (lock := directory.lock_for_writing()) is None:
            continue
        end = find_end(directory, store_id=store_id)
        if isinstance(end, LogRefused):
            # What is appended behind damage would be acknowledged, and not counted before an operator skips that.
            lock.release()
            refused.append(end)
            continue
        # With the lock of the writer: these files are the writer's, as `.dirty` ones are the fold's.
        directory.remove_unfinished(".new")
        break
    else:
        directory, lock = LogDirectory.create(root)
        end = Position(0, 0, 0)
    log = IngestLog(
        directory,
        lock,
        store_id=store_id,
        end=end,
        max_bytes=max_bytes,
        # The fold gives back whole segments: with eight in the limit it makes room long before the log is full.
        segment_bytes=min(segment_bytes, max(max_bytes // 8, 1 << 16)),
        monotonic=monotonic,
    )
    return OpenedLog(log, tuple(refused))


def find_end(directory: LogDirectory, *, store_id: bytes) -> Position | LogRefused:
    """Find where a log without a writer ends; a torn end counts as not written, damage refuses the log.

    Reads all of it, because what is appended behind damage is not counted before somebody mends that. It is what is
    not folded yet: usually little, and at the limit of 1 GB a matter of seconds.
    """
    end, ends = Position(0, 0, 0), set[int]()
    for number in (numbers := directory.segments()):
        segment = Segment.open(
            directory.segment_path(number), log_id=directory.log_id, store_id=store_id, number=number
        )
        if isinstance(segment, LogRefused):
            return segment
        if segment is None:
            if number == numbers[-1]:
                # A fold recycles only what is in front of its watermark, so never the last segment.
                return damaged(directory.path, f"segment {number} disappeared")
            continue  # a fold has just counted it
        with closing(segment):
            previous_end = segment.header.previous_end
            if end.segment and number != end.segment + 1:
                return incomplete(
                    directory.path, f"segment {end.segment + 1} is missing, and segment {number} is there"
                )
            # Not its last good frame: one whose sync failed may be there, and was refused.
            if end.segment and previous_end not in ends:
                return damaged(
                    directory.path,
                    f"segment {end.segment} has no good frames up to {previous_end}, where it should end",
                )
            try:
                end = Position(number, HEADER_BYTES, segment.header.sequence)
                ends = {HEADER_BYTES}
                for frame in segment.frames():
                    end = Position(number, frame.end, frame.sequence + frame.entries)
                    ends.add(frame.end)
                # Only the last one may be torn; the end of any other is checked with the header that follows it.
                reason = segment.explain_end(end.offset) if number == numbers[-1] else None
            except OSError as error:
                return unreadable(directory.path, error)
            if reason is not None:
                return damaged(directory.path, reason)
    return end
