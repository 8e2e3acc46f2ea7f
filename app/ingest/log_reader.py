"""The ingest log as its one fold reads it: batches in order from a watermark, and files given back behind it.

The reader follows a log while its writer appends. A log without a writer is adopted: only then is its end final, and
only then is a torn end distinguishable from a frame that is just being written.

A frame may be read before it is durable, and lost if the machine loses power at that moment. Then the watermark is
behind the segment's end; what was counted too many is a retry when its sender repeats it.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from app.ingest.coding import Decoder, Undecodable
from app.ingest.entry import Entry, ReportEntry
from app.ingest.frames import HEADER_BYTES, Frame
from app.ingest.log_directory import Lock, LogDirectory
from app.ingest.log_values import LogRefused, Position, damaged, in_use, incomplete, unreadable
from app.ingest.segment import Segment

# Without weights one transaction of new bodies took 7 s, and had the write lock of SQLite for 2 of them.
_BODY_WEIGHT = 32
"""A whole body costs the fold that many times what an entry costs whose text it has seen before."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries in the order of the log. The watermark moves to ``end`` in the transaction that counts them."""

    entries: tuple[Entry, ...]
    start: Position
    end: Position


class LogReader:
    """Reads one log, locked for folding. Made by `open_reader`."""

    def __init__(self, directory: LogDirectory, lock: Lock, *, store_id: bytes) -> None:
        self.directory = directory
        self._fold_lock = lock
        self._writer_lock: Lock | None = None
        self._store_id = store_id
        self._segment: Segment | None = None
        self._frames: Iterator[Frame] | None = None
        self._decoder = Decoder()
        self._limit: int | None = None
        """Where the open segment ended, once another follows it."""
        self._at = Position(0, 0, 0)

    @property
    def position(self) -> Position:
        """The position behind what was read."""
        return self._at

    @property
    def is_adopted(self) -> bool:
        """Whether the log has no writer and can get none."""
        return self._writer_lock is not None

    def adopt(self) -> bool:
        """Lock the log for writing, too, if it has no writer; whether it has none. Raises OSError."""
        if self._writer_lock is None:
            # The lock of the fold is held already; neither is waited for, so their order cannot deadlock.
            self._writer_lock = self.directory.lock_for_writing()
        return self.is_adopted

    def start(self, watermark: Position | None) -> LogRefused | None:
        """Go to a watermark, or to the beginning without one; also back, after a transaction that was rolled back."""
        try:
            return self._start(watermark)
        except OSError as error:
            return unreadable(self.directory.path, error)

    def read(self, max_weight: int = 8192) -> Batch | LogRefused:
        """Return the next entries, possibly none; stops behind the frame that reaches the weight.

        An entry weighs 1, or `_BODY_WEIGHT` with a body of its own. What is good in front of damage is returned first;
        the next call refuses, and so do all after it.
        """
        start, entries, weight = self._at, list[Entry](), 0
        while weight < max_weight:
            try:
                frame = self._next_frame()
            except OSError as error:
                frame = unreadable(self.directory.path, error)
            if frame is None:
                break
            decoded = frame if isinstance(frame, LogRefused) else self._decode(frame)
            if isinstance(decoded, LogRefused):
                self._frames = None  # the same again at the next call
                if not entries:
                    return decoded
                break
            entries += decoded
            weight += sum(map(_weight_of, decoded))
        return Batch(tuple(entries), start, self._at)

    def release(self, watermark: Position) -> None:
        """Give back the segments in front of a watermark that is committed: afterwards they are gone.

        Raises OSError.
        """
        for number in self.directory.segments():
            # Never the segment of the watermark: `start` needs it, and its writer may still append to it.
            if number < watermark.segment:
                self.directory.recycle_segment(number)

    def remove(self) -> None:
        """Remove an adopted log of which everything is counted and committed. Raises OSError."""
        assert self.is_adopted
        # Before the locks are released: a starting process could otherwise take the log for writing.
        self.directory.remove()
        self.close()

    def close(self) -> None:
        """Close the files and unlock."""
        self._leave_segment()
        self._fold_lock.release()
        if self._writer_lock is not None:
            self._writer_lock.release()

    def _start(self, watermark: Position | None) -> LogRefused | None:
        """Open the watermark's segment, and read the definitions in front of it."""
        self._leave_segment()
        numbers = self.directory.segments()
        first = numbers[0] if numbers else None
        if watermark is None:
            self._at = Position(1, HEADER_BYTES, 0)
            if first is not None and first != 1:
                return incomplete(
                    self.directory.path, f"it begins with segment {first}, and the database has no watermark for it"
                )
        # A database that was restored from a backup has an old watermark, and the files are recycled.
        elif watermark.segment not in numbers:
            return incomplete(self.directory.path, f"segment {watermark.segment}, where the watermark is, is missing")
        else:
            self._at = watermark
        if first is None:
            return None
        if (refused := self._open(self._at.segment)) is not None:
            return refused
        assert self._segment is not None
        # Definitions are valid to the end of the segment, so those in front of the watermark are needed.
        for frame in self._segment.frames():
            if frame.end > self._at.offset:
                if frame.offset < self._at.offset:
                    return self._damaged(
                        f"{self._segment.path.name}: the watermark {self._at.offset} is inside a frame"
                    )
                break
            if (undecodable := self._decoder.learn(frame.payload)) is not None:
                return self._damaged(f"{self._segment.path.name}, frame at {frame.offset}: {undecodable.reason}")
        return None

    def _decode(self, frame: Frame) -> list[Entry] | LogRefused:
        """Decode a frame and move behind it."""
        assert self._segment is not None
        decoded = self._decoder.decode(frame.payload)
        if isinstance(decoded, Undecodable):
            return self._damaged(f"{self._segment.path.name}, frame at {frame.offset}: {decoded.reason}")
        # The checksum says nothing about frames that are missing in front; the running number does.
        if len(decoded) != frame.entries or frame.sequence != self._at.sequence:
            return self._damaged(f"{self._segment.path.name}, frame at {frame.offset}: entries are missing before it")
        self._at = Position(self._at.segment, frame.end, frame.sequence + frame.entries)
        return decoded

    def _next_frame(self) -> Frame | LogRefused | None:
        """Return the frame at the position; None if it is not there yet.

        (1) Read it, if it is there. (2) If not, find whether its segment has ended. (3) Refuse if frames in front of
        that end are missing. (4) At the end, go on with the next segment.
        """
        while True:
            # A segment without frames is opened each time: it was created again if its creation failed late.
            if self._segment is None or self._at.offset == HEADER_BYTES:
                refused = self._open(self._at.segment) or self._enter()
                if refused is not None or self._segment is None:
                    return refused
            # (1) The usual case.
            if (frame := self._frame_here()) is not None:
                return frame
            if self._limit is None:
                # (2) Nothing here: the segment is still written to, or the next one says where it ended.
                if (refused := self._find_limit()) is not None:
                    return refused
                if self._limit is None:
                    return self._check_end()
                # Look again: frames may have been added before the next segment was.
            elif self._at.offset < self._limit:
                # (3) The writer names as the end only what was durable: so a frame has been damaged.
                name = self._segment.path.name
                return self._damaged(f"{name} has no good frame at {self._at.offset} and should end at {self._limit}")
            else:
                # (4) What may follow here failed its sync, was refused, and is not read.
                self._at = Position(self._at.segment + 1, HEADER_BYTES, self._at.sequence)
                self._leave_segment()

    def _frame_here(self) -> Frame | None:
        """Return the frame at the position in the open segment, unless its segment ended before."""
        assert self._segment is not None
        # A good frame may be behind the limit: its sync failed, and its senders were told so.
        if self._limit is not None and self._at.offset >= self._limit:
            return None
        if self._frames is None:
            self._frames = self._segment.frames(self._at.offset)
        # An iterator that has ended sees nothing that is appended later, so it is made again.
        frame = next(self._frames, None)
        if frame is None or (self._limit is not None and frame.end > self._limit):
            self._frames = None
            return None
        return frame

    def _find_limit(self) -> LogRefused | None:
        """Find where the open segment ended, as the next one says; refuse if that is missing."""
        number = self._at.segment + 1
        following = self._open_segment(number)
        if isinstance(following, LogRefused):
            return following
        if following is None:
            return self._refuse_if_missing(number)
        with closing(following):
            self._limit = following.header.previous_end
        return None

    def _refuse_if_missing(self, number: int) -> LogRefused | None:
        """Refuse if a segment does not exist, and later ones do."""
        last = max(self.directory.segments(), default=0)
        if last <= number:  # or the writer has just created it
            return None
        return incomplete(self.directory.path, f"segment {number} is missing, and segment {last} is there")

    def _enter(self) -> LogRefused | None:
        """Check that a segment at whose beginning the position is continues where the one before ended."""
        if self._segment is None:
            return self._refuse_if_missing(self._at.segment)
        if self._at.offset == HEADER_BYTES:
            sequence = self._segment.header.sequence
            if sequence > self._at.sequence:
                return self._damaged(f"{self._segment.path.name}: entries are missing before it")
            # Less if frames were read that failed, or that were lost before they were durable.
            self._at = self._at._replace(sequence=sequence)
        return None

    def _check_end(self) -> LogRefused | None:
        """Refuse damage at the end of the last segment."""
        assert self._segment is not None
        if self.is_adopted:
            reason = self._segment.explain_end(self._at.offset)
        else:
            # The writer may be amid a frame, but never with a good one behind it. Looked at twice, because the frame
            # may have become good between reading it and what is behind it.
            reason = self._segment.explain_gap(self._at.offset)
            if reason is not None and next(self._segment.frames(self._at.offset), None) is not None:
                return None
        return None if reason is None else self._damaged(reason)

    def _open(self, number: int) -> LogRefused | None:
        """Open a segment if it exists, with its limit, and with a decoder that knows no definitions."""
        self._leave_segment()
        opened = self._open_segment(number)
        if isinstance(opened, LogRefused):
            return opened
        self._segment = opened
        if opened is not None:
            self._find_limit()  # a refusal comes again behind the good frames of this segment
        return None

    def _open_segment(self, number: int) -> Segment | LogRefused | None:
        """Open a segment of this log; None if it does not exist."""
        directory = self.directory
        return Segment.open(
            directory.segment_path(number), log_id=directory.log_id, store_id=self._store_id, number=number
        )

    def _leave_segment(self) -> None:
        """Close the open segment, and drop what is valid in that segment alone."""
        if self._segment is not None:
            self._segment.close()
        self._segment, self._frames, self._limit, self._decoder = None, None, None, Decoder()

    def _damaged(self, reason: str) -> LogRefused:
        """Refuse this log as damaged."""
        return damaged(self.directory.path, reason)


def _weight_of(entry: Entry) -> int:
    """Return what an entry costs the fold, in entries whose text it knows."""
    return 1 if isinstance(entry, ReportEntry) and entry.dates is not None else _BODY_WEIGHT


def open_reader(directory: LogDirectory, *, store_id: bytes) -> LogReader | LogRefused:
    """Lock a log for folding; continue with `LogReader.start`."""
    try:
        if (lock := directory.lock_for_folding()) is None:
            return in_use(directory.path, "folds")
        # Counted and committed before it got this name, and perhaps half zeros.
        directory.remove_unfinished(".dirty")
    except OSError as error:
        return unreadable(directory.path, error)
    return LogReader(directory, lock, store_id=store_id)
