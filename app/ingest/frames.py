"""The format of a segment file: a header, frames one behind the other, and zeros up to the end of the file. Pure.

::

    segment = header (512 bytes) | frame | frame | ... | zeros
    frame   = mark, payload length, sequence, entries, checksum of payload, checksum of head | payload | end mark

`explain_rest` distinguishes the end of a log from damage. That rests on four rules that the writer keeps:

1. A frame begins and ends with bytes that are not zero, and a payload has no 512 zeros in a row.
2. Everything behind the last frame is zero: a file is filled with zeros and synced before it becomes a segment.
3. Nothing is written behind a frame before that frame is durable, and nothing at all behind one that failed.
4. The next segment's header says where the previous one ended.

So a write that a crash cut short left whole sectors zero, and is the last of its segment. Any other frame that fails
its checksum was durable once, perhaps acknowledged: that is damage, and must not be skipped.

Checksums are CRC-32 (1 us for a frame of 30 entries; BLAKE2b takes 4), seeded with the log, the segment and the offset:
a frame of another place does not count, whatever a disk returns.
"""

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

FORMAT_VERSION = 1
# One sector, so that writing frames never touches the sector of the header.
HEADER_BYTES = 512
SECTOR_BYTES = 512
"""The smallest unit that a disk writes as a whole; larger ones are multiples of it."""

_HEADER = Struct("<8sHxx16s16s16sQQQQ")
_MAGIC = b"HPKPLOG\n"
_HEAD = Struct("<4sIQIII")
_HEAD_FIELDS = Struct("<4sIQII")
# 0xF5 occurs in no UTF-8 text, so few payloads contain a mark; those that do are told apart by the checksum.
_MARK = b"\xf5FRM"
# Not zero, so that an end which was not written is recognised (`explain_rest`).
_END = b"\xf5END\xf5END"
FRAME_OVERHEAD = _HEAD.size + len(_END)


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The beginning of a segment file. Ids are 16 bytes; sizes and offsets are in bytes.

    ``size`` is the whole file's: a shorter file was cut. ``sequence`` is the number of entries in the log before this
    segment; ``previous_end`` is where the segment before ended, 0 for the first.
    """

    log_id: bytes
    store_id: bytes
    writer_id: bytes
    number: int
    size: int
    sequence: int
    previous_end: int

    def encode(self) -> bytes:
        """Return the header's bytes, `HEADER_BYTES` of them."""
        ids = self.log_id, self.store_id, self.writer_id
        numbers = self.number, self.size, self.sequence, self.previous_end
        fields = _HEADER.pack(_MAGIC, FORMAT_VERSION, *ids, *numbers).ljust(HEADER_BYTES - 4, b"\0")
        return fields + zlib.crc32(fields).to_bytes(4, "little")

    @property
    def seed(self) -> int:
        """Seed of the checksums of this segment's frames."""
        # The id, too: segments of other logs have the same numbers and offsets.
        return zlib.crc32(self.log_id + self.number.to_bytes(8, "little"))


@dataclass(frozen=True, slots=True)
class InvalidHeader:
    """Why a header is invalid; ``version`` if it is one of another format."""

    reason: str
    version: int | None = None


def read_header(data: bytes) -> SegmentHeader | InvalidHeader:
    """Read the first `HEADER_BYTES` of a segment file."""
    if len(data) != HEADER_BYTES or not data.startswith(_MAGIC):
        return InvalidHeader("the file does not begin like a segment of an ingest log")
    # The version comes first: another format may have its checksum elsewhere.
    _, version, *fields = _HEADER.unpack_from(data)
    if version != FORMAT_VERSION:
        return InvalidHeader(f"format {version}", version)
    if zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
        return InvalidHeader("the checksum of the header is wrong")
    return SegmentHeader(*fields)


class FrameHead(NamedTuple):
    """The head of a frame whose own checksum is right. ``end`` is the offset behind the frame."""

    offset: int
    end: int
    sequence: int
    entries: int
    checksum: int


class Frame(NamedTuple):
    """A frame whose checksums are right."""

    offset: int
    end: int
    sequence: int
    entries: int
    payload: bytes


def build_frame(payload: bytes, *, seed: int, offset: int, sequence: int, entries: int) -> bytes:
    """Return the bytes of a frame for an offset of a segment."""
    # Two checksums: the length in the head has to be trusted before the end of the payload can be found.
    fields = _HEAD_FIELDS.pack(_MARK, len(payload), sequence, entries, zlib.crc32(payload, seed))
    return b"".join((fields, _checksum(fields, seed, offset), payload, _END))


def read_head(data: bytes, at: int, *, seed: int, offset: int) -> FrameHead | None:
    """Read the head of a frame at an index of ``data``, which is ``offset`` of the segment; None if there is none."""
    if data[at : at + len(_MARK)] != _MARK or len(data) - at < _HEAD.size:
        return None
    _, length, sequence, entries, checksum, _ = _HEAD.unpack_from(data, at)
    if data[at + _HEAD_FIELDS.size : at + _HEAD.size] != _checksum(data[at : at + _HEAD_FIELDS.size], seed, offset):
        return None
    return FrameHead(offset, offset + FRAME_OVERHEAD + length, sequence, entries, checksum)


def read_frame(data: bytes, at: int, head: FrameHead, *, seed: int) -> Frame | None:
    """Read a frame by its head; None if ``data`` has not all of it or a checksum is wrong."""
    stop = at + head.end - head.offset - len(_END)
    payload = data[at + _HEAD.size : stop]
    # The end mark first: of a frame that is being written it is usually missing, and nothing is summed.
    if data[stop : stop + len(_END)] != _END or zlib.crc32(payload, seed) != head.checksum:
        return None
    return Frame(head.offset, head.end, head.sequence, head.entries, payload)


def _checksum(fields: bytes, seed: int, offset: int) -> bytes:
    """Return the checksum of the fields of a head, which is right at this offset of this segment alone."""
    return zlib.crc32(fields + offset.to_bytes(8, "little"), seed).to_bytes(4, "little")


def explain_rest(rest: bytes, offset: int, *, seed: int) -> str | None:
    """Say what is wrong behind the last good frame of a segment; None if it is a clean or a torn end.

    ``rest`` is everything from ``offset`` to the end of the file, and does not begin with a good frame.
    """
    used = len(rest.rstrip(b"\0"))
    if not used:
        return None
    # Rule 3: a good frame is written only behind one that was durable.
    if (later := find_later_frame(rest, offset, seed=seed)) is not None:
        return f"the frame at {offset} is damaged, but not that at {later}"
    head = read_head(rest, 0, seed=seed, offset=offset)
    # Without a good head the length is unknown, and what is not zero is taken for the frame.
    length = used if head is None else head.end - offset
    # Rule 2, and a frame is begun only where all of it fits.
    if length > len(rest) or used > length:
        return f"there are bytes that no frame accounts for behind {offset}"
    # Rule 1: a complete frame has no sector of zeros, so this one was cut short.
    if _has_unwritten_sector(rest[:length], offset):
        return None
    if head is not None and not any(rest[length - len(_END) : length]):
        return None  # a write may also end anywhere, if the disk was full
    return f"the frame at {offset} is damaged: all of it was written, and its checksum is wrong"


def find_later_frame(rest: bytes, offset: int, *, seed: int) -> int | None:
    """Return the offset of the first good frame behind the beginning of ``rest``, which is at ``offset``."""
    # From 1 on: at 0 is the frame that is not good.
    at = rest.find(_MARK, 1)
    while at >= 0:
        head = read_head(rest, at, seed=seed, offset=offset + at)
        if head is not None and read_frame(rest, at, head, seed=seed) is not None:
            return offset + at
        at = rest.find(_MARK, at + 1)
    return None


def _has_unwritten_sector(data: bytes, offset: int) -> bool:
    """Whether a sector, or the part of one at either end of ``data``, is all zeros."""
    # Sectors are those of the file: a frame begins anywhere in one.
    first = SECTOR_BYTES - offset % SECTOR_BYTES
    pieces = [data[:first], *(data[at : at + SECTOR_BYTES] for at in range(first, len(data), SECTOR_BYTES))]
    return any(not any(piece) for piece in pieces)
