"""One transaction that counts a batch of an ingest log exactly once.

::

    1 lock      policies, judgements, schema stay as they are; the log's mark is ours ──> MarkMoved
    2 look up   every report's violation is known or comes with the batch             ──> UnknownViolations
    3 compare   new violations were judged with the policies that are there now       ──> JudgedWithOldPolicy
    ─────────── nothing was written so far; from here on only a rollback undoes it
    4 deduplicate   digests of reports and of overflow
    5 add           new violations of which a report is counted, with hosts and chains
    6 count         rollups, sketches, networks, report rows and bodies
    7 count         overflow and refusals; record rejections and canaries
    8 move the mark

Every fold takes its locks in this order, and those of a table in the order of its keys, so that folds of several logs
can run at once. A deadlock with anybody else undoes the whole batch, and `fold_batch` does it again.
"""

import logging
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from app.hpkp.overflow import REFUSED, OverflowReason
from app.store.engine import check_version, now_ms, writing
from app.store.locks import lock_for_fold
from app.store.postgres import failed_by_another
from app.store.read.fold_inputs import find_violations
from app.store.write.deduplication import KEPT, delete_expired, insert_unseen
from app.store.write.marks import read_mark, set_mark
from app.store.write.new_violations import add_violations, find_judged_with_old_policy
from app.store.write.overflow import count_overflow
from app.store.write.rollups import count_reports
from app.store.write.samples import record_canaries, record_rejections
from app.store.write.sources import resolve_sources
from app.store.write.values import (
    FoldBatch,
    FoldedReport,
    FoldLimits,
    FoldOutcome,
    FoldResult,
    JudgedWithOldPolicy,
    LogMark,
    MarkMoved,
    OverflowReport,
    UnknownViolations,
)

logger = logging.getLogger(__name__)

_ATTEMPTS = 4


def fold_batch(engine: Engine, batch: FoldBatch, limits: FoldLimits) -> FoldOutcome:
    """Fold a batch in a transaction of its own, again if it was rolled back for the sake of another one.

    Raises SQLAlchemyError if the store is away. Whether the batch is counted is then unknown: read the log's mark.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            with writing(engine) as connection:
                return fold(connection, batch, limits)
        except DBAPIError as error:
            if not failed_by_another(error):
                raise
            logger.info("a batch of %d gave way to another transaction: %s", len(batch.reports), error.orig)
    with writing(engine) as connection:
        return fold(connection, batch, limits)


def fold(connection: Connection, batch: FoldBatch, limits: FoldLimits) -> FoldOutcome:
    """Count a batch, and move the log's mark to its end. The steps are those at the top of this file.

    The connection is in a transaction that writes (`app.store.engine.writing`). Unless a `FoldResult` is returned,
    nothing was written.
    """
    # 1. A log without a mark has no row that could be locked.
    lock_for_fold(connection, alone=batch.begins_at is None)
    check_version(connection)
    mark = read_mark(connection, batch.log_id, lock=True)
    if (mark.position if mark else None) != batch.begins_at:
        return MarkMoved(mark.position if mark else None)

    # 2. Again, although the caller looked: others may have added or deleted violations meanwhile.
    new = {violation.identity: violation for violation in reversed(batch.new_violations)}
    known = find_violations(connection, {report.identity for report in batch.reports} | new.keys())
    if unknown := {report.identity for report in batch.reports} - known.keys() - new.keys():
        return UnknownViolations(frozenset(unknown))

    # 3.
    missing = [violation for identity, violation in new.items() if identity not in known]
    if hosts := find_judged_with_old_policy(connection, missing):
        return JudgedWithOldPolicy(hosts)

    # 4. Overflow is deduplicated, too: a retry must not count as a second report that was left out.
    reports, overflow = _deduplicate(connection, batch)

    # 5.
    reported = {report.identity for report in reports}
    added = add_violations(connection, [violation for violation in missing if violation.identity in reported])

    # 6.
    ids = {identity: violation.id for identity, violation in known.items()} | added
    sources = resolve_sources(connection, {report.source for report in reports}, limit=limits.sources)
    hosts = count_reports(connection, reports, ids, sources, limits)

    # 7.
    left_out = count_overflow(connection, overflow, batch.rejections)
    by_reason: Counter[OverflowReason] = Counter()
    for key, count in left_out.items():
        if key.reason not in REFUSED:
            by_reason[key.reason] += count
    if batch.rejections:
        record_rejections(connection, batch.rejections, limit=limits.rejections)
    arrived = record_canaries(connection, batch.canaries)

    # 8. Expired digests are deleted by the receipts of this batch: not by a clock that may be far off, nor by receipts
    # from when it was far ahead, which would make each digest expire at once.
    newest = max(_receipts(batch), default=0)
    delete_expired(connection, before=newest - KEPT)
    newest = max(newest, mark.newest_received_at) if mark else newest
    set_mark(connection, batch.log_id, LogMark(batch.ends_at, newest, now_ms()))
    return FoldResult(
        accepted=len(reports),
        duplicates=len(batch.reports) + len(batch.overflow) - len(reports) - len(overflow),
        overflow=by_reason,
        new_violations=len(added),
        canaries_arrived=arrived,
        canaries_refused=len(batch.canaries) - arrived,
        hosts=hosts | {canary.host for canary in batch.canaries} | {key.host for key in left_out},
    )


def _deduplicate(connection: Connection, batch: FoldBatch) -> tuple[list[FoldedReport], list[OverflowReport]]:
    """Return what was not counted in the 24 hours before, each digest once: the first one of the batch."""
    reports: dict[bytes, FoldedReport] = {}
    for report in batch.reports:
        reports.setdefault(report.digest, report)
    overflow: dict[bytes, OverflowReport] = {}
    for left_out in batch.overflow:
        if left_out.digest not in reports:
            overflow.setdefault(left_out.digest, left_out)
    received = {digest: report.received_at for digest, report in reports.items()}
    received |= {digest: report.received_at for digest, report in overflow.items()}
    unseen = insert_unseen(connection, received)
    if len(unseen) == len(received):
        return list(reports.values()), list(overflow.values())
    return (
        [report for digest, report in reports.items() if digest in unseen],
        [report for digest, report in overflow.items() if digest in unseen],
    )


def _receipts(batch: FoldBatch) -> Iterable[int]:
    """Yield when each entry of a batch was received."""
    for entries in (batch.reports, batch.overflow, batch.rejections, batch.canaries):
        for entry in entries:
            yield entry.received_at
