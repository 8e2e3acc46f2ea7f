"""What an operator can do about a log that is refused as damaged or incomplete: continue behind the damage.

::

    counted ── mark │ damage … │ next readable segment ── counted from here on
                    └────┬─────┘
                    left out: told in bytes and entries, recorded as an event, kept in ``skipped/`` beside the logs

It continues with a segment, never with a frame in the middle of one: frames refer to definitions in front of them, and
one that is missing would give entries the texts of others.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.ingest.fold_status import read_status
from app.ingest.frames import HEADER_BYTES, SegmentHeader
from app.ingest.log_directory import LogDirectory, find_logs, sync_directory
from app.ingest.log_reader import LogReader, open_reader
from app.ingest.log_values import LogRefused, Position, RefusalKind
from app.ingest.segment import Segment
from app.store.engine import from_ms, now_ms
from app.store.fold_store import FoldStore
from app.store.write.values import LogMark, LogPosition

_KEPT = "skipped"
_LOCK_SECONDS = 5.0
"""A running fold looks at a refused log every half second, and has it locked for a moment."""
_SKIPPABLE = {RefusalKind.DAMAGED, RefusalKind.INCOMPLETE}


class CannotSkip(Exception):
    """A log from which nothing is left out, and why."""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """A log for an operator to see. ``waiting`` is None if the log's writer told no end."""

    name: str
    segments: int
    size: int
    """Bytes of all its files."""
    appended_at: datetime | None
    counted: int
    """How many entries were counted since the log began."""
    waiting: int | None
    """How many are not counted yet."""
    refused: str | None
    """Why it is not used, and what to do."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was left out of a log. ``entries`` is None if nothing tells how many there were."""

    name: str
    bytes_left_out: int
    entries_left_out: int | None
    segments: tuple[int, ...]
    continues_with: int | None
    """The segment with which it continues; None if nothing was left behind the damage, and the log is gone."""
    kept_in: Path

    def __str__(self) -> str:
        entries = (
            "an unknown number of entries" if self.entries_left_out is None else f"{self.entries_left_out} entries"
        )
        rest = "ends there" if self.continues_with is None else f"continues with segment {self.continues_with}"
        return (
            f"Ingest log {self.name}: {self.bytes_left_out} bytes with {entries} were left out, and are not counted; "
            f"it {rest}. The damaged files are kept in {self.kept_in}."
        )


def list_logs(root: Path, store: FoldStore) -> list[LogFacts]:
    """Describe the logs of a directory. Raises StoreAway."""
    refused, facts = read_status(root).refused, []
    for log in find_logs(root):
        mark, end = store.find_mark(log.log_id), log.read_end()
        counted = 0 if mark is None else mark.position.sequence
        facts.append(
            LogFacts(
                name=log.path.name,
                segments=len(log.segments()),
                size=log.size(),
                appended_at=None if end is None else from_ms(end.appended_at),
                counted=counted,
                waiting=None if end is None else max(0, end.position.sequence - counted),
                refused=refused.get(log.path.name),
            )
        )
    return facts


def skip_damage(root: Path, name: str, store: FoldStore, *, store_id: bytes) -> Skipped:
    """Continue a refused log behind its damage. Raises CannotSkip, StoreAway, OSError.

    (1) Lock the log as its fold. (2) Find the damage, from the watermark on. (3) Find the next segment whose header is
    good. (4) Move the watermark there, with an event, in one transaction. (5) Move aside what was left out.
    """
    log = next((log for log in find_logs(root) if log.path.name == name), None)
    if log is None:
        raise CannotSkip(f"there is no ingest log {name} in {root}")
    # (1) While this has the lock, no fold counts further and no segment is recycled.
    with closing(_lock(log, store_id)) as reader:
        mark = store.find_mark(log.log_id)
        watermark = (
            None if mark is None else Position(mark.position.segment, mark.position.offset, mark.position.sequence)
        )
        # (2) Entries that can be counted are never left out.
        _check_refused(reader, watermark)
        # If even the start is refused, the reader has no position: the watermark is the place then.
        at = max(reader.position, watermark or Position(1, HEADER_BYTES, 0))
        left_out = {number: size for number in log.segments() if (size := _count_used(log, number, at))}
        # (3) Not merely the next number: several segments in a row may be damaged.
        following = _find_following(log, at, store_id)
        if following is None:
            return _leave_out_rest(reader, at, mark, left_out, store)
        skipped = Skipped(
            name,
            sum(size for number, size in left_out.items() if number < following.number),
            # Exact: each header has the number of entries in front of it.
            following.sequence - at.sequence,
            tuple(number for number in left_out if number < following.number),
            following.number,
            root / _KEPT / name,
        )
        position = LogPosition(following.number, HEADER_BYTES, following.sequence)
        moved = LogMark(position, 0 if mark is None else mark.newest_received_at, now_ms())
        # (4) Before the files are moved: after a crash here they are in front of the watermark, and not counted.
        if not store.skip_log(log.log_id, mark, moved, str(skipped)):
            raise CannotSkip(f"ingest log {name} was counted further meanwhile")
        # (5) Kept and not deleted: their good frames can still be examined.
        for number in skipped.segments:
            _move_aside(log.segment_path(number), skipped.kept_in)
        return skipped


def _leave_out_rest(
    reader: LogReader, at: Position, mark: LogMark | None, left_out: dict[int, int], store: FoldStore
) -> Skipped:
    """Move a whole log aside, behind whose damage nothing is left."""
    log = reader.directory
    if not reader.is_adopted:
        raise CannotSkip(
            f"ingest log {log.path.name} is damaged in the segment to which the service writes; restart the service, "
            "which continues with another log, and skip then"
        )
    end, kept_in = log.read_end(), log.path.parent / _KEPT / log.path.name
    # The published end is not durable: one in front of the damage is out of date.
    entries = None if end is None or end.position < at else end.position.sequence - at.sequence
    skipped = Skipped(log.path.name, sum(left_out.values()), entries, tuple(left_out), None, kept_in)
    # The files first: with the log left and no watermark, it would be counted again from its beginning.
    for path in log.path.glob("*.segment"):
        _move_aside(path, kept_in)
    log.remove()
    store.skip_log(log.log_id, mark, None, str(skipped))
    return skipped


def _lock(log: LogDirectory, store_id: bytes) -> LogReader:
    """Lock a log as its fold. Raises CannotSkip if a running fold keeps it."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while isinstance(reader := open_reader(log, store_id=store_id), LogRefused):
        if reader.kind is not RefusalKind.IN_USE:
            raise CannotSkip(str(reader))
        if time.monotonic() > deadline:
            # A fold keeps the lock of a log that it uses, so waiting longer would not help.
            raise CannotSkip(f"ingest log {log.path.name} is not refused: the running service counts it")
        time.sleep(0.02)
    return reader


def _check_refused(reader: LogReader, watermark: Position | None) -> None:
    """Read from the watermark on; raise CannotSkip unless that comes to damage at once."""
    name, refused = reader.directory.path.name, reader.start(watermark)
    reader.adopt()  # if it has no writer; only then is a torn end distinguishable from damage
    if refused is None:
        batch = reader.read()
        if not isinstance(batch, LogRefused):
            what = "has entries that can be counted" if batch.entries else "is not damaged"
            raise CannotSkip(f"ingest log {name} {what}: the service counts it, and so does any other command")
        refused = batch
    if refused.kind not in _SKIPPABLE:
        raise CannotSkip(str(refused))


def _find_following(log: LogDirectory, at: Position, store_id: bytes) -> SegmentHeader | None:
    """Return the header of the first segment behind a position that can be opened."""
    for number in log.segments():
        if number > at.segment:
            segment = Segment.open(log.segment_path(number), log_id=log.log_id, store_id=store_id, number=number)
            if isinstance(segment, Segment):
                segment.close()
                # The number of the watermark never goes back: it says how many entries were counted.
                if segment.header.sequence >= at.sequence:
                    return segment.header
    return None


def _count_used(log: LogDirectory, number: int, at: Position) -> int:
    """Return how many bytes of a segment lie behind a position, without the zeros that were never written."""
    if number < at.segment:
        return 0
    used = len(log.segment_path(number).read_bytes().rstrip(b"\0"))
    return max(0, used - (at.offset if number == at.segment else 0))


def _move_aside(path: Path, directory: Path) -> None:
    """Move a file into a directory, durably. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.rename(directory / path.name)
    sync_directory(path.parent)
    sync_directory(directory)
