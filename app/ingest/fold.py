"""Entries of the log, counted: read, looked up, judged where they are new, and handed to one transaction of the store.

::

    entries ──read──> submissions ──plan──> FoldBatch ──FoldStore.fold──> FoldResult
                                     ^                       ├──> MarkMoved          to the caller: another place
                                     └───────────────────────┴──> JudgedWithOldPolicy, UnknownViolations: plan again

Nothing is open and nothing is locked while this reads and judges. Knows no log: `log_fold` follows those.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.hpkp.judgement.judge import JudgeWithinBudget
from app.hpkp.overflow import OverflowReason
from app.ingest.entry import Entry
from app.ingest.entry_reader import EntryReader, ReadEntries
from app.ingest.limits import NewViolationLimits
from app.ingest.new_violations import LeftOut, NewViolationJudge
from app.store.body_packing import pack_body
from app.store.engine import to_ms
from app.store.fold_store import FoldStore, StoreRefused
from app.store.submissions import Submission
from app.store.write.values import (
    FoldBatch,
    FoldedReport,
    FoldLimits,
    FoldResult,
    LogPosition,
    MarkMoved,
    OverflowReport,
    ReportSource,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a log (16 bytes of id) between two positions; the first is None at the log's beginning."""

    log_id: bytes
    begins_at: LogPosition | None
    ends_at: LogPosition


@dataclass(frozen=True, slots=True)
class Counted:
    """What a committed section has added. ``unreadable`` counts accepted bodies of which nothing could be read."""

    result: FoldResult
    unreadable: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much that is new is accepted, and how much detail is kept."""

    new: NewViolationLimits = field(default_factory=NewViolationLimits)
    detail: FoldLimits = field(default_factory=FoldLimits)
    accept_unknown_hosts: bool = True


NO_MORE_THAN_USUAL = Limits()


class Fold:
    """Counts entries in a store. For one thread."""

    def __init__(
        self,
        store: FoldStore,
        judge: JudgeWithinBudget,
        limits: Limits = NO_MORE_THAN_USUAL,
        *,
        canary_key: bytes = b"",
    ) -> None:
        self._store = store
        self._limits = limits
        self._reader = EntryReader(canary_key=canary_key)
        self._new = NewViolationJudge(store, judge, limits.new, accept_unknown_hosts=limits.accept_unknown_hosts)

    def fold(self, entries: Iterable[Entry], section: Section) -> Counted | MarkMoved:
        """Count the entries of a section. Raises StoreAway; whether they are counted then is for the mark to tell."""
        return self.count(self.read(entries), section)

    def read(self, entries: Iterable[Entry]) -> ReadEntries:
        """Read what entries contain."""
        return self._reader.read(entries)

    def count(self, read: ReadEntries, section: Section) -> Counted | MarkMoved:
        """Count what was read of a section; raises what `fold` raises."""
        while True:
            batch = self.plan(read, section)
            try:
                outcome = self._store.fold(batch, self._limits.detail)
            except StoreRefused:
                # The same batch would be refused for ever, and stop all that comes behind it.
                logger.exception("a batch of %d reports was refused", len(batch.reports))
                outcome = self._store.fold(self._leave_out_refused(batch), self._limits.detail)
            # Another fold was here, and may have counted some of these entries: the caller goes to the mark.
            if isinstance(outcome, MarkMoved):
                return outcome
            if isinstance(outcome, FoldResult):
                return Counted(outcome, read.unreadable)
            # Policies and violations may change while this judges, because it locks nothing; the transaction notices.
            logger.info("a batch is planned again: %s", outcome)

    def plan(self, read: ReadEntries, section: Section) -> FoldBatch:
        """Look up and judge what was read, and return what is to be counted."""
        # For the batch and not for each report; what is known, usually most of it, is not judged.
        known = self._store.find_violations({submission.identity for submission in read.submissions})
        judged = self._new.judge([s for s in read.submissions if s.identity not in known])
        counted = [s for s in read.submissions if s.identity not in judged.left_out]
        # Bodies are packed for this many alone: the store keeps no more for a violation.
        room = Counter(dict.fromkeys(judged.accepted, self._limits.detail.raw_bodies))
        room.update({identity: self._limits.detail.raw_bodies - v.raw_bodies for identity, v in known.items()})
        return FoldBatch(
            log_id=section.log_id,
            begins_at=section.begins_at,
            ends_at=section.ends_at,
            reports=tuple(_with_bodies(counted, room)),
            new_violations=tuple(judged.accepted.values()),
            overflow=tuple(_overflow(read.submissions, judged.left_out)),
            rejections=read.rejections,
            canaries=read.canaries,
        )

    def _leave_out_refused(self, batch: FoldBatch) -> FoldBatch:
        """Return the batch with the reports that the store refuses counted as overflow, and without refused samples.

        One that is refused must not keep all that come after it from being counted.
        """
        hosts = {violation.identity: violation.host for violation in batch.new_violations}
        known = self._store.find_violations({report.identity for report in batch.reports})
        hosts |= {identity: violation.host for identity, violation in known.items()}
        # Reports are tried without the rest, so that a refused sample is not taken for a refused report.
        alone = replace(batch, overflow=(), rejections=(), canaries=())

        def is_taken(reports: Sequence[FoldedReport]) -> bool:
            return self._store.can_fold(replace(alone, reports=tuple(reports)), self._limits.detail)

        # Each trial is a transaction that is rolled back; by halves, one bad report takes few of them.
        refused = set(_find_refused(batch.reports, is_taken))
        left_out = [
            OverflowReport(r.digest, hosts[r.identity], OverflowReason.FAULT, r.received_at, r.network)
            for r in batch.reports
            if r in refused
        ]
        rest = replace(
            batch,
            reports=tuple(report for report in batch.reports if report not in refused),
            overflow=(*batch.overflow, *left_out),
        )
        # The reports that are left were taken in the trials: samples and canaries are dropped then, and no report.
        return rest if self._store.can_fold(rest, self._limits.detail) else replace(rest, rejections=(), canaries=())


def _find_refused(
    reports: Sequence[FoldedReport], is_taken: Callable[[Sequence[FoldedReport]], bool]
) -> Iterable[FoldedReport]:
    """Find those of some reports that are refused by themselves, by halves."""
    if is_taken(reports):
        return
    if len(reports) == 1:
        yield from reports
        return
    middle = len(reports) // 2
    yield from _find_refused(reports[:middle], is_taken)
    yield from _find_refused(reports[middle:], is_taken)


def _with_bodies(submissions: Iterable[Submission], room: Counter[bytes]) -> Iterable[FoldedReport]:
    """Yield what is counted of submissions, the first ones of each violation with their bodies while there is room."""
    for submission in submissions:
        report = submission.report
        with_body = room[submission.identity] > 0
        room[submission.identity] -= with_body
        yield FoldedReport(
            digest=submission.digest,
            identity=submission.identity,
            client=submission.client,
            received_at=submission.received_at,
            source=ReportSource(*submission.source),
            network=submission.network,
            date_time=None if report.date_time is None else to_ms(report.date_time),
            date_time_text=report.date_time_text,
            effective_expiration_text=report.effective_expiration_text,
            platform_version=report.platform_version,
            user_agent=submission.user_agent,
            body=pack_body(bytes(submission.body), report) if with_body else None,
        )


def _overflow(submissions: Iterable[Submission], left_out: Mapping[bytes, LeftOut]) -> Iterable[OverflowReport]:
    """Yield the reports of violations that are left out, each with its host and reason."""
    for s in submissions:
        if (why := left_out.get(s.identity)) is not None:
            yield OverflowReport(s.digest, why.host, why.reason, s.received_at, s.network)
