"""300 ends of logs that a crash tore or a disk damaged: recovered exactly, or refused with a clear message.

A crash leaves the sectors of the last frame written or not. Whatever else differs from what the writer wrote was
durable once, and a log that skipped it would lose acknowledged reports without a word.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.ingest.frames import HEADER_BYTES, SECTOR_BYTES
from app.ingest.log import open_log
from app.ingest.log_directory import LogDirectory
from app.ingest.log_reader import LogReader, open_reader
from app.ingest.log_values import LogRefused, RefusalKind
from tests.support.ingest.makers import STORE, append, number_of, open_small_log, read_all, report

_CASES = 300


@dataclass(frozen=True, slots=True)
class _Written:
    """A log whose writer died: the numbers and the end of each frame of its last segment, and how many came before."""

    path: Path
    last: Path
    frames: tuple[tuple[int, int], ...]
    """Offset and end of each frame of the last segment."""
    entries: tuple[int, ...]
    """The number of entries in the log up to and with each of these frames."""
    before: int


def _write(root: Path, random_: random.Random) -> _Written:
    log = open_small_log(root, segment_bytes=1 << 16)
    number, frames, entries, before = 0, list[tuple[int, int]](), list[int](), 0
    segment, at = 1, HEADER_BYTES
    for _ in range(random_.randint(2, 60)):
        size = random_.choice([1, 1, 3, 30])
        batch = [
            report(
                number + n,
                whole=random_.random() < 0.1,
                text=random_.randbytes(random_.choice([20, 900])).hex().encode(),
            )
            for n in range(size)
        ]
        end = append(log, *batch)
        if end.segment != segment:
            segment, at, before = end.segment, HEADER_BYTES, number
            frames.clear()
            entries.clear()
        frames.append((at, end.offset))
        number += size
        entries.append(number)
        at = end.offset
    log.close()
    last = log.directory.segment_path(segment)
    return _Written(log.directory.path, last, tuple(frames), tuple(entries), before)


Change = Callable[[bytearray, _Written, random.Random], int | None]
"""Alters the last segment; returns how many entries are left, or None if the log must be refused."""


def _tear_sectors(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Leave sectors of the last write unwritten: the machine lost power."""
    start, end = log.frames[-1]
    edges = [start, *range(start - start % SECTOR_BYTES + SECTOR_BYTES, end, SECTOR_BYTES), end]
    pieces = list(itertools.pairwise(edges))
    for first, last in random_.sample(pieces, random_.randint(1, len(pieces))):
        data[first:last] = bytes(last - first)
    return _before_last(log)


def _cut_write_short(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Write the last frame up to the end of a page: the process was killed."""
    start, end = log.frames[-1]
    edges = [start, *range(start - start % 4096 + 4096, end, 4096)]
    cut = random_.choice(edges)
    data[cut:end] = bytes(end - cut)
    return _before_last(log)


def _write_nothing(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Leave out the last write."""
    start, end = log.frames[-1]
    data[start:end] = bytes(end - start)
    return _before_last(log)


def _change_nothing(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    return log.entries[-1]


def _flip_in_the_middle(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Change a byte of a frame that others follow."""
    if len(log.frames) < 2:
        return _change_nothing(data, log, random_)
    start, end = random_.choice(log.frames[:-1])
    _flip(data, random_.randrange(start, end), random_)
    return None


def _flip_in_the_last_frame(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Change a byte of the last frame, which may have been acknowledged."""
    _flip(data, random_.randrange(*log.frames[-1]), random_)
    return None


def _flip_at_the_very_end(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    _, end = log.frames[-1]
    _flip(data, end - random_.randint(1, 8), random_)
    return None


def _flip_in_the_header(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    _flip(data, random_.randrange(HEADER_BYTES), random_)
    return None


def _junk_behind(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Add bytes that no writer wrote."""
    _, end = log.frames[-1]
    if end == len(data):
        return _change_nothing(data, log, random_)
    length = random_.randint(1, min(600, len(data) - end))
    data[end : end + length] = bytes(random_.randrange(1, 256) for _ in range(length))
    return None


def _older_frames_behind(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Add good frames of another place, as if the file had been used again without zeros."""
    start, end = log.frames[0]
    _, at = log.frames[-1]
    if at + end - start > len(data):
        return _change_nothing(data, log, random_)
    data[at : at + end - start] = data[start:end]
    return None


def _cut_file(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Make the file shorter than it was created."""
    del data[random_.randrange(HEADER_BYTES, len(data)) :]
    return None


def _cut_file_at_a_frame(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    del data[random_.choice(log.frames)[0] :]
    return None


def _zeros_in_the_middle(data: bytearray, log: _Written, random_: random.Random) -> int | None:
    """Remove a whole frame that others follow."""
    if len(log.frames) < 2:
        return _change_nothing(data, log, random_)
    start, end = random_.choice(log.frames[:-1])
    data[start:end] = bytes(end - start)
    return None


def _before_last(log: _Written) -> int:
    return log.entries[-2] if len(log.entries) > 1 else log.before


def _flip(data: bytearray, at: int, random_: random.Random) -> None:
    data[at] ^= random_.randint(1, 255)


_CHANGES: list[Change] = [
    _tear_sectors,
    _cut_write_short,
    _write_nothing,
    _change_nothing,
    _flip_in_the_middle,
    _flip_in_the_last_frame,
    _flip_at_the_very_end,
    _flip_in_the_header,
    _junk_behind,
    _older_frames_behind,
    _cut_file,
    _cut_file_at_a_frame,
    _zeros_in_the_middle,
]


def _read(path: Path) -> tuple[list[int], LogRefused | None]:
    reader = open_reader(LogDirectory(path), store_id=STORE)
    assert isinstance(reader, LogReader)
    assert reader.adopt()
    refused = reader.start(None)
    entries, later = ([], None) if refused else read_all(reader)
    reader.close()
    return list(map(number_of, entries)), refused or later


@pytest.mark.parametrize("case", range(_CASES))
def test_an_end_is_recovered_exactly_or_refused(case: int, tmp_path: Path) -> None:
    random_ = random.Random(case)
    written = _write(tmp_path, random_)
    change = _CHANGES[case % len(_CHANGES)]
    data = bytearray(written.last.read_bytes())
    left = change(data, written, random_)
    written.last.write_bytes(data)

    numbers, refused = _read(written.path)
    assert numbers == list(range(len(numbers))), "what is read is the beginning of what was written"
    opened = open_log(tmp_path, store_id=STORE, max_bytes=1 << 24, segment_bytes=1 << 16)
    if left is None:
        assert refused is not None, f"{change.__name__} went unnoticed"
        assert refused.kind in (RefusalKind.DAMAGED, RefusalKind.OTHER_VERSION, RefusalKind.OTHER_STORE)
        assert str(written.path) in str(refused)
        assert refused.fix in str(refused)
        # The next writer does not add to it either, and begins another log.
        assert [other.kind for other in opened.refused] == [refused.kind]
        assert opened.log.directory.path != written.path
    else:
        assert refused is None
        assert len(numbers) == left
        assert opened.refused == ()
        append(opened.log, report(left))
        assert opened.log.directory.path == written.path
    opened.log.close()
    if left is not None:
        assert _read(written.path) == (list(range(left + 1)), None)


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_byte_in_an_earlier_segment_is_refused_after_what_is_good(seed: int, tmp_path: Path) -> None:
    random_ = random.Random(seed)
    log = open_small_log(tmp_path)
    ends = [append(log, report(number)) for number in range(200)]
    log.close()
    number = random_.choice(log.directory.segments()[:-1])
    path = log.directory.segment_path(number)
    data = bytearray(path.read_bytes())
    end = max(end.offset for end in ends if end.segment == number)
    at = random_.randrange(HEADER_BYTES, end)
    _flip(data, at, random_)
    path.write_bytes(data)
    numbers, refused = _read(log.directory.path)
    good = sum((end.segment, end.offset) <= (number, at) for end in ends)
    assert numbers == list(range(good))
    assert refused is not None
    assert refused.kind is RefusalKind.DAMAGED
    assert path.name in refused.reason


def test_damage_is_refused_while_the_writer_goes_on(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    end = append(log, report(1))
    append(log, report(2))
    append(log, report(3))
    with log.directory.segment_path(1).open("r+b") as file:
        file.seek(end.offset + 50)
        file.write(b"!")
    reader = open_reader(log.directory, store_id=STORE)
    assert isinstance(reader, LogReader)
    assert reader.start(None) is None
    entries, refused = read_all(reader)
    assert list(map(number_of, entries)) == [1]
    assert refused is not None
    assert f"the frame at {end.offset} is damaged" in refused.reason
    assert reader.read() == refused, "it stays refused"
