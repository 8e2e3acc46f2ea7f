"""Limits on what is new, over a real store: a flood is not judged, and honest clients of its own network are heard."""

from collections import Counter
from collections.abc import Iterable
from typing import cast

import pytest
from sqlalchemy import Engine, select

from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.overflow import OverflowReason
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.budget import Budget
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.ingest.direct import count_directly
from app.ingest.entry_reader import ReadEntries
from app.ingest.fold import Counted, Fold, Limits
from app.ingest.limits import NewViolationLimits
from app.store import tables
from app.store.engine import from_ms
from app.store.fold_store import FoldStore
from app.store.submissions import Submission
from tests.support.authority import Issued, make_site
from tests.support.reports import HOST, report_body, site
from tests.support.store.ingest_harness import IngestHarness, submission

_FLOOD, _ELSEWHERE = b"\1" * 8, b"\2" * 8
_LIMITS = NewViolationLimits(
    per_host=20, reserved_for_checked=10, per_checked_leaf=3, per_network_and_host=5, per_network=8
)


class _Counting:
    """A fold that counts how often it judges; the site's root is a public one."""

    def __init__(self, engine: Engine) -> None:
        self.judged = 0
        self._store = FoldStore(engine)
        self._fold = Fold(self._store, self._judge, Limits(_LIMITS))
        self._known = KnownCertificates(public=(cast("Certificate", read_certificate(site().root.der)),))

    def _judge(
        self,
        report: ViolationReport,
        history: PolicyHistory,
        received_at: int,
        at: int,
        budget: Budget | None = None,
    ) -> Judgement:
        self.judged += 1
        return judge(report, history, self._known, received_at=from_ms(received_at), at=from_ms(at), budget=budget)

    def count(self, *bodies: bytes, network: bytes) -> Counted:
        read = (submission(body, client=f"{network!r}")._replace(network=network) for body in bodies)
        return self.count_read(read)

    def count_read(self, read: Iterable[Submission]) -> Counted:
        return count_directly(self._fold, self._store, ReadEntries(tuple(read)))


@pytest.fixture
def fold(engine: Engine, harness: IngestHarness) -> _Counting:
    harness.set_policy(pins=[make_site().root.pin])
    return _Counting(engine)


def _junk(number: int) -> bytes:
    """Make a report whose leaf is for the host and valid, by a root that nobody knows; another one for each number."""
    return report_body(served=_JUNK.served, validated=_JUNK.validated, port=1000 + number)


_JUNK = make_site(HOST)


def _checked(leaf: Issued | None = None, *, port: int = 443) -> bytes:
    chain = [(leaf or site().leaf).pem, site().intermediate.pem]
    return report_body(served=chain, validated=[*chain, site().root.pem], port=port)


def _left_out(engine: Engine) -> Counter[str]:
    days = tables.overflow_days.c
    with engine.connect() as connection:
        rows = connection.execute(select(days.reason, days.reports).where(days.host == HOST)).all()
    return Counter({row.reason: row.reports for row in rows})


def test_a_flood_is_judged_as_far_as_it_may_be_accepted_and_a_little_more(fold: _Counting, engine: Engine) -> None:
    result = fold.count(*map(_junk, range(300)), network=_FLOOD).result
    assert (result.accepted, result.new_violations, dict(result.overflow)) == (5, 5, {"network_and_host": 295})
    assert fold.judged == 5 + 4
    fold.count(*map(_junk, range(300, 400)), network=_FLOOD)
    assert fold.judged == 5 + 4 + 4
    assert _left_out(engine) == {OverflowReason.NETWORK_AND_HOST: 395}


def test_evidence_of_an_honest_client_in_the_network_of_a_flood_is_accepted_after_it(fold: _Counting) -> None:
    fold.count(*map(_junk, range(300)), network=_FLOOD)
    assert fold.count(_checked(), network=_FLOOD).result.new_violations == 1


def test_what_cannot_be_checked_is_counted_once_another_network_has_reported_it(
    fold: _Counting, engine: Engine
) -> None:
    """Until then it is overflow, which withholds the verdict."""
    fold.count(*map(_junk, range(5)), network=_FLOOD)
    own = report_body(served=[], validated=[])
    assert fold.count(own, network=_FLOOD).result.accepted == 0
    assert _left_out(engine) == {OverflowReason.NETWORK_AND_HOST: 1}
    assert fold.count(own, network=_ELSEWHERE).result.accepted == 1
    again = own.replace(b".000Z", b".001Z")
    assert fold.count(again, network=_FLOOD).result.accepted == 1


def test_copies_of_one_chain_have_no_more_of_the_reserved_room_than_a_leaf(fold: _Counting) -> None:
    for number in range(8):
        fold.count(*map(_junk, range(10 * number, 10 * number + 5)), network=bytes([10 + number]) * 8)  # no open room
    results = [fold.count(_checked(port=port), network=bytes([port]) * 8).result for port in range(100, 108)]
    assert [result.accepted for result in results] == [1, 1, 1, 0, 0, 0, 0, 0]
    stolen = site().intermediate.issue(HOST)
    assert fold.count(_checked(stolen), network=_ELSEWHERE).result.accepted == 1


def test_a_copied_chain_is_no_evidence_about_another_host(
    fold: _Counting, harness: IngestHarness, engine: Engine
) -> None:
    harness.set_policy("example.com", pins=[make_site().root.pin], subdomains=True)
    chain = [site().leaf.pem, site().intermediate.pem]
    bodies = [report_body(host=f"h{n}.example.com", noted="example.com", served=chain) for n in range(12)]
    fold.count(*bodies, network=_ELSEWHERE)
    with engine.connect() as connection:
        rows = connection.execute(select(tables.violations.c.hostname, tables.violations.c.checked_leaf)).all()
    assert len(rows) == 5
    assert all(row.checked_leaf is None for row in rows)
