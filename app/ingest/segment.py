"""A segment file as it is read: header, frames, and what its end means."""

import os
from collections.abc import Iterator
from pathlib import Path

from app.ingest.frames import (
    HEADER_BYTES,
    Frame,
    InvalidHeader,
    SegmentHeader,
    explain_rest,
    find_later_frame,
    read_frame,
    read_head,
    read_header,
)
from app.ingest.log_values import LogRefused, damaged, other_store, other_version, unreadable

# Bytes of one read: many frames of the usual size. A larger frame is read by itself.
_WINDOW = 1 << 18


class Segment:
    """An open segment file. Reads with pread: a mapped file that is cut would end the process (SIGBUS)."""

    def __init__(self, fd: int, path: Path, header: SegmentHeader) -> None:
        self._fd = fd
        self.path = path
        self.header = header
        self._seed = header.seed

    @classmethod
    def open(cls, path: Path, *, log_id: bytes, store_id: bytes, number: int) -> "Segment | LogRefused | None":
        """Open a segment of a log if it exists; refuse one of another format, store or place."""
        try:
            # Missing is no error here: it is not written yet, or a fold has recycled it. The caller knows which.
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            return unreadable(path.parent, error)
        header = _check_header(path, fd, log_id=log_id, store_id=store_id, number=number)
        if isinstance(header, LogRefused):
            os.close(fd)
            return header
        return cls(fd, path, header)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def frames(self, offset: int = HEADER_BYTES) -> Iterator[Frame]:
        """Yield the good frames from an offset on, up to the first place where there is none yet. Raises OSError."""
        while True:
            data, at = os.pread(self._fd, _WINDOW, offset), 0
            if head := read_head(data, 0, seed=self._seed, offset=offset):
                if head.end - offset > len(data):
                    # The file may have less than the head says: then `read_frame` finds no good frame.
                    data = os.pread(self._fd, head.end - offset, offset)
            else:
                return
            while head is not None and (frame := read_frame(data, at, head, seed=self._seed)) is not None:
                yield frame
                at += frame.end - frame.offset
                head = read_head(data, at, seed=self._seed, offset=frame.end)
            # A head without a good frame is torn, damaged, or being written: for the reader of the log to find out.
            if at == 0:
                return
            # The last frame of the window may be cut off: the next window begins with it.
            offset += at

    def explain_end(self, offset: int) -> str | None:
        """Say what is wrong behind the last good frame; None for a clean or torn end. Raises OSError."""
        size = os.fstat(self._fd).st_size
        # Compared again: the file may have been cut since it was opened.
        if size != self.header.size:
            return f"{self.path.name} has {size} bytes instead of {self.header.size}"
        reason = explain_rest(os.pread(self._fd, size - offset, offset), offset, seed=self._seed)
        return reason and f"{self.path.name}: {reason}"

    def explain_gap(self, offset: int) -> str | None:
        """Say what is wrong if there is a good frame behind an offset that has none. Raises OSError."""
        # Frames begin with a byte that is not zero. Usually there is none yet, and the rest need not be read.
        if os.pread(self._fd, 1, offset) in (b"", b"\0"):
            return None
        rest = os.pread(self._fd, self.header.size - offset, offset)
        later = find_later_frame(rest, offset, seed=self._seed)
        return None if later is None else f"{self.path.name}: the frame at {offset} is damaged, but not that at {later}"


def _check_header(path: Path, fd: int, *, log_id: bytes, store_id: bytes, number: int) -> SegmentHeader | LogRefused:
    """Read the header of a segment; refuse what is not the segment that it should be."""
    try:
        header, size = read_header(os.pread(fd, HEADER_BYTES, 0)), os.fstat(fd).st_size
    except OSError as error:
        return unreadable(path.parent, error)
    if isinstance(header, InvalidHeader):
        # Not called damage, which an operator may skip: the program of that version can count all of it.
        if header.version is not None:
            return other_version(path.parent, header.version)
        return damaged(path.parent, f"{path.name}: {header.reason}")
    # A file that was copied or renamed: its sequence says nothing about this place.
    if (header.log_id, header.number) != (log_id, number):
        return damaged(path.parent, f"{path.name} is segment {header.number} of log {header.log_id.hex()}")
    # Hashes under the keys of another store match no client and no retry of this one.
    if header.store_id != store_id:
        return other_store(path.parent)
    if size != header.size:
        return damaged(path.parent, f"{path.name} has {size} bytes instead of {header.size}")
    return header
