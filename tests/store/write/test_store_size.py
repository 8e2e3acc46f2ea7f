"""A store over its limit shrinks in the documented order; evidence that cannot be forged goes last."""

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from sqlalchemy import Engine, update

from app.hpkp.overflow import OverflowReason
from app.outcomes import Outcome
from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, writing
from app.store.submissions import RejectedSubmission
from app.store.write.store_size import StoreSize, measure_store, shrink_store
from app.store.write.values import FoldLimits
from tests.support.reports import HOST, other_site, report_body
from tests.support.store.ingest_harness import AT, submission
from tests.support.store.write.folding import Folder

_LEAF = b"leaf" * 8
_ROWS = (tables.reports, tables.rejections, tables.violations, tables.rollup_hours)


@pytest.fixture
def folder(engine: Engine) -> Folder:
    """Return a fold into a store with one policy, whose violations are there with all kinds of detail."""
    folder = Folder(engine)
    folder.set_policy(HOST)
    rejected = RejectedSubmission(AT, Outcome.UNREADABLE, "no JSON", length=9, sample="x" * 300)
    for age in (20, 0):
        reports = [
            submission(_body(host, number), at=AT - age * DAY_MS, client=str(age))
            for host in (HOST, "stranger.example")
            for number in range(4)
        ]
        folder.fold(*reports, rejections=(rejected,) * 20)
    with writing(engine) as connection:  # as a judgement with public roots would have it
        of_host = tables.violations.c.host == HOST
        evidence = submission(_body(HOST, 0)).identity
        connection.execute(
            update(tables.violations)
            .where(of_host, tables.violations.c.identity == evidence)
            .values(checked_leaf=_LEAF)
        )
        worthless = submission(_body(HOST, 1)).identity
        connection.execute(
            update(tables.violations).where(tables.violations.c.identity == worthless).values(cause="implausible")
        )
    return folder


def _body(host: str, number: int) -> bytes:
    chain = other_site(number)
    return report_body(host=host, served=chain.served, validated=chain.validated)


def _shrink(folder: Folder, limit: int) -> StoreSize:
    return shrink_store(folder.engine, limit, newest_received_at=AT)


def _size(folder: Folder) -> int:
    with folder.engine.connect() as connection:
        return measure_store(connection)


def _identities(folder: Folder) -> set[bytes]:
    return {bytes(row.identity) for row in folder.rows(tables.violations)}


def _identities_of(host: str, numbers: Iterable[int]) -> set[bytes]:
    return {submission(_body(host, number)).identity for number in numbers}


def test_a_store_below_its_limit_is_left_alone(folder: Folder) -> None:
    size = _size(folder)
    before = [folder.rows(table) for table in _ROWS]
    assert _shrink(folder, size) == StoreSize(size, size, size, {})
    assert [folder.rows(table) for table in _ROWS] == before


def test_what_goes_first_is_what_is_worth_least(folder: Folder) -> None:
    """A limit that is never reached lets everything go that may: the order is that of the kinds in the result."""
    shrunk = _shrink(folder, 1)
    assert list(shrunk.deleted) == [
        "bodies", "reports", "rejections", "rollup_hours", "violations", "hosts", "digests", "host_hours",
    ]  # fmt: skip
    assert [shrunk.deleted[kind] for kind in ("bodies", "reports", "rejections", "violations")] == [16, 16, 40, 8]
    assert not shrunk.is_within
    assert shrunk.before > shrunk.after == _size(folder)


def test_policies_and_counts_by_day_of_hosts_with_one_stay_whatever_the_limit(folder: Folder) -> None:
    _shrink(folder, 1)
    assert folder.rows(tables.violations) == folder.rows(tables.chains) == folder.rows(tables.certificates) == []
    assert folder.only(tables.policy_revisions).host == folder.only(tables.hosts).name == HOST
    assert {row.host for row in folder.rows(tables.overflow_days)} == {HOST, "stranger.example"}


def test_reports_of_violations_that_are_deleted_become_overflow(folder: Folder) -> None:
    before = sum(row.reports for row in folder.rows(tables.host_days))
    _shrink(folder, 1)
    overflow = folder.rows(tables.overflow_days)
    assert {row.reason for row in overflow} == {OverflowReason.STORE_FULL}
    assert sum(row.reports for row in overflow if row.host == HOST) == 8
    assert sum(row.reports for row in overflow) + sum(row.reports for row in folder.rows(tables.host_days)) == before
    assert all(row.networks == 1 for row in overflow)


def test_violations_go_by_host_then_by_cause_then_by_age(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured after each violation: as many go as have to, in the documented order."""
    monkeypatch.setattr("app.store.write.store_size._VIOLATIONS_AT_ONCE", 1)
    remaining: list[set[bytes]] = []
    measured = iter(range(10_000, 0, -1))

    def measure(engine: Engine) -> int:
        found = _identities(folder)
        if not remaining or remaining[-1] != found:
            remaining.append(found)
        return next(measured)

    monkeypatch.setattr("app.store.write.store_size._measure", measure)
    monkeypatch.setattr("app.store.write.store_size._PIECES_UNMEASURED", 1)
    _shrink(folder, 1)
    went = [before - after for before, after in pairwise(remaining)]
    assert set().union(*went[:4]) == _identities_of("stranger.example", range(4))
    assert went[4] == _identities_of(HOST, [1])
    assert set().union(*went[5:7]) == _identities_of(HOST, [2, 3])
    assert went[7] == _identities_of(HOST, [0])
    assert len(went) == 8


def test_evidence_for_hosts_without_a_policy_goes_with_them(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody has certificates for hosts of their own."""
    with writing(folder.engine) as connection:
        of_stranger = tables.violations.c.host == "stranger.example"
        connection.execute(update(tables.violations).where(of_stranger).values(checked_leaf=_LEAF))
    there = [{row.host for row in folder.rows(tables.violations)}]

    def measure(engine: Engine) -> int:
        """Be small enough as soon as no violation of the stranger's is left."""
        there.append({row.host for row in folder.rows(tables.violations)})
        return 0 if there[-1] == {HOST} else 10**9

    monkeypatch.setattr("app.store.write.store_size._measure", measure)
    assert shrink_store(folder.engine, 100, newest_received_at=AT).deleted["violations"] == 4
    assert there[0] == {HOST, "stranger.example"}
    assert _identities_of(HOST, range(4)) == _identities(folder)


def test_digests_older_than_an_hour_go_before_counts_and_the_rest_before_violations_with_a_policy(
    folder: Folder,
) -> None:
    folder.fold(submission(at=AT + 2 * HOUR_MS, client="late"))
    shrunk = shrink_store(folder.engine, 1, newest_received_at=AT + 2 * HOUR_MS)
    kinds = list(shrunk.deleted)
    assert kinds.index("digests") == kinds.index("rejections") + 1
    assert shrunk.deleted["digests"] == 9
    assert folder.rows(tables.seen_submissions) == []


def test_it_stops_as_soon_as_the_store_is_small_enough(folder: Folder) -> None:
    with writing(folder.engine) as connection:  # bodies that nothing compresses are most of the store
        for row in folder.rows(tables.reports):
            body = {"body": random.Random(row.id).randbytes(20_000), "body_packing": 0}
            connection.execute(update(tables.reports).where(tables.reports.c.id == row.id).values(body))
    shrunk = _shrink(folder, _size(folder) - 1)
    assert shrunk.is_within
    assert set(shrunk.deleted) == {"bodies"}
    assert len(_identities(folder)) == 8


@pytest.mark.sqlite_file
def test_a_flood_of_violations_leaves_the_store_within_its_limit_and_evidence_in_it(engine: Engine) -> None:
    folder = Folder(engine, FoldLimits(report_rows_per_day=1, raw_bodies=1))
    folder.set_policy(HOST)
    folder.fold(submission(_body(HOST, 0)))
    with writing(engine) as connection:
        connection.execute(update(tables.violations).values(checked_leaf=_LEAF))
    limit = _size(folder) + 400_000
    for start in range(0, 600, 100):
        ports = range(start, start + 100)
        folder.fold(*(submission(report_body(host=HOST, port=1000 + port), at=AT + port) for port in ports))
        assert _shrink(folder, limit).is_within
    assert _identities_of(HOST, [0]) <= _identities(folder)
    kept, overflow = folder.rows(tables.violations), folder.rows(tables.overflow_days)
    assert sum(row.reports for row in kept) + sum(row.reports for row in overflow) == 601
