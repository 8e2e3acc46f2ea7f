"""The store without the service around it: submissions made by hand, taken by the real intake."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, Table, select

from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.violation import identity_of
from app.hpkp.x509.anchors import KnownCertificates
from app.outcomes import Outcome
from app.senders import CertificateReader, read_report
from app.store import policies
from app.store.engine import from_ms, now_ms, to_ms, writing
from app.store.intake import Intake
from app.store.rejudging import ALL, request_rejudging
from app.store.submissions import Limits, Submission
from app.usecases.rejudging import PIECE, Piece, go_on
from tests.authority import NOW
from tests.reports import HOST, report_body, site

AT = to_ms(NOW)
"""Noon, in milliseconds: the default time of receipt."""


def judge_at(report: ViolationReport, history: PolicyHistory, received_at: int, at: int) -> Judgement:
    """Judge with no public roots at all."""
    return judge(report, history, KnownCertificates(), received_at=from_ms(received_at), at=from_ms(at))


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


@dataclass(frozen=True)
class Desk:
    """An intake in front of a store."""

    engine: Engine
    intake: Intake

    @classmethod
    def at(cls, engine: Engine, **limits: Any) -> "Desk":
        """Make a desk with some limits."""
        return cls(engine, Intake(judge_at, Limits(**limits)))

    def take(self, *batch: Submission) -> list[Outcome]:
        """Take submissions in one transaction."""
        with writing(self.engine) as connection:
            return self.intake.write(connection, batch)

    def take_each(self, submissions: Iterable[Submission]) -> list[Outcome]:
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
