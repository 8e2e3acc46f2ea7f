"""Several processes on one store: what they add at the same time, who gives way, and whose turn it is."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, update

from app.store import tables
from app.store.engine import open_engine
from app.store.locks import LockKey, try_lock
from tests.support.postgres import postgres_database
from tests.support.reports import report_body
from tests.support.store.ingest_harness import IngestHarness, Taken, submission

BODIES = [report_body(port=8000 + number) for number in range(60)]


def _take_with_two(first: IngestHarness, second: IngestHarness) -> list[Taken]:
    """Take all bodies with two writers at once, the one in the other's reverse order, in batches of ten."""

    def take(harness: IngestHarness, bodies: list[bytes], client: str) -> list[Taken]:
        found = [submission(body, client=client) for body in bodies]
        return [outcome for start in range(0, 60, 10) for outcome in harness.take(*found[start : start + 10])]

    with ThreadPoolExecutor(2) as pool:
        taken = (pool.submit(take, first, BODIES, "one"), pool.submit(take, second, BODIES[::-1], "two"))
        return [outcome for future in taken for outcome in future.result()]


def test_two_writers_that_find_the_same_violations_new_count_them_once_each(engine: Engine, url: str) -> None:
    other = open_engine(url)
    harness = IngestHarness.at(engine)
    assert _take_with_two(harness, IngestHarness.at(other)) == [Taken.ACCEPTED] * 120
    assert [row.reports for row in harness.rows(tables.violations)] == [2] * 60
    assert sum(row.reports for row in harness.rows(tables.rollup_hours)) == 120
    assert [(row.reports, row.rows_kept, row.clients) for row in harness.rows(tables.rollup_days)] == [(2, 2, 2)] * 60
    other.dispose()


def test_two_writers_together_keep_to_the_limit_on_new_violations(engine: Engine, url: str) -> None:
    other = open_engine(url)
    harness = IngestHarness.at(engine, new_violations_per_day=25)
    outcomes = _take_with_two(harness, IngestHarness.at(other, new_violations_per_day=25))
    # Each reads how much room there is before its transaction, so what both have in hand may be too much: 10 each.
    stored = len(harness.rows(tables.violations))
    assert 25 <= stored < 25 + 20
    accepted = outcomes.count(Taken.ACCEPTED)
    assert accepted + outcomes.count(Taken.OVER_LIMIT) == 120
    assert sum(row.reports for row in harness.rows(tables.violations)) == accepted >= 25
    other.dispose()


def test_kinds_of_upkeep_are_one_processs_at_a_time(engine: Engine, url: str, database: str) -> None:
    other = open_engine(url)
    with try_lock(engine, LockKey.PRUNING) as ours, try_lock(other, LockKey.PRUNING) as theirs:
        assert (ours, theirs) == (True, False)
        with try_lock(other, LockKey.PROBING) as another_kind:
            assert another_kind
    with try_lock(other, LockKey.PRUNING) as afterwards:
        assert afterwards
    other.dispose()


@pytest.fixture
def postgres() -> Iterator[str]:
    """Return the URL of a store in PostgreSQL."""
    with postgres_database() as url:
        yield url


def test_a_batch_broken_off_by_a_deadlock_is_written_again_as_a_whole(postgres: str) -> None:
    """Another session locks the second violation, waits until the writer waits for it, and asks for the first one."""
    engine = open_engine(postgres)
    harness = IngestHarness.at(engine)
    harness.take(submission(BODIES[0]), submission(BODIES[1]))
    first, second = (row.id for row in harness.rows(tables.violations))
    patient = create_engine(engine.url)
    gave_way: list[str] = []

    @event.listens_for(engine, "connect")
    def _look_for_deadlocks_after_two_seconds(connection: Any, _record: object) -> None:
        connection.execute("SET deadlock_timeout = '2s'")
        connection.commit()

    @event.listens_for(engine, "rollback")
    def _rolled_back(_connection: object) -> None:
        gave_way.append("rollback")

    engine.dispose()
    with patient.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.exec_driver_sql("SET deadlock_timeout = '1h'")
        connection.execute(update(tables.violations).where(tables.violations.c.id == second).values(note="mine"))
        written = pool.submit(harness.take, *(submission(body, client="two") for body in BODIES[:2]))
        while not _somebody_waits(postgres):
            time.sleep(0.01)
        connection.execute(update(tables.violations).where(tables.violations.c.id == first).values(note="mine"))
        connection.commit()
        assert written.result() == [Taken.ACCEPTED] * 2
    patient.dispose()
    assert gave_way
    assert [(row.reports, row.note) for row in harness.rows(tables.violations)] == [(2, "mine")] * 2
    assert sum(row.reports for row in harness.rows(tables.rollup_hours)) == 4
    engine.dispose()


def _somebody_waits(url: str) -> bool:
    watching = open_engine(url)
    with watching.connect() as connection:
        waiting = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database OR database IS NULL"
            " WHERE NOT granted AND datname = current_database()"
        ).scalar_one()
    watching.dispose()
    return bool(waiting)
