"""A batch counts exactly once, whatever happens to it."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from app.hpkp.overflow import OverflowReason
from app.store import tables
from app.store.engine import DAY_MS, writing
from app.store.write.fold import fold, fold_batch
from app.store.write.marks import delete_mark, read_mark
from app.store.write.values import (
    FoldBatch,
    FoldLimits,
    FoldResult,
    JudgedWithOldPolicy,
    LogPosition,
    MarkMoved,
    UnknownViolations,
)
from tests.support.reports import HOST, distinct_bodies, other_site, report_body
from tests.support.store.ingest_harness import AT, later, submission
from tests.support.store.write.folding import LOG, AdmissionLimits, Folder

_COUNTED = (
    tables.violations, tables.rollup_hours, tables.rollup_days, tables.host_hours, tables.host_days,
    tables.host_clients, tables.reports, tables.seen_submissions, tables.log_marks, tables.overflow_days,
    tables.certificates, tables.chains, tables.hosts, tables.sources, tables.violation_networks,
)  # fmt: skip


@pytest.fixture
def folder(engine: Engine) -> Folder:
    return Folder(engine)


def _everything(folder: Folder) -> list[object]:
    return [folder.rows(table) for table in _COUNTED]


def _other_chain(number: int) -> bytes:
    chain = other_site(number)
    return report_body(served=chain.served, validated=chain.validated)


def test_a_batch_is_counted_and_the_mark_moves_with_it(folder: Folder) -> None:
    batch = folder.batch([submission(body) for body in distinct_bodies(7)])
    outcome = fold_batch(folder.engine, batch, FoldLimits())
    assert outcome == FoldResult(accepted=7, duplicates=0, new_violations=1, hosts=frozenset({HOST}))
    assert folder.only(tables.violations).reports == 7
    assert folder.only(tables.rollup_hours).reports == folder.only(tables.host_days).reports == 7
    with folder.engine.connect() as connection:
        mark = read_mark(connection, LOG)
    assert mark is not None
    assert (mark.position, mark.newest_received_at) == (batch.ends_at, AT)


def test_the_same_batch_folded_twice_counts_once(folder: Folder) -> None:
    first = folder.batch([submission()])
    second_of_log = replace(first, begins_at=first.ends_at, ends_at=LogPosition(1, 4096, 2))
    for batch in (first, second_of_log):
        fold_batch(folder.engine, batch, FoldLimits())
        before = _everything(folder)
        assert fold_batch(folder.engine, batch, FoldLimits()) == MarkMoved(batch.ends_at)
        assert _everything(folder) == before


def test_a_batch_that_begins_behind_the_mark_is_not_counted(folder: Folder) -> None:
    beyond = replace(folder.batch([submission()]), begins_at=LogPosition(2, 0, 9))
    assert fold_batch(folder.engine, beyond, FoldLimits()) == MarkMoved(None)
    assert folder.rows(tables.violations) == folder.rows(tables.log_marks) == []


def test_logs_have_marks_of_their_own(folder: Folder) -> None:
    other = Folder(folder.engine, log_id=b"\1" * 16)
    folder.fold(submission(client="one"))
    other.fold(submission(client="two"))
    assert folder.only(tables.violations).reports == 2
    with writing(folder.engine) as connection:
        delete_mark(connection, LOG)
    assert folder.only(tables.log_marks).log_id == other.log_id


class _CrashError(Exception):
    pass


def _fold_and_crash(folder: Folder, batch: FoldBatch) -> None:
    with writing(folder.engine) as connection:
        assert isinstance(fold(connection, batch, FoldLimits()), FoldResult)
        raise _CrashError


def test_what_is_rolled_back_was_never_there_and_the_batch_can_be_folded_again(folder: Folder) -> None:
    folder.fold(submission(client="before"))
    before = _everything(folder)
    batch = folder.batch([submission(body, client="two") for body in (*distinct_bodies(3), _other_chain(1))])
    with pytest.raises(_CrashError):
        _fold_and_crash(folder, batch)
    assert _everything(folder) == before
    assert fold_batch(folder.engine, batch, FoldLimits()) == FoldResult(
        accepted=4, duplicates=0, new_violations=1, hosts=frozenset({HOST})
    )
    assert sum(row.reports for row in folder.rows(tables.violations)) == 5


def test_a_retry_counts_once_also_across_logs_and_batches(folder: Folder) -> None:
    other = Folder(folder.engine, log_id=b"\1" * 16)
    one, two = map(submission, distinct_bodies(2))
    assert folder.fold(one, one, two).duplicates == 1
    assert other.fold(one, two).accepted == 0
    assert folder.only(tables.violations).reports == 2


@pytest.mark.parametrize(("after", "accepted"), [(DAY_MS, 0), (DAY_MS + 1, 1)])
def test_a_retry_counts_again_after_twenty_four_hours(folder: Folder, after: int, accepted: int) -> None:
    first = submission()
    folder.fold(first)
    assert folder.fold(later(first, milliseconds=after)).accepted == accepted


def test_a_violation_of_which_every_report_is_a_retry_is_not_added(folder: Folder) -> None:
    folder.fold(submission())
    with writing(folder.engine) as connection:
        for table in (tables.reports, tables.rollup_hours, tables.rollup_days, tables.violation_networks):
            connection.execute(table.delete())
        connection.execute(tables.violations.delete())
    assert folder.fold(submission()) == FoldResult(accepted=0, duplicates=1)
    assert folder.rows(tables.violations) == []


def test_a_violation_deleted_since_it_was_looked_up_is_asked_for(folder: Folder) -> None:
    folder.fold(submission())
    batch = folder.batch([submission(client="two")])
    with writing(folder.engine) as connection:
        for table in (tables.reports, tables.rollup_hours, tables.rollup_days, tables.violation_networks):
            connection.execute(table.delete())
        connection.execute(tables.violations.delete())
    before = _everything(folder)
    outcome = fold_batch(folder.engine, batch, FoldLimits())
    assert outcome == UnknownViolations(frozenset({submission().identity}))
    assert _everything(folder) == before
    assert folder.fold(submission(client="two")).accepted == 1


def test_a_policy_changed_since_the_judgement_is_told_and_nothing_is_written(folder: Folder) -> None:
    batch = folder.batch([submission()])
    folder.set_policy()
    before = _everything(folder)
    assert fold_batch(folder.engine, batch, FoldLimits()) == JudgedWithOldPolicy(frozenset({HOST}))
    assert _everything(folder) == before
    assert folder.fold(submission()).new_violations == 1
    assert folder.only(tables.violations).judgement["policy_revision"] == 1


def test_a_leaf_key_seen_since_the_judgement_is_told_too(folder: Folder) -> None:
    folder.set_policy()
    batch = folder.batch([submission()])
    with writing(folder.engine) as connection:
        connection.execute(tables.live_keys.insert().values(host=HOST, pin="A" * 43 + "=", first_seen_at=AT))
    assert fold_batch(folder.engine, batch, FoldLimits()) == JudgedWithOldPolicy(frozenset({HOST}))


def test_a_changed_policy_does_not_hold_up_what_is_known(folder: Folder) -> None:
    folder.fold(submission())
    batch = folder.batch([submission(client="two")])
    folder.set_policy()
    assert isinstance(fold_batch(folder.engine, batch, FoldLimits()), FoldResult)


def test_a_violation_that_another_fold_added_meanwhile_is_counted_on(folder: Folder) -> None:
    batch = folder.batch([submission(client="two"), submission(_other_chain(1), client="two")])
    Folder(folder.engine, log_id=b"\1" * 16).fold(submission(client="one"))
    outcome = fold_batch(folder.engine, batch, FoldLimits())
    assert isinstance(outcome, FoldResult)
    assert (outcome.accepted, outcome.new_violations) == (2, 1)
    assert sorted(row.reports for row in folder.rows(tables.violations)) == [1, 2]


def test_overflow_is_no_violation_and_its_retry_no_second_report(engine: Engine) -> None:
    folder = Folder(engine, admission=AdmissionLimits(new_violations_per_day=1))
    first, second = submission(_other_chain(1)), submission(_other_chain(2))
    assert folder.fold(first, second).overflow == {OverflowReason.HOST_AND_DAY: 1}
    assert folder.fold(second) == FoldResult(accepted=0, duplicates=1)
    assert folder.only(tables.overflow_days).reports == 1
    assert len(folder.rows(tables.chains)) == 2  # served and validated of the first one
    assert folder.only(tables.violations).reports == 1
