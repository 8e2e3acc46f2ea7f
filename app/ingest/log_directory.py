"""The files of one ingest log: a directory with its segments, and two lock files.

::

    HPKP_LOG_DIR/                      0700
      3f0c…/                           0700, named by the log's id: one log of one process
        writer.lock  fold.lock         flock: at most one writer and one fold
        end                            where the log ends and since when, for others to see without reading it
        0000000000000001.segment       0600; numbers follow each other
        0000000000000002.segment
        0000000000000000.spare         folded, filled with zeros: becomes a segment again

A segment comes into being complete: zeros and header are synced under another name (``.new``) before it gets its own.
Files are used again because overwriting changes no metadata: an append takes 48 us instead of 84 (facts in decision
record 24). A file on its way from segment to spare is ``.dirty``.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from app.ingest.frames import SegmentHeader
from app.ingest.log_values import Position

_ID_BYTES = 16
_REMOVED = ".removed"
# The piece after which others that wait for the disk get their turn, see `_fill`.
_ZEROS = bytes(1 << 18)
_SPARES = 2
"""Spare files that are kept: with a fold that keeps up, the writer never waits for a new file."""


class PublishedEnd(NamedTuple):
    """Where a log ends, and when that was appended, in milliseconds since the Unix epoch."""

    position: Position
    appended_at: int


_END = struct.Struct("<4Q")


class EndFile:
    """The file in which a writer publishes where its log ends. Not durable: only the segments are."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def publish(self, end: PublishedEnd) -> None:
        """Write where the log ends; 1 us, so it is done for each frame."""
        with contextlib.suppress(OSError):  # on a full disk the old end stays: readers then do not wait
            os.pwrite(self._fd, _END.pack(*end.position, end.appended_at), 0)

    def close(self) -> None:
        """Close the file; what was published stays."""
        os.close(self._fd)


class Lock:
    """An exclusive lock on a file, held until `release` or the end of the process.

    A child of `os.fork` shares it: take locks after forking.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, path: Path) -> "Lock | None":
        """Lock a file, creating it; None if another process has it or the directory is gone. Raises OSError."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return None
        try:
            # Of the open file: a lock of `fcntl` would end when the process closes any other descriptor of the file.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        # Between open and flock the directory may have been removed by a fold that had finished with it.
        if os.fstat(fd).st_nlink == 0:
            os.close(fd)
            return None
        return cls(fd)

    def release(self) -> None:
        """Unlock."""
        os.close(self._fd)


class LogDirectory:
    """The directory of one log."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path) -> "tuple[LogDirectory, Lock]":
        """Create the directory of a new log, locked for writing. Raises OSError."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(_ID_BYTES)
        # Under its own name only once it is locked: a fold would remove a log that has no writer.
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        lock = Lock.take(hidden / "writer.lock")
        assert lock is not None  # no other process knows the name
        hidden.rename(root / name)
        # Else a loss of power could take the name, and with it segments with entries that were acknowledged.
        sync_directory(root)
        return cls(root / name), lock

    @property
    def log_id(self) -> bytes:
        """The 16 bytes by which a watermark names the log."""
        return bytes.fromhex(self.path.name)

    def lock_for_writing(self) -> Lock | None:
        """Lock the log as its only writer; None if it has one. Raises OSError."""
        return Lock.take(self.path / "writer.lock")

    def lock_for_folding(self) -> Lock | None:
        """Lock the log as its only fold; None if it has one. Raises OSError."""
        return Lock.take(self.path / "fold.lock")

    @property
    def end_path(self) -> Path:
        """The file in which the writer publishes where the log ends."""
        return self.path / "end"

    def read_end(self) -> PublishedEnd | None:
        """Read where the log ends; None if its writer did not publish that."""
        try:
            *position, appended_at = _END.unpack(self.end_path.read_bytes())
        except (OSError, struct.error):
            return None
        return PublishedEnd(Position(*position), appended_at)

    def segment_path(self, number: int) -> Path:
        """Return the path of a segment."""
        return self.path / f"{number:016}.segment"

    def segments(self) -> list[int]:
        """Return the numbers of the segments, in order."""
        return sorted(int(path.stem) for path in self.path.glob("*.segment"))

    def size(self) -> int:
        """Return the bytes of all files, as their lengths say."""
        # Spare and unfinished files as well: the limit is for the disk, not for the entries.
        return sum(_size(path) for path in self.path.iterdir())

    def create_segment(self, header: SegmentHeader, *, room: int) -> tuple[int, SegmentHeader] | None:
        """Create a segment of at least ``header.size`` bytes, durable when this returns. Raises OSError.

        Returns the open file and its header, which has the file's actual size. Uses a spare file if there is one;
        else creates one of at most ``room`` bytes, or returns None if that is too little.
        """
        new = self.path / f"{header.number:016}.new"
        fd = self._open_spare(header.size, new)
        if fd is None:
            # Only a new file needs room: a spare one is part of the size already.
            if header.size > room:
                return None
            fd = _create_filled(new, header.size)
        try:
            header = replace(header, size=os.fstat(fd).st_size)
            _write(fd, header.encode(), 0)
            os.fsync(fd)
            # The name after the content is durable: a crash leaves a `.new`, which no reader takes for a segment.
            new.rename(self.segment_path(header.number))
            sync_directory(self.path)
        except OSError:
            os.close(fd)
            # A full disk is tried again every 0.25 s: without pause and removal a prototype left 3,000 files in 6 s. If
            # the sync of the directory failed, the file has its final name already, and the next try replaces it.
            new.unlink(missing_ok=True)
            raise
        return fd, header

    def _open_spare(self, size: int, new: Path) -> int | None:
        """Rename a spare file that is large enough, and open it."""
        for spare in sorted(self.path.glob("*.spare")):
            if _size(spare) >= size:
                spare.rename(new)
                return os.open(new, os.O_RDWR)
            # The segments of a writer grow up to their full size: a file that is too small now is of no more use to it.
            spare.unlink(missing_ok=True)
        return None

    def recycle_segment(self, number: int) -> None:
        """Turn a folded segment into a spare file, or remove it if there are enough. Raises OSError.

        The caller must have committed its watermark: afterwards the entries are gone.
        """
        segment = self.segment_path(number)
        if len(list(self.path.glob("*.spare"))) >= _SPARES:
            segment.unlink()
            return
        dirty = segment.with_suffix(".dirty")
        segment.rename(dirty)
        sync_directory(self.path)  # before the zeros: a segment with zeros in it would look damaged
        fd = os.open(dirty, os.O_RDWR)
        try:
            _fill(fd, os.fstat(fd).st_size, sync_pieces=True)
        finally:
            os.close(fd)
        # Not synced: if the new name is lost, the file is `.dirty` again, and the next fold removes it.
        dirty.rename(segment.with_suffix(".spare"))

    def remove_unfinished(self, suffix: str) -> None:
        """Remove what a process left that died while it created (``.new``) or recycled (``.dirty``) a file."""
        for path in self.path.glob(f"*{suffix}"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the log. The caller has both locks, and everything in it is folded."""
        # Under another name first: half a log would look like one that lost segments.
        removed = self.path.with_name(f".{self.path.name}{_REMOVED}")
        self.path.rename(removed)
        sync_directory(self.path.parent)
        shutil.rmtree(removed)


def lock_directory(root: Path) -> Lock | None:
    """Lock a directory of logs as the only fold of all of them; None if there is one. Raises OSError."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Lock.take(root / "fold.lock")


def find_logs(root: Path) -> list[LogDirectory]:
    """Return the logs below a directory by id; none if there is no directory."""
    if not root.is_dir():
        return []
    return [LogDirectory(path) for path in sorted(root.iterdir()) if _is_log_name(path.name) and path.is_dir()]


def remove_leftovers(root: Path) -> None:
    """Remove what is left of logs whose removal was interrupted. Raises OSError."""
    for path in root.glob(f".*{_REMOVED}"):
        # What cannot be removed has a hidden name, so it is no log, and is tried again at the next start.
        shutil.rmtree(path, ignore_errors=True)


def _is_log_name(name: str) -> bool:
    """Whether a name is an id in hexadecimal: so neither hidden, nor the directory of skipped files."""
    return len(name) == 2 * _ID_BYTES and all(c in "0123456789abcdef" for c in name)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _create_filled(path: Path, size: int) -> int:
    """Create a file of zeros that are really written, so that overwriting them allocates nothing."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # Reserved first: a full disk is noticed before anything is written to it.
        os.posix_fallocate(fd, 0, size)
        _fill(fd, size, sync_pieces=False)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def _fill(fd: int, size: int, *, sync_pieces: bool) -> None:
    """Overwrite a file with zeros; in pieces if others wait for the disk, else the caller syncs."""
    for at in range(0, size, len(_ZEROS)):
        _write(fd, _ZEROS[: size - at], at)
        if sync_pieces:
            os.fdatasync(fd)


def _write(fd: int, data: bytes, at: int) -> None:
    """Write all of some bytes. Raises OSError, also if only some of them fit."""
    if os.pwrite(fd, data, at) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _size(path: Path) -> int:
    """Return the size of a file, 0 for one that another process has just removed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
