"""The ingest log with one writer and one reader: order, segments, locks, limits and files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.ingest.frames import HEADER_BYTES
from app.ingest.log import IngestLog, open_log
from app.ingest.log_directory import LogDirectory, find_logs, remove_leftovers
from app.ingest.log_reader import LogReader, open_reader
from app.ingest.log_values import Appended, FailureKind, LogRefused, NotAppended, Position, RefusalKind
from tests.support.ingest.makers import (
    SMALL_SEGMENT,
    STORE,
    append,
    number_of,
    numbers_in,
    open_small_log,
    read_all,
    read_batch,
    reader_of,
    report,
)


def test_entries_are_read_in_order_across_segments(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    for first in range(0, 600, 6):
        append(log, *(report(number, whole=number % 50 == 0) for number in range(first, first + 6)))
    log.close()
    assert len(log.directory.segments()) > 5
    assert log.end.sequence == 600
    assert numbers_in(log.directory.path) == list(range(600))


def test_every_segment_can_be_read_alone(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    text = b"t" * 2000
    ends = [append(log, report(number, text=text)) for number in range(200)]
    log.close()
    for number in log.directory.segments()[1:]:
        before = [end for end in ends if end.segment < number]
        start = Position(number, HEADER_BYTES, before[-1].sequence)
        reader = reader_of(log.directory.path, start)
        entries, refused = read_all(reader)
        reader.close()
        assert refused is None
        assert list(map(number_of, entries)) == list(range(before[-1].sequence, 200))


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    reader = reader_of(log.directory.path)
    assert read_batch(reader).entries == ()
    for number in range(300):
        end = append(log, report(number))
        batch = read_batch(reader)
        assert list(map(number_of, batch.entries)) == [number]
        assert batch.end == end
        assert read_batch(reader).entries == ()
    assert not reader.adopt()


def test_a_reader_continues_behind_its_watermark(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    ends = [append(log, report(number, text=b"t" * 500)) for number in range(120)]
    for number in (0, 1, 17, 60, 118, 119):
        reader = reader_of(log.directory.path, ends[number])
        assert list(map(number_of, read_all(reader)[0])) == list(range(number + 1, 120))
        # The transaction was rolled back: read it again.
        assert reader.start(ends[number]) is None
        assert list(map(number_of, read_all(reader)[0])) == list(range(number + 1, 120))
        reader.close()


def test_a_batch_stops_behind_the_frame_that_reaches_the_weight(tmp_path: Path) -> None:
    log = open_small_log(tmp_path, segment_bytes=1 << 20)
    for first in range(0, 100, 10):
        append(log, *(report(number, whole=first >= 50) for number in range(first, first + 10)))
    reader = reader_of(log.directory.path)
    # An entry with a known text weighs 1, one with a body of its own 32.
    assert [len(read_batch(reader, 45).entries) for _ in range(7)] == [50, 10, 10, 10, 10, 10, 0]


def test_folded_segments_are_used_again(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    reader = reader_of(log.directory.path)
    sizes, read = set(), list[int]()
    for first in range(0, 3000, 10):
        append(log, *map(report, range(first, first + 10)))
        batch = read_batch(reader)
        read += map(number_of, batch.entries)
        reader.release(batch.end)
        sizes.add(log.directory.size())
    assert read == list(range(3000))
    assert log.end.segment > 30
    assert max(sizes) <= 4 * SMALL_SEGMENT
    names = {path.suffix or path.name for path in log.directory.path.iterdir()}
    assert names == {".segment", ".spare", ".lock", "end"}


def test_files_and_directories_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log = open_small_log(tmp_path / "log")
        for number in range(200):
            append(log, report(number))
        reader_of(log.directory.path).close()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in log.directory.path.iterdir()} == {0o600}
    assert log.directory.path.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700


_OPEN_AND_WAIT = """
import sys
from pathlib import Path
from tests.support.ingest.makers import STORE, open_small_log, append, report
log = open_small_log(Path(sys.argv[1]))
append(log, report(1))
print(log.directory.path, flush=True)
sys.stdin.read()
"""


def test_two_processes_cannot_write_one_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OPEN_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = LogDirectory(Path(other.stdout.readline().strip()))
        try:
            assert theirs.lock_for_writing() is None
            log = open_small_log(tmp_path)
            assert log.directory.path != theirs.path
            reader = reader_of(theirs.path)
            assert not reader.adopt()
            reader.close()
            log.close()
        finally:
            other.kill()
            other.wait()
    # Its process is dead, so the next one continues it.
    paths = set()
    logs = [open_small_log(tmp_path) for _ in range(2)]
    paths = {log.directory.path for log in logs}
    assert theirs.path in paths
    assert len(find_logs(tmp_path)) == 2
    for log in logs:
        log.close()


def test_two_folds_cannot_read_one_log(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    reader = reader_of(log.directory.path)
    refused = open_reader(LogDirectory(log.directory.path), store_id=STORE)
    assert isinstance(refused, LogRefused)
    assert refused.kind is RefusalKind.IN_USE
    assert "another process folds it" in str(refused)
    reader.close()


def test_a_writer_goes_on_with_a_dead_one_s_log_in_a_new_segment(tmp_path: Path) -> None:
    for start in range(0, 50, 10):
        log = open_small_log(tmp_path)
        append(log, *map(report, range(start, start + 10)))
        log.close()
    assert len(find_logs(tmp_path)) == 1
    assert log.directory.segments() == [1, 2, 3, 4, 5]
    assert numbers_in(log.directory.path) == list(range(50))


def test_an_adopted_log_is_removed_when_it_is_folded(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    reader = reader_of(log.directory.path)
    assert not reader.adopt()
    log.close()
    assert reader.adopt()
    assert len(read_batch(reader).entries) == 1
    # No new writer may get in between.
    other = open_small_log(tmp_path)
    assert other.directory.path != log.directory.path
    reader.remove()
    assert [found.path for found in find_logs(tmp_path)] == [other.directory.path]


def test_a_removal_that_was_interrupted_leaves_no_log(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    log.close()
    log.directory.path.rename(tmp_path / f".{log.directory.path.name}.removed")
    assert find_logs(tmp_path) == []
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    log.close()
    for name in ("0000000000000009.new", "0000000000000007.dirty"):
        (log.directory.path / name).write_bytes(b"x" * 100)
    open_small_log(tmp_path).close()
    reader_of(log.directory.path).close()
    names = {path.name for path in log.directory.path.iterdir()}
    assert names == {"0000000000000001.segment", "end", "fold.lock", "writer.lock"}


class _Clock:
    """A monotonic clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_full_log_refuses_and_recovers_when_it_is_folded(tmp_path: Path) -> None:
    clock, limit = _Clock(), 8 * SMALL_SEGMENT
    log = open_log(tmp_path, store_id=STORE, max_bytes=limit, segment_bytes=SMALL_SEGMENT, monotonic=clock).log
    accepted = _append_until_refused(log, 0)
    assert log.directory.size() <= limit
    assert accepted > 200

    reader = reader_of(log.directory.path)
    batch = read_batch(reader)
    assert list(map(number_of, batch.entries)) == list(range(accepted))
    reader.release(batch.end)
    refused = log.append([report(accepted)])
    assert isinstance(refused, NotAppended), "it does not try again at once"
    clock.now += 1
    assert append(log, report(accepted)).sequence == accepted + 1
    more = _append_until_refused(log, accepted + 1)
    assert list(map(number_of, read_all(reader)[0])) == list(range(accepted, accepted + 1 + more))
    assert log.directory.size() <= limit


def _append_until_refused(log: IngestLog, number: int) -> int:
    first = number
    while isinstance(result := log.append([report(number)]), Appended):
        number += 1
    assert result.kind is FailureKind.LOG_FULL
    assert "the fold is behind" in result.reason
    return number - first


def test_an_entry_longer_than_a_segment_gets_one_of_its_size(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    append(log, report(2, text=b"x" * 300_000, whole=True))
    append(log, report(3))
    log.close()
    assert numbers_in(log.directory.path) == [1, 2, 3]


def test_a_log_that_was_moved_away_acknowledges_nothing(tmp_path: Path) -> None:
    log = open_small_log(tmp_path / "log")
    append(log, report(1))
    shutil.move(log.directory.path, tmp_path / "elsewhere")
    refused = log.append([report(2)])
    assert isinstance(refused, NotAppended)
    assert refused.kind is FailureKind.WRITE_FAILED


def test_an_entry_that_cannot_be_encoded_leaves_no_trace(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    with pytest.raises(ValueError, match="wrong length"):
        log.append([report(2, text=b"defined here only"), report(3)._replace(client=b"")])
    append(log, report(4, text=b"defined here only"))
    log.close()
    assert numbers_in(log.directory.path) == [1, 4]


def _refusal_of(path: Path, watermark: Position | None = None, *, store_id: bytes = STORE) -> LogRefused:
    """Return why a reader refuses a log, at the start or at the first read."""
    reader = open_reader(LogDirectory(path), store_id=store_id)
    assert isinstance(reader, LogReader)
    try:
        refused = reader.start(watermark) or read_all(reader)[1]
    finally:
        reader.close()
    assert refused is not None
    return refused


def test_a_log_of_another_store_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    log.close()
    opened = open_log(tmp_path, store_id=b"another store...", max_bytes=1 << 20)
    assert opened.log.directory.path != log.directory.path
    opened.log.close()
    for refused in (*opened.refused, _refusal_of(log.directory.path, store_id=b"another store...")):
        assert refused.kind is RefusalKind.OTHER_STORE
        assert str(log.directory.path) in str(refused)
        assert "HPKP_LOG_DIR" in refused.fix
    assert len(opened.refused) == 1


def test_a_log_of_another_version_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    append(log, report(1))
    log.close()
    with log.directory.segment_path(1).open("r+b") as file:
        file.seek(8)
        file.write((7).to_bytes(2, "little"))
    opened = open_log(tmp_path, store_id=STORE, max_bytes=1 << 20)
    opened.log.close()
    for refused in (*opened.refused, _refusal_of(log.directory.path)):
        assert refused.kind is RefusalKind.OTHER_VERSION
        assert "format 7, this program reads format 1" in refused.reason
        assert "Run the version that wrote it" in refused.fix
    assert len(opened.refused) == 1


def test_a_log_that_lacks_segments_is_refused(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    ends = [append(log, report(number)) for number in range(300)]
    log.close()
    log.directory.segment_path(1).unlink()
    for watermark in (None, ends[3]):
        refused = _refusal_of(log.directory.path, watermark)
        assert refused.kind is RefusalKind.INCOMPLETE
        assert "segment" in refused.reason
    reader = reader_of(log.directory.path, next(end for end in ends if end.segment == 2))
    assert read_all(reader)[1] is None
    reader.close()


def test_a_missing_segment_in_the_middle_is_refused(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    for number in range(300):
        append(log, report(number))
    log.close()
    log.directory.segment_path(2).unlink()
    reader = reader_of(log.directory.path)
    assert reader.adopt()
    entries, refused = read_all(reader)
    reader.close()
    assert refused is not None
    assert refused.kind is RefusalKind.INCOMPLETE
    assert 0 < len(entries) < 100
    assert "segment 2 is missing" in refused.reason


def test_a_watermark_behind_the_end_skips_nothing(tmp_path: Path) -> None:
    """A frame was counted, and lost before it was durable: the machine lost power."""
    log = open_small_log(tmp_path)
    append(log, report(1))
    log.close()
    log = open_small_log(tmp_path)
    append(log, report(2))
    log.close()
    lost = Position(1, 5000, 40)
    reader = reader_of(log.directory.path, lost)
    assert list(map(number_of, read_all(reader)[0])) == [2]
    reader.close()


def test_what_follows_a_failed_write_is_in_another_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    log = open_log(tmp_path, store_id=STORE, max_bytes=1 << 20, segment_bytes=SMALL_SEGMENT, monotonic=clock).log
    append(log, report(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", _fail)
        refused = log.append([report(2, text=b"only in the failed frame")])
    assert isinstance(refused, NotAppended)
    assert refused.kind is FailureKind.WRITE_FAILED
    assert "Input/output error" in refused.reason
    assert log.append([report(2)]) == refused, "it does not try again at once"
    clock.now = 1
    append(log, report(3, text=b"only in the failed frame"))
    log.close()
    # The frame is in the file whole, and is not read: its sender was refused.
    assert numbers_in(log.directory.path) == [1, 3]


def _fail(_: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_log_with_a_frame_whose_sync_failed_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = [0.0]
    log = open_log(tmp_path, store_id=STORE, max_bytes=1 << 24, monotonic=lambda: time[0]).log
    append(log, report(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", _fail)
        assert isinstance(log.append([report(2)]), NotAppended)
    time[0] += 1
    append(log, report(3))  # in the next segment; the frame that was refused is whole all the same
    log.close()
    opened = open_log(tmp_path, store_id=STORE, max_bytes=1 << 24)
    assert opened.refused == ()
    append(opened.log, report(4))
    opened.log.close()
    assert numbers_in(opened.log.directory.path) == [1, 3, 4]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_damaged_log_gets_no_further_entries(tmp_path: Path, number: int) -> None:
    """Wherever the damage is: what was appended behind it would be acknowledged and not counted."""
    for entry in range(3):
        log = open_small_log(tmp_path)
        append(log, report(entry))
        log.close()
    path = log.directory.segment_path(number)
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 40] ^= 0xFF
    path.write_bytes(data)
    opened = open_log(tmp_path, store_id=STORE, max_bytes=1 << 24)
    assert [refused.kind for refused in opened.refused] == [RefusalKind.DAMAGED]
    append(opened.log, report(9))
    opened.log.close()
    assert numbers_in(opened.log.directory.path) == [9]


def test_a_log_without_a_segment_in_the_middle_gets_no_further_entries(tmp_path: Path) -> None:
    for entry in range(3):
        log = open_small_log(tmp_path)
        append(log, report(entry))
        log.close()
    log.directory.segment_path(2).unlink()
    opened = open_log(tmp_path, store_id=STORE, max_bytes=1 << 24)
    assert [refused.kind for refused in opened.refused] == [RefusalKind.INCOMPLETE]
    opened.log.close()
