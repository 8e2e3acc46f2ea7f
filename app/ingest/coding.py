"""The binary coding of entries, for one segment of the ingest log at a time. Pure: bytes in, bytes out.

::

    payload     = head, lengths (u32 each), definitions, blobs, records
    head        = coding version u8, number of the first definition u32, definitions u32, blobs u32, records u32
    definition  = bytes that later records refer to by number: texts, identities, labels, user agents
    blob        = bytes that one record of this payload refers to: a whole body, a rejection as JSON
    record      = 116 bytes, see `_RECORD`; number 0 is "none"

A definition precedes its first use and is valid to the end of its segment, so each segment can be read alone. Whole
bodies are blobs because nearly every one is unique: as definitions they would fill the memory of both sides.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.hpkp.policy import Mode
from app.ingest.entry import (
    CLIENT_BYTES,
    DATE_BYTES,
    NETWORK_BYTES,
    SUBMISSION_BYTES,
    CanaryEntry,
    Entry,
    RejectionEntry,
    ReportEntry,
)
from app.outcomes import Outcome

# Apart from the version of the segment file: a change of the coding leaves headers and frames as they are.
CODING_VERSION = 1

# "<" fixes byte order and padding: the files have the same bytes on every machine.
_HEAD = struct.Struct("<BxxxIIII")
_LENGTH = struct.Struct("<I")
_RECORD = struct.Struct(f"<BBxxIIIIq{CLIENT_BYTES}s{NETWORK_BYTES}s{SUBMISSION_BYTES}s{DATE_BYTES}s{DATE_BYTES}s")
"""Kind, mode; numbers of text or blob, label, user agent, identity; received_at; hashes; dates."""

# Not from 0: a record of zeros then has an unknown kind, and is no report.
_DATED, _WHOLE, _CANARY, _REJECTION = 1, 2, 3, 4
# A mode is encoded as its index: append new ones, or older logs would be read with other modes.
_MODES: tuple[Mode | None, ...] = (None, Mode.REPORT_ONLY, Mode.ENFORCE)
_MODE_NUMBERS = {mode: number for number, mode in enumerate(_MODES)}
_HASHES = CLIENT_BYTES + NETWORK_BYTES + SUBMISSION_BYTES
_NO_CLIENT = bytes(CLIENT_BYTES)
_NO_SUBMISSION = bytes(SUBMISSION_BYTES)
_NO_DATE = bytes(DATE_BYTES)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why a payload has no entries to give."""

    reason: str


class Encoder:
    """Encodes the batches of one segment. Discard it with the segment, and after a payload that was not written."""

    def __init__(self) -> None:
        # Kept for the whole segment: its last batch may refer to a text of its first one.
        self._numbers: dict[bytes, int] = {}
        self._definitions: list[bytes] = []
        self._blobs: list[bytes] = []

    def encode(self, entries: Sequence[Entry]) -> bytes:
        """Return the payload of a batch. Raises ValueError for a hash or a date of the wrong length."""
        # In each payload, so that a decoder notices if definitions in front of it are missing.
        first = len(self._numbers)
        self._definitions, self._blobs = [], []
        # Records first, though they come last in the payload: encoding them gathers the definitions and blobs.
        records = [self._report(entry) if type(entry) is ReportEntry else self._rare(entry) for entry in entries]
        parts = self._definitions + self._blobs
        return b"".join(
            (
                _HEAD.pack(CODING_VERSION, first, len(self._definitions), len(self._blobs), len(records)),
                *map(_LENGTH.pack, map(len, parts)),
                *parts,
                *records,
            )
        )

    def _report(self, entry: ReportEntry) -> bytes:
        """Encode a report. Raises ValueError for a hash or a date of the wrong length."""
        received_at, client, network, submission, text, dates, identity, label, user_agent, mode = entry
        # `struct` pads or cuts a value of another length without an error, and the hash would match nothing.
        if len(client) + len(network) + len(submission) != _HASHES:
            raise ValueError("an entry has a hash of the wrong length")
        if dates is None:
            kind, number, noticed, expires = _WHOLE, self._blob(text), _NO_DATE, _NO_DATE
        else:
            kind, number, (noticed, expires) = _DATED, self._number(text), dates
            if len(noticed) != DATE_BYTES or len(expires) != DATE_BYTES:
                raise ValueError("an entry has a date of the wrong length")
        return _RECORD.pack(
            kind,
            _MODE_NUMBERS[mode],
            number,
            self._text(label) if label else 0,
            0 if user_agent is None else self._text(user_agent),
            0 if identity is None else self._number(identity),
            received_at,
            client,
            network,
            submission,
            noticed,
            expires,
        )

    def _rare(self, entry: Entry) -> bytes:
        """Encode a canary or a rejection: the same record with most members empty."""
        if isinstance(entry, CanaryEntry):
            kind, number, label = _CANARY, self._blob(entry.body), self._text(entry.label) if entry.label else 0
        elif isinstance(entry, RejectionEntry):
            # Without receipt and network, which the record itself has.
            kind, number, label = _REJECTION, self._blob(json.dumps(entry[2:]).encode()), 0
        else:
            # A subclass of `ReportEntry`: `encode` compares exact types.
            return self._report(entry)
        rest = _NO_CLIENT, entry.network, _NO_SUBMISSION, _NO_DATE, _NO_DATE
        return _RECORD.pack(kind, 0, number, label, 0, 0, entry.received_at, *rest)

    def _text(self, text: str) -> int:
        """Return the number of a text: of a label or a user agent."""
        # Total for any str: a lone surrogate from a sender must not fail the batch of others.
        return self._number(text.encode("utf-8", "surrogatepass"))

    def _number(self, value: bytes) -> int:
        """Return the number of a definition, adding it if this segment has none; the first is 1."""
        if (number := self._numbers.get(value)) is None:
            number = self._numbers[value] = len(self._numbers) + 1
            self._definitions.append(value)
        return number

    def _blob(self, value: bytes) -> int:
        """Add bytes to which one record alone refers; return their number in this payload, the first is 1."""
        self._blobs.append(value)
        return len(self._blobs)


class Decoder:
    """Decodes the payloads of one segment, in order from its beginning."""

    def __init__(self) -> None:
        # Number 0 is "none", so the index of a definition is its number.
        self._definitions: list[bytes] = [b""]
        self._texts: dict[int, str] = {0: ""}

    def decode(self, payload: bytes) -> list[Entry] | Undecodable:
        """Return the entries of a payload, or why it has none. A payload may be decoded repeatedly."""
        read = self._read_parts(payload)
        if isinstance(read, Undecodable):
            return read
        try:
            return list(self._entries(*read))
        except (IndexError, ValueError, TypeError, RecursionError) as error:
            # A value and not an exception: that would end the round of the fold for all logs, and this refuses one.
            return Undecodable(f"a record is invalid: {error!r}")

    def learn(self, payload: bytes) -> Undecodable | None:
        """Read only the definitions of a payload; what follows may refer to them."""
        read = self._read_parts(payload)
        return read if isinstance(read, Undecodable) else None

    def _read_parts(self, payload: bytes) -> tuple[list[bytes], memoryview] | Undecodable:
        """Take over the definitions; return the blobs (the first is none) and the records."""
        try:
            version, first, definitions, blobs, count = _HEAD.unpack_from(payload)
            if version != CODING_VERSION:
                return Undecodable(f"coding version {version}, this program reads {CODING_VERSION}")
            # The list has one member more than there are definitions, number 0: equal means that one is missing.
            if first >= len(self._definitions):
                return Undecodable(f"definitions up to {first} are missing")
            lengths = [
                length
                for (length,) in _LENGTH.iter_unpack(
                    memoryview(payload)[_HEAD.size : _HEAD.size + (definitions + blobs) * _LENGTH.size]
                )
            ]
        except struct.error as error:
            return Undecodable(f"the head is invalid: {error}")
        start = _HEAD.size + (definitions + blobs) * _LENGTH.size
        # Before anything is sliced: a slice beyond the end is shorter, and raises nothing.
        if start + sum(lengths) + count * _RECORD.size != len(payload):
            return Undecodable("the lengths do not add up")
        parts = []
        for length in lengths:
            parts.append(payload[start : start + length])
            start += length
        # A payload that is decoded again replaces what it defined before; numbers above belong to payloads after it.
        del self._definitions[first + 1 :]
        self._definitions += parts[:definitions]
        if definitions:
            self._texts = {number: text for number, text in self._texts.items() if number <= first}
        return [b"", *parts[definitions:]], memoryview(payload)[start:]

    def _entries(self, blobs: list[bytes], records: memoryview) -> Iterator[Entry]:
        """Yield the entries of the records. Raises IndexError or ValueError for a number or a kind that is none."""
        # Local names, because the loop runs for each entry that the fold reads.
        definitions, text = self._definitions, self._text
        for record in _RECORD.iter_unpack(records):
            kind, mode, number, label, agent, identity, at, client, network, submission, noticed, expires = record
            if 0 < kind <= _WHOLE:
                yield ReportEntry(
                    at,
                    client,
                    network,
                    submission,
                    definitions[number] if kind == _DATED else blobs[number],
                    (noticed, expires) if kind == _DATED else None,
                    definitions[identity] if identity else None,
                    text(label),
                    text(agent) if agent else None,
                    _MODES[mode],
                )
            elif kind == _CANARY:
                yield CanaryEntry(at, network, blobs[number], text(label))
            elif kind == _REJECTION:
                # In the order of the members of `RejectionEntry`, as the encoder writes them.
                outcome, *rest = json.loads(blobs[number])
                yield RejectionEntry(at, network, Outcome(outcome), *rest)
            else:
                raise ValueError(f"unknown kind {kind}")

    def _text(self, number: int) -> str:
        """Return a definition as text; few are used often."""
        if (text := self._texts.get(number)) is None:
            text = self._texts[number] = self._definitions[number].decode("utf-8", "surrogatepass")
        return text
