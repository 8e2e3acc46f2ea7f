"""The entries of the ingest log: each one a submission as it arrived, complete in itself.

An entry depends neither on the database nor on a cache of the process that wrote it, so that any process can count it
later. It contains no address: clients and networks are keyed hashes. Knows no files and no coding; see `coding`.

Entries are named tuples because one is built for each request: 0.3 us, where a frozen dataclass takes 1.4 us.
"""

from typing import NamedTuple

from app.hpkp.policy import Mode
from app.outcomes import Outcome
from app.senders.reader import DatedBody

CLIENT_BYTES = 16
NETWORK_BYTES = 8
SUBMISSION_BYTES = 16
DATE_BYTES = 24
UNKNOWN_NETWORK = bytes(NETWORK_BYTES)
"""The network of a submission whose address identifies none, such as that of a proxy inside."""


class ReportEntry(NamedTuple):
    """A submission with one or more violation reports.

    ``received_at`` is in milliseconds since the Unix epoch. ``client`` (16 bytes), ``network`` (8) and ``submission``
    (16, the same for a retry) are keyed hashes. ``identity`` is the violation's, if the body was read in full.

    ``text`` is the whole body. With ``dates`` it is only what follows the two dates, each of 24 bytes as sent: one
    text then serves all reports of a violation, and the log contains it once in each segment. ``mode`` is what the
    query of the URL said (``?mode=``).
    """

    received_at: int
    client: bytes
    network: bytes
    submission: bytes
    text: bytes
    dates: tuple[bytes, bytes] | None = None
    identity: bytes | None = None
    label: str = ""
    user_agent: str | None = None
    mode: Mode | None = None

    @property
    def body(self) -> bytes | DatedBody:
        """The body exactly as sent; ``bytes()`` of it, if its text is shared."""
        return self.text if self.dates is None else DatedBody(self.dates, self.text)

    @property
    def own_bytes(self) -> int:
        """Memory that this entry alone occupies, about: a text behind dates is shared."""
        # If each counted a shared text, entries would be refused for memory that they do not take.
        return _FIXED_BYTES if self.dates is not None else _FIXED_BYTES + len(self.text)


class CanaryEntry(NamedTuple):
    """A signed test report. It is logged like a report, so that it proves the whole path to the database.

    Its signature was checked before; whether its nonce arrived before is for the fold to find out.
    """

    received_at: int
    network: bytes
    body: bytes
    label: str = ""

    @property
    def own_bytes(self) -> int:
        """Memory that this entry alone occupies, about."""
        return _FIXED_BYTES + len(self.body)


class RejectionEntry(NamedTuple):
    """A sample of a rejected submission, for the operator. ``length`` is the body's, in bytes.

    ``host`` is the one that the body names as pinned: empty if it names none, None for what is known to be no violation
    report, such as a report of another kind.
    """

    received_at: int
    network: bytes
    outcome: Outcome
    reason: str
    length: int
    pointer: str | None = None
    label: str = ""
    content_type: str | None = None
    user_agent: str | None = None
    sample: str = ""
    host: str | None = ""

    @property
    def own_bytes(self) -> int:
        """Memory that this entry alone occupies, about."""
        return _FIXED_BYTES + len(self.reason) + len(self.sample)


Entry = ReportEntry | CanaryEntry | RejectionEntry

_FIXED_BYTES = 400
"""A named tuple with its hashes and dates, in memory."""
