"""A fold without a log: submissions made by hand, looked up, judged and limited as the fold of the ingest log does."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, select

from app.hpkp.hosts import canonical_host
from app.hpkp.overflow import OverflowReason
from app.hpkp.pinned_host import find_pinned_host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.store import policies
from app.store.body_packing import pack_body
from app.store.engine import DAY_MS, to_ms, writing
from app.store.read.fold_inputs import count_new_violations, find_violations, load_histories_for
from app.store.rejudging import request_rejudging
from app.store.submissions import Submission
from app.store.write.fold import fold_batch
from app.store.write.marks import read_mark
from app.store.write.values import (
    FoldBatch,
    FoldedReport,
    FoldLimits,
    FoldResult,
    JudgedViolation,
    LogPosition,
    OverflowReport,
    ReportSource,
)
from tests.support.authority import NOW
from tests.support.reports import HOST, site
from tests.support.store.ingest_harness import judge_at

LOG = bytes(16)


@dataclass(frozen=True)
class AdmissionLimits:
    """The plainest limits on what is new: per host and day, and of hosts without a policy."""

    unknown_hosts: int = 100
    new_violations_per_day: int = 1000


@dataclass
class Folder:
    """Folds one log into a store, and knows as little of the store as the fold does."""

    engine: Engine
    limits: FoldLimits = field(default_factory=FoldLimits)
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    log_id: bytes = LOG

    def fold(self, *submissions: Submission, **more: Any) -> FoldResult:
        """Fold submissions as the next batch of the log."""
        outcome = fold_batch(self.engine, self.batch(submissions, **more), self.limits)
        assert isinstance(outcome, FoldResult), outcome
        return outcome

    def batch(self, submissions: Sequence[Submission] = (), **more: Any) -> FoldBatch:
        """Make the next batch of the log: look up, judge with no transaction open, and apply the limits."""
        with self.engine.connect() as connection:
            mark = read_mark(connection, self.log_id)
            new, overflow = self._judge(connection, submissions)
        begins_at = mark.position if mark else None
        sequence = begins_at.sequence if begins_at else 0
        batch = FoldBatch(
            log_id=self.log_id,
            begins_at=begins_at,
            ends_at=LogPosition(1, 64 * (sequence + len(submissions) + 1), sequence + len(submissions) + 1),
            reports=tuple(folded(s) for s in submissions if s.identity not in overflow),
            new_violations=tuple(new.values()),
            overflow=tuple(
                OverflowReport(s.digest, *overflow[s.identity], s.received_at, s.network)
                for s in submissions
                if s.identity in overflow
            ),
        )
        return replace(batch, **more) if more else batch

    def _judge(
        self, connection: Connection, submissions: Sequence[Submission]
    ) -> tuple[dict[bytes, JudgedViolation], dict[bytes, tuple[str, OverflowReason]]]:
        known = find_violations(connection, [s.identity for s in submissions])
        unknown = [s for s in submissions if s.identity not in known]
        names = {(s.report.hostname, s.report.noted_hostname) for s in unknown}
        histories = load_histories_for(connection, names)
        room = _Room(connection, self.admission)
        new: dict[bytes, JudgedViolation] = {}
        overflow: dict[bytes, tuple[str, OverflowReason]] = {}
        for s in unknown:
            if s.identity in new:
                continue
            host, history = find_pinned_host(s.report.hostname, s.report.noted_hostname, histories)
            if (reason := room.refuse(host, history, s.received_at)) is not None:
                overflow[s.identity] = (host, reason)
                continue
            overflow.pop(s.identity, None)  # there was no room on the day of an earlier report of it
            judgement = judge_at(s.report, history, s.received_at, s.received_at)
            new[s.identity] = JudgedViolation(
                s.identity, s.report, host, history, judgement, s.received_at, s.received_at
            )
        return new, overflow

    def set_policy(self, host: str = HOST, *, pins: Iterable[str] | None = None, since: datetime = NOW) -> None:
        """Add a revision of a host's policy and judge again."""
        with writing(self.engine) as connection:
            self.set_policy_in(connection, host, pins=pins, since=since)

    @staticmethod
    def set_policy_in(
        connection: Connection, host: str = HOST, *, pins: Iterable[str] | None = None, since: datetime = NOW
    ) -> None:
        """Do the same in a transaction that is open."""
        expected = [site().root.pin] if pins is None else pins
        policy = PinningPolicy(
            host=canonical_host(host),
            pins=tuple(ExpectedPin(parse_pin(pin)) for pin in expected),
            effective_from=since,
        )
        policies.add_revision(connection, policy, at=since)
        request_rejudging(connection, host, at=to_ms(since))

    def rows(self, table: Table) -> list[Row[Any]]:
        """Return everything in a table, in the order of its key."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

    def only(self, table: Table) -> Row[Any]:
        """Return the one row of a table."""
        (row,) = self.rows(table)
        return row


class _Room:
    """How much that is new may still be added, counted down for one batch."""

    def __init__(self, connection: Connection, limits: AdmissionLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._today: Counter[tuple[str, int]] = Counter()
        self._counted: set[tuple[str, int]] = set()
        self._unregistered = set(count_new_violations(connection, (), since=0, until=0).unregistered_hosts)

    def refuse(self, host: str, history: PolicyHistory, at: int) -> OverflowReason | None:
        if not history.revisions and host not in self._unregistered:
            if len(self._unregistered) >= self._limits.unknown_hosts:
                return OverflowReason.UNREGISTERED_HOSTS
            self._unregistered.add(host)
        day = host, at - at % DAY_MS
        if day not in self._counted:
            self._counted.add(day)
            self._today[day] = count_new_violations(
                self._connection, [host], since=day[1], until=day[1] + DAY_MS
            ).by_host.get(host, 0)
        if self._today[day] >= self._limits.new_violations_per_day:
            return OverflowReason.HOST_AND_DAY
        self._today[day] += 1
        return None


def folded(submission: Submission, *, with_body: bool = True) -> FoldedReport:
    """Return what the fold counts of a submission."""
    report = submission.report
    return FoldedReport(
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
