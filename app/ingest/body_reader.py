"""A body becomes an entry of the log: read once for what it is, and kept as it was sent."""

from dataclasses import dataclass

from app.ingest.entry import ReportEntry
from app.ingest.envelope import Envelope, Fate
from app.ingest.keyed_hashes import KeyedHashes, second_of, second_of_date
from app.senders import Unreadable
from app.senders.reader import Identified, ReportReader
from app.senders.wire import read_usual_date
from app.store.engine import from_ms


@dataclass(frozen=True, slots=True)
class ReadBody:
    """What a body is: an entry with reports for these hosts (None without any), and what of it is no report."""

    entry: ReportEntry | None
    hostnames: tuple[str, ...] = ()
    refused: tuple[Fate, ...] = ()


class BodyReader:
    """Reads bodies, and recognises those that differ from one that it has read in nothing but the dates."""

    def __init__(self, hashes: KeyedHashes) -> None:
        self._hashes = hashes
        self._reader = ReportReader()

    def recall(self, body: bytes, envelope: Envelope, *, received_at: int) -> ReadBody | None:
        """Recognise a body; None if it has to be read. The entry refers to the text that was read before."""
        if (recalled := self._reader.recall(body)) is None:
            return None
        second = second_of_date(read_usual_date(recalled.dates[0].decode()))
        client, network = self._hashes.of_address(envelope.address)  # Chromium names no install
        entry = ReportEntry(
            received_at=received_at,
            client=client,
            network=network,
            submission=self._hashes.of_submission(recalled.fingerprint, second, envelope),
            text=recalled.text,
            dates=recalled.dates,
            label=envelope.label,
            user_agent=envelope.user_agent,
            mode=envelope.mode,
        )
        return ReadBody(entry, (recalled.report.hostname,))

    def read(self, body: bytes, envelope: Envelope, *, received_at: int) -> ReadBody:
        """Read a body in full. It may be neither reports nor refused: entries of other types only."""
        reports = self._reader.read(body, mode=envelope.mode, received_at=from_ms(received_at))
        refused = tuple(Fate(r.outcome, r.reason, r.pointer) for r in reports if isinstance(r, Unreadable))
        good = [report for report in reports if isinstance(report, Identified)]
        # Nothing to log: what was refused is kept as a sample, entries of other types not at all.
        if not good:
            return ReadBody(None, (), refused)
        # A body comes from one client: its first good report names that, and the second of the digest.
        first = good[0]
        client, network = self._hashes.of_address(envelope.address)
        # Addresses change and are shared; an install lasts (decision 10).
        if install_id := first.report.install_id:
            client = self._hashes.of_install(install_id)
        entry = ReportEntry(
            received_at=received_at,
            client=client,
            network=network,
            submission=self._hashes.of_submission(first.fingerprint, second_of(first.report), envelope),
            # With the dates in it: the reader did not know this text before, or its form is not the usual one.
            text=body,
            label=envelope.label,
            user_agent=envelope.user_agent,
            mode=envelope.mode,
        )
        return ReadBody(entry, tuple(report.report.hostname for report in good), refused)
