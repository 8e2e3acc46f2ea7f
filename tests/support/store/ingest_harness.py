"""The store without the service around it: submissions made by hand, planned and counted by the real fold."""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, Table, select

from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.overflow import OverflowReason
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.violation import identity_of
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.budget import Budget
from app.ingest.direct import count_directly
from app.ingest.entry_reader import ReadEntries
from app.ingest.fold import Counted, Fold, Limits
from app.ingest.limits import NewViolationLimits
from app.senders import CertificateReader, read_report
from app.store import policies, tables
from app.store.engine import DAY_MS, from_ms, now_ms, to_ms, writing
from app.store.fold_store import FoldStore
from app.store.rejudging import ALL, request_rejudging
from app.store.submissions import RejectedSubmission, Submission
from app.store.write.values import FoldBatch, FoldLimits
from app.usecases.rejudging import PIECE, Piece, go_on
from tests.support.authority import NOW
from tests.support.reports import HOST, report_body, site

AT = to_ms(NOW)
"""Noon, in milliseconds: the default time of receipt."""


def judge_at(
    report: ViolationReport, history: PolicyHistory, received_at: int, at: int, budget: Budget | None = None
) -> Judgement:
    """Judge with no public roots at all."""
    known = KnownCertificates()
    return judge(report, history, known, received_at=from_ms(received_at), at=from_ms(at), budget=budget)


def submission(body: bytes | None = None, *, at: int = AT, client: str = "one", label: str = "") -> Submission:
    """Make the submission of a body, as the collector would."""
    body = report_body() if body is None else body
    report = read_report(body, certificates=CertificateReader())
    assert isinstance(report, ViolationReport), report
    return Submission(
        report=report,
        identity=identity_of(report, received_at=from_ms(at)),
        digest=_hash(body, client.encode(), label.encode()),
        client=_hash(client.encode()),
        received_at=at,
        body=body,
        label=label,
    )


def _hash(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


class Taken(StrEnum):
    """What the fold counted a submission as."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    OVER_LIMIT = "over_limit"
    UNKNOWN_HOST = "unknown_host"


class _RecordingFold(Fold):
    """A fold of what was read before, which remembers what it planned."""

    planned: FoldBatch

    def plan(self, read: ReadEntries, section: Any) -> FoldBatch:
        self.planned = super().plan(read, section)
        return self.planned


@dataclass(frozen=True)
class IngestHarness:
    """A fold in front of a store."""

    engine: Engine
    fold: _RecordingFold
    log_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @classmethod
    def at(
        cls,
        engine: Engine,
        *,
        unknown_hosts: int = 100,
        new_violations_per_day: int = 1000,
        accept_unknown_hosts: bool = True,
        **detail: Any,
    ) -> "IngestHarness":
        """Make a harness with some limits; nothing is reserved, so that a limit is what it says."""
        new = NewViolationLimits(
            per_host=new_violations_per_day, reserved_for_checked=0, unregistered_hosts=unknown_hosts
        )
        limits = Limits(new, FoldLimits(**detail), accept_unknown_hosts)
        return cls(engine, _RecordingFold(FoldStore(engine), judge_at, limits))

    def take(self, *batch: Submission) -> list[Taken]:
        """Take submissions in one transaction; return what each was counted as."""
        before = self._digests_of(batch)
        result = self._count(ReadEntries(batch)).result
        taken = list(self._taken(batch, before))
        assert taken.count(Taken.ACCEPTED) == result.accepted
        assert taken.count(Taken.DUPLICATE) == result.duplicates
        return taken

    def reject(self, *rejections: RejectedSubmission) -> None:
        """Keep rejected submissions."""
        self._count(ReadEntries(rejections=rejections))

    def _count(self, read: ReadEntries) -> Counted:
        return count_directly(self.fold, FoldStore(self.engine), read, log_id=self.log_id)

    def _digests_of(self, batch: Sequence[Submission]) -> dict[bytes, int]:
        seen = tables.seen_submissions
        with self.engine.connect() as connection:
            rows = connection.execute(select(seen).where(seen.c.digest.in_({s.digest for s in batch})))
            return {bytes(row.digest): row.received_at for row in rows}

    def _taken(self, batch: Sequence[Submission], seen: dict[bytes, int]) -> Iterator[Taken]:
        left_out = {report.digest: report.reason for report in self.fold.planned.overflow}
        for one in batch:
            if one.digest in seen and seen[one.digest] >= one.received_at - DAY_MS:
                yield Taken.DUPLICATE
                continue
            seen[one.digest] = one.received_at
            reason = left_out.get(one.digest)
            if reason is None:
                yield Taken.ACCEPTED
            else:
                yield Taken.UNKNOWN_HOST if reason is OverflowReason.UNKNOWN_HOST else Taken.OVER_LIMIT

    def take_each(self, submissions: Iterable[Submission]) -> list[Taken]:
        """Take submissions in a transaction each."""
        return [outcome for one in submissions for outcome in self.take(one)]

    def set_policy(
        self,
        host: str = HOST,
        *,
        pins: Iterable[str] | None = None,
        subdomains: bool = False,
        since: datetime = NOW,
    ) -> int:
        """Add a revision of a host's policy and judge again; return how many violations changed their cause."""
        expected = [site().root.pin] if pins is None else pins
        policy = PinningPolicy(
            host=canonical_host(host),
            pins=tuple(ExpectedPin(parse_pin(pin)) for pin in expected),
            include_subdomains=subdomains,
            effective_from=since,
        )
        with writing(self.engine) as connection:
            policies.add_revision(connection, policy, at=since)
            request_rejudging(connection, host, at=AT)
        return self.rejudge(host)

    def rejudge(self, host: str = ALL, *, at: datetime | None = None, piece: Piece = PIECE) -> int:
        """Judge again what was requested of a host, to its end; return how many violations changed their cause."""
        moment = from_ms(now_ms()) if at is None else at
        changed = 0
        while (progress := go_on(self.engine, judge_at, host=host, at=moment, piece=piece)) is not None:
            changed = sum(progress.run.changes.values())
        return changed

    def rows(self, table: Table) -> list[Row[Any]]:
        """Return everything that stands in a table, in the order of its key."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

    def only(self, table: Table) -> Row[Any]:
        """Return the one row of a table."""
        (row,) = self.rows(table)
        return row


def later(taken: Submission, *, milliseconds: int) -> Submission:
    """Return the same submission sent again after a while."""
    return taken._replace(received_at=taken.received_at + milliseconds)
