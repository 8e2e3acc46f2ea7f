"""Several folds on one database at once: interleaved, deadlocked, and with a policy that changes between them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, update

from app.store import tables
from app.store.engine import open_engine, writing
from app.store.write.fold import fold, fold_batch
from app.store.write.values import FoldLimits, FoldResult, JudgedWithOldPolicy, MarkMoved
from tests.support.postgres import postgres_database
from tests.support.reports import HOST, report_body
from tests.support.store.ingest_harness import submission
from tests.support.store.write.folding import Folder

BODIES = [report_body(port=8000 + number) for number in range(60)]
OTHER_LOG = b"\1" * 16


@pytest.fixture
def postgres() -> Iterator[str]:
    """Return the URL of a store in PostgreSQL."""
    with postgres_database() as url:
        yield url


def _fold_all(folder: Folder, bodies: list[bytes], client: str) -> list[FoldResult]:
    found = [submission(body, client=client) for body in bodies]
    return [folder.fold(*found[start : start + 10]) for start in range(0, len(found), 10)]


def test_two_folds_that_find_the_same_violations_new_count_each_report_once(engine: Engine, url: str) -> None:
    other = open_engine(url)
    first, second = Folder(engine), Folder(other, log_id=OTHER_LOG)
    with ThreadPoolExecutor(2) as pool:
        folds = (pool.submit(_fold_all, first, BODIES, "one"), pool.submit(_fold_all, second, BODIES[::-1], "two"))
        results = [result for future in folds for result in future.result()]
    other.dispose()
    assert sum(result.accepted for result in results) == 120
    assert [row.reports for row in first.rows(tables.violations)] == [2] * 60
    assert sum(row.reports for row in first.rows(tables.rollup_hours)) == 120
    assert [(row.reports, row.rows_kept, row.clients) for row in first.rows(tables.rollup_days)] == [(2, 2, 2)] * 60
    assert (first.only(tables.host_days).reports, first.only(tables.host_clients).clients) == (120, 2)
    assert [row.sequence for row in first.rows(tables.log_marks)] == [66, 66]  # and one more for each batch


def test_a_batch_that_two_processes_fold_at_once_counts_once(engine: Engine, url: str) -> None:
    other = open_engine(url)
    folder = Folder(engine)
    batch = folder.batch([submission(body) for body in BODIES])
    together = threading.Barrier(2)

    def run(on: Engine) -> object:
        together.wait()
        return fold_batch(on, batch, FoldLimits())

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, (engine, other)))
    other.dispose()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["FoldResult", "MarkMoved"]
    assert MarkMoved(batch.ends_at) in outcomes
    assert [row.reports for row in folder.rows(tables.violations)] == [1] * 60


def test_reports_of_one_violation_in_open_transactions_of_two_folds_add_up(postgres: str) -> None:
    """Both have begun and looked before one commits; the second waits for the rows of the first."""
    engine, other = open_engine(postgres), open_engine(postgres)
    first, second = Folder(engine), Folder(other, log_id=OTHER_LOG)
    first.fold(submission(client="zero"))
    second.fold(submission(client="nought"))
    batch = second.batch([submission(client="two")])
    with ThreadPoolExecutor(1) as pool:
        with writing(engine) as connection:
            assert isinstance(fold(connection, first.batch([submission(client="one")]), FoldLimits()), FoldResult)
            waiting = pool.submit(fold_batch, other, batch, FoldLimits())
            _wait_until_blocked(postgres)
        assert isinstance(waiting.result(), FoldResult)
    violation, day = first.only(tables.violations), first.only(tables.rollup_days)
    assert (violation.reports, violation.clients, day.reports, day.clients) == (4, 4, 4, 4)
    assert first.only(tables.host_clients).clients == 4
    engine.dispose()
    other.dispose()


def test_a_retry_in_open_transactions_of_two_folds_counts_once(postgres: str) -> None:
    engine, other = open_engine(postgres), open_engine(postgres)
    first, second = Folder(engine), Folder(other, log_id=OTHER_LOG)
    first.fold(submission(client="zero"))
    second.fold(submission(client="nought"))
    batch = second.batch([submission(client="one")])
    with ThreadPoolExecutor(1) as pool:
        with writing(engine) as connection:
            fold(connection, first.batch([submission(client="one")]), FoldLimits())
            waiting = pool.submit(fold_batch, other, batch, FoldLimits())
            _wait_until_blocked(postgres)
        outcome = waiting.result()
    assert isinstance(outcome, FoldResult)
    assert (outcome.accepted, outcome.duplicates) == (0, 1)
    assert first.only(tables.violations).reports == 3
    engine.dispose()
    other.dispose()


def test_no_violation_is_added_under_a_policy_that_is_being_changed(postgres: str) -> None:
    """The fold comes to its comparison while the change is not committed: it waits, and then sees the change."""
    engine, other = open_engine(postgres), open_engine(postgres)
    folder = Folder(engine)
    batch = folder.batch([submission()])
    with ThreadPoolExecutor(1) as pool:
        with writing(other) as connection:
            Folder(other).set_policy_in(connection)
            waiting = pool.submit(fold_batch, engine, batch, FoldLimits())
            _wait_until_blocked(postgres)
        assert waiting.result() == JudgedWithOldPolicy(frozenset({HOST}))
    assert folder.rows(tables.violations) == []
    engine.dispose()
    other.dispose()


def test_a_batch_rolled_back_by_a_deadlock_is_folded_again_as_a_whole(postgres: str) -> None:
    """Another session locks the second violation, waits until the fold waits for it, and asks for the first one."""
    engine = open_engine(postgres)
    folder = Folder(engine)
    folder.fold(submission(BODIES[0]), submission(BODIES[1]))
    first, second = (row.id for row in folder.rows(tables.violations))
    batch = folder.batch([submission(BODIES[0], client="two"), submission(BODIES[1], client="two")])
    patient = create_engine(engine.url)
    rolled_back: list[str] = []

    @event.listens_for(engine, "connect")
    def _look_for_deadlocks_after_two_seconds(connection: Any, _record: object) -> None:
        connection.execute("SET deadlock_timeout = '2s'")
        connection.commit()

    @event.listens_for(engine, "rollback")
    def _rolled_back(_connection: object) -> None:
        rolled_back.append("rollback")

    engine.dispose()
    with patient.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.exec_driver_sql("SET deadlock_timeout = '1h'")
        connection.execute(update(tables.violations).where(tables.violations.c.id == second).values(note="mine"))
        folding = pool.submit(fold_batch, engine, batch, FoldLimits())
        _wait_until_blocked(postgres)
        connection.execute(update(tables.violations).where(tables.violations.c.id == first).values(note="mine"))
        connection.commit()
        assert folding.result() == FoldResult(accepted=2, duplicates=0, hosts=frozenset({HOST}))
    patient.dispose()
    assert rolled_back
    assert [(row.reports, row.note) for row in folder.rows(tables.violations)] == [(2, "mine")] * 2
    assert sum(row.reports for row in folder.rows(tables.rollup_hours)) == 4
    engine.dispose()


def _wait_until_blocked(url: str) -> None:
    """Wait until a session waits for a lock of another one."""
    watching = open_engine(url)
    blocked = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    deadline = time.monotonic() + 60
    with watching.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.exec_driver_sql(blocked).scalar_one():
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)
    watching.dispose()
