"""CPU time of the fold's transaction per report: `python -m bench.fold`.

200 violations of 20 hosts in a zipf mix, 10,000 clients; it gets values that were made before, so that neither
reading nor judging is measured. Counted is the CPU time of this process from BEGIN to COMMIT; PostgreSQL's own is not.
Medians of batches; the least of them is what a machine takes that does nothing else.
"""

import argparse
import gc
import hashlib
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.violation import identity_of
from app.hpkp.x509.anchors import KnownCertificates
from app.senders import CertificateReader, read_report
from app.store.engine import from_ms, now_ms, open_engine, to_ms, upgrade
from app.store.submissions import Submission
from app.store.write.fold import fold_batch
from app.store.write.values import (
    FoldBatch,
    FoldedReport,
    FoldLimits,
    FoldResult,
    JudgedViolation,
    LogPosition,
    ReportSource,
)
from tests.support.authority import NOW
from tests.support.postgres import postgres_database
from tests.support.reports import report_body

VIOLATIONS, HOSTS, CLIENTS = 200, 20, 10_000
SIZES = (512, 4096, 8192)
_EXPONENT = 1.1
_AT = to_ms(NOW)
_REPORTS_PER_SECOND = 20_000


@dataclass(frozen=True, slots=True)
class _Fact:
    """A violation of the mix."""

    report: ViolationReport
    identity: bytes
    body: bytes


def _make_facts() -> list[_Fact]:
    """Make violations that differ in their port, with chains as small as a test's: each is stored once only."""
    facts = []
    for number in range(VIOLATIONS):
        body = report_body(host=f"shop-{number % HOSTS:02}.example.com", port=1000 + number)
        report = read_report(body, certificates=CertificateReader())
        assert isinstance(report, ViolationReport)
        facts.append(_Fact(report, identity_of(report, received_at=from_ms(now_ms())), body))
    return facts


def _make_submissions(facts: list[_Fact], seed: int) -> Iterator[Submission]:
    """Yield submissions for ever, each a report of its own."""
    chosen = random.Random(seed)
    weights = list(accumulate(1 / rank**_EXPONENT for rank in range(1, VIOLATIONS + 1)))
    clients = [hashlib.blake2b(str(number).encode(), digest_size=16).digest() for number in range(CLIENTS)]
    number = 0
    while True:
        (fact,) = chosen.choices(facts, cum_weights=weights)
        at = _AT + number * 1000 // _REPORTS_PER_SECOND
        client = chosen.choice(clients)
        digest = (at // 1000).to_bytes(4, "big") + chosen.randbytes(12)
        yield Submission(fact.report, fact.identity, digest, client, at, fact.body, network=client[:8])
        number += 1


def _judge(report: ViolationReport, history: PolicyHistory, received_at: int, at: int) -> Judgement:
    return judge(report, history, KnownCertificates(), received_at=from_ms(received_at), at=from_ms(at))


class _Folder:
    """Folds batches as they come; new violations are judged before."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._position: LogPosition | None = None
        self._known: set[bytes] = set()
        self.next: FoldBatch | None = None

    def prepare(self, batch: Sequence[Submission]) -> None:
        new = {s.identity: s for s in batch if s.identity not in self._known}
        self._known |= new.keys()
        begins_at = self._position
        sequence = begins_at.sequence + len(batch) if begins_at else len(batch)
        self._position = LogPosition(1, sequence, sequence)
        none = PolicyHistory(())
        self.next = FoldBatch(
            bytes(16),
            begins_at,
            self._position,
            tuple(map(_folded, batch)),
            tuple(
                JudgedViolation(
                    s.identity, s.report, s.report.hostname, none, _judge(s.report, none, _AT, _AT), _AT, _AT
                )
                for s in new.values()
            ),
        )

    def write(self, batch: Sequence[Submission]) -> None:
        assert self.next is not None
        outcome = fold_batch(self._engine, self.next, FoldLimits())
        assert isinstance(outcome, FoldResult)
        assert outcome.accepted == len(batch)


def _folded(submission: Submission) -> FoldedReport:
    report = submission.report
    return FoldedReport(
        submission.digest,
        submission.identity,
        submission.client,
        submission.received_at,
        ReportSource(*submission.source),
        submission.network,
        None if report.date_time is None else to_ms(report.date_time),
        report.date_time_text,
        report.effective_expiration_text,
    )


def _measure(engine: Engine, size: int, reports: int) -> tuple[float, float, float]:
    """Return microseconds of CPU a report: while rows are kept, once the day's rows are used up, and the least."""
    submissions = _make_submissions(_make_facts(), seed=1)
    folder = _Folder(engine)
    seconds: list[float] = []
    batches = max(reports // size, 8)
    for _ in range(batches):
        batch = [next(submissions) for _ in range(size)]
        folder.prepare(batch)
        gc.freeze()  # what the bench itself has made is not the transaction's to look through
        began = time.process_time()
        folder.write(batch)
        seconds.append(time.process_time() - began)
    warm, late = seconds[1 : batches // 4], seconds[3 * batches // 4 :]
    return 1e6 * median(warm) / size, 1e6 * median(late) / size, 1e6 * min(late) / size


def main() -> None:
    """Measure each size on a store of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=150_000, help="reports at each size")
    parser.add_argument("--postgresql", action="store_true", help="measure PostgreSQL instead of SQLite")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    asked = parser.parse_args()
    table = Table("reports a batch", "us a report, first", "us a report, rows used up", "least of these")
    for size in asked.sizes:
        with _store(postgresql=asked.postgresql) as engine:
            first, late, least = _measure(engine, size, asked.reports)
        table.add_row(str(size), f"{first:.1f}", f"{late:.1f}", f"{least:.1f}")
    Console().print(table)


class _store:  # noqa: N801 used like a function
    """A store that is removed afterwards."""

    def __init__(self, *, postgresql: bool) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hpkp-bench-")
        self._postgres = postgres_database() if postgresql else None

    def __enter__(self) -> Engine:
        url = f"sqlite:///{Path(self._directory.name)}/hpkp.sqlite3"
        if self._postgres is not None:
            url = self._postgres.__enter__()
        upgrade(url)
        self._engine = open_engine(url)
        return self._engine

    def __exit__(self, *error: object) -> None:
        self._engine.dispose()
        if self._postgres is not None:
            self._postgres.__exit__(None, None, None)
        self._directory.cleanup()


if __name__ == "__main__":
    main()
