"""Entries and logs for the tests of the ingest log."""

from pathlib import Path

from app.ingest.entry import Entry, ReportEntry
from app.ingest.log import IngestLog, open_log
from app.ingest.log_directory import LogDirectory
from app.ingest.log_reader import Batch, LogReader, open_reader
from app.ingest.log_values import Appended, LogRefused, Position

STORE = b"the test's store"
SMALL_SEGMENT = 8192


def report(number: int, *, text: bytes = b',"hostname":"www.example.com"}', whole: bool = False) -> ReportEntry:
    """Make an entry that is known by its number; ``whole`` has a body of its own instead of dates and a text."""
    return ReportEntry(
        received_at=1_795_000_000_000 + number,
        client=number.to_bytes(16, "big"),
        network=b"network!",
        submission=(number * 7919).to_bytes(16, "big"),
        text=b'{"number":%d%b' % (number, text) if whole else text,
        dates=None if whole else (b"2026-11-26T14:00:00.000Z", b"2027-01-25T14:00:00.000Z"),
        label="site",
    )


def number_of(entry: Entry) -> int:
    assert isinstance(entry, ReportEntry)
    return int.from_bytes(entry.client, "big")


def open_small_log(root: Path, *, max_bytes: int = 64 << 20, segment_bytes: int = SMALL_SEGMENT) -> IngestLog:
    """Open a log with segments of a few frames; nothing in the way may be refused."""
    opened = open_log(root, store_id=STORE, max_bytes=max_bytes, segment_bytes=segment_bytes)
    assert opened.refused == ()
    return opened.log


def append(log: IngestLog, *entries: Entry) -> Position:
    """Append a batch that must be accepted."""
    appended = log.append(entries)
    assert isinstance(appended, Appended), appended
    return appended.end


def reader_of(path: Path, watermark: Position | None = None) -> LogReader:
    """Open a reader at a watermark; nothing may be refused."""
    reader = open_reader(LogDirectory(path), store_id=STORE)
    assert isinstance(reader, LogReader), reader
    refused = reader.start(watermark)
    assert refused is None, refused
    return reader


def read_all(reader: LogReader, *, max_weight: int = 8192) -> tuple[list[Entry], LogRefused | None]:
    """Read until nothing is left, or until something is refused."""
    entries: list[Entry] = []
    while True:
        batch = reader.read(max_weight)
        if isinstance(batch, LogRefused):
            return entries, batch
        if not batch.entries:
            return entries, None
        entries += batch.entries


def numbers_in(path: Path) -> list[int]:
    """Return the numbers of the entries of a log without a writer."""
    reader = reader_of(path)
    assert reader.adopt()
    entries, refused = read_all(reader)
    reader.close()
    assert refused is None, refused
    return list(map(number_of, entries))


def read_batch(reader: LogReader, max_weight: int = 8192) -> Batch:
    """Read a batch that must not be refused."""
    batch = reader.read(max_weight)
    assert isinstance(batch, Batch), batch
    return batch
