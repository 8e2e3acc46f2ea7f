"""Entries of the log read into what the store counts: every report in them with its identity and digest."""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.canary import InvalidCanary, read_canary
from app.ingest.entry import CanaryEntry, Entry, RejectionEntry, ReportEntry
from app.ingest.keyed_hashes import of_further_report
from app.senders.reader import Identified, ReportReader
from app.store.engine import from_ms
from app.store.submissions import RejectedSubmission, Submission
from app.store.write.values import CanaryArrival

logger = logging.getLogger(__name__)

_TURN = 128
"""Entries after which another process or thread may go on: what waits for the endpoint then waits 1 ms, not 60."""


@dataclass(frozen=True, slots=True)
class ReadEntries:
    """What entries contain. ``unreadable`` counts bodies of which nothing could be read."""

    submissions: tuple[Submission, ...] = ()
    rejections: tuple[RejectedSubmission, ...] = ()
    canaries: tuple[CanaryArrival, ...] = ()
    unreadable: int = 0


class EntryReader:
    """Reads entries, and recognises texts that it has read before."""

    def __init__(self, *, canary_key: bytes) -> None:
        self._reader = ReportReader()
        self._canary_key = canary_key

    def read(self, entries: Iterable[Entry]) -> ReadEntries:
        """Read entries in their order."""
        submissions, rejections, canaries = list[Submission](), list[RejectedSubmission](), list[CanaryArrival]()
        unreadable = 0
        for number, entry in enumerate(entries):
            if number % _TURN == 0:
                # Keeps the 99th percentile of the answers low where the fold shares a core with the endpoint.
                os.sched_yield()
            if isinstance(entry, ReportEntry):
                found = list(self._read_reports(entry))
                submissions += found
                # It was accepted by a reader of another version, or is what was left of a rejected batch.
                unreadable += not found
            elif isinstance(entry, RejectionEntry):
                rejections.append(_read_rejection(entry))
            elif (canary := self._read_canary(entry)) is not None:
                canaries.append(canary)
        if unreadable:
            logger.error("%d submissions were accepted and cannot be read", unreadable)
        return ReadEntries(tuple(submissions), tuple(rejections), tuple(canaries), unreadable)

    def _read_reports(self, entry: ReportEntry) -> Iterator[Submission]:
        """Yield the reports of a body, those alone that can be read: others were refused before the log."""
        is_first = True
        # As of its receipt: the entry may have waited for hours, and has to be read alike each time.
        read = self._reader.read(entry.body, mode=entry.mode, received_at=from_ms(entry.received_at))
        for position, report in enumerate(read):
            if not isinstance(report, Identified):
                continue
            yield Submission(
                report=report.report,
                identity=report.identity,
                # One formula for bodies that were logged whole and by their text, because a retry may come as the
                # other: with two formulas a prototype counted 9 of 60,000 reports twice.
                digest=entry.submission if is_first else of_further_report(entry.submission, position),
                client=entry.client,
                received_at=entry.received_at,
                body=report.body,
                label=entry.label,
                user_agent=entry.user_agent,
                network=entry.network,
                body_digest=entry.submission,
            )
            is_first = False

    def _read_canary(self, entry: CanaryEntry) -> CanaryArrival | None:
        """Read a canary; None for one that was signed with another key than this store has."""
        try:
            # As of its receipt: one that waited in the log while the store was away is not out of date.
            canary = read_canary(entry.body, key=self._canary_key, at=from_ms(entry.received_at))
        except InvalidCanary as error:  # accepted with another key
            logger.error("a canary was accepted and cannot be read: %s", error)
            return None
        return CanaryArrival(canary.host, canary.nonce, entry.received_at)


def _read_rejection(entry: RejectionEntry) -> RejectedSubmission:
    """Convert an entry to what the store keeps of a rejection."""
    return RejectedSubmission(
        received_at=entry.received_at,
        outcome=entry.outcome,
        reason=entry.reason,
        length=entry.length,
        pointer=entry.pointer,
        label=entry.label,
        content_type=entry.content_type,
        user_agent=entry.user_agent,
        sample=entry.sample,
        network=entry.network,
        host=entry.host,
    )
