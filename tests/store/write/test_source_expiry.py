"""Sources that strangers made up make room again, and no report is lost by that."""

from collections import Counter

import pytest
from sqlalchemy import Engine

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS
from app.store.write.source_expiry import expire_sources, free_sources
from app.store.write.values import FoldLimits
from tests.support.reports import HOST, distinct_bodies
from tests.support.store.ingest_harness import AT, submission
from tests.support.store.write.folding import Folder

_LIMIT = 10


@pytest.fixture
def folder(engine: Engine) -> Folder:
    """Return a fold into a store in which ten labels were made up long ago, two of which are used to this day."""
    folder = Folder(engine, FoldLimits(sources=_LIMIT))
    folder.set_policy(HOST)
    bodies = iter(distinct_bodies(40))
    old = AT - 40 * DAY_MS
    folder.fold(*(submission(next(bodies), at=old + n % 2 * HOUR_MS, label=f"l{n % 9}") for n in range(18)))
    folder.fold(*(submission(next(bodies), label=label) for label in ("l0", "l1", "l1", "", "too many")))
    return folder


def _by_label(folder: Folder) -> Counter[str]:
    labels = {row.id: row.label for row in folder.rows(tables.sources)}
    counted = Counter[str]()
    for row in folder.rows(tables.rollup_hours):
        counted[labels[row.source_id]] += row.reports
    assert {row.source_id for row in folder.rows(tables.reports)} <= labels.keys()
    assert counted.total() == 23 == sum(row.reports for row in folder.rows(tables.host_hours))
    return counted


def test_sources_that_nobody_sends_any_more_expire_while_little_room_is_left(folder: Folder) -> None:
    assert _by_label(folder) == {"l0": 3, "l1": 4, "": 2, **{f"l{n}": 2 for n in range(2, 9)}}
    assert expire_sources(folder.engine, unused_since=AT - 30 * DAY_MS, limit=_LIMIT) == 7
    assert _by_label(folder) == {"l0": 3, "l1": 4, "": 16}
    assert folder.fold(submission(at=AT + DAY_MS, label="new")).accepted == 1
    assert {row.label for row in folder.rows(tables.sources)} == {"l0", "l1", "", "new"}


def test_with_room_left_nothing_expires(folder: Folder) -> None:
    assert expire_sources(folder.engine, unused_since=AT - 30 * DAY_MS, limit=13) == 0
    assert len(_by_label(folder)) == 10


def test_sources_with_few_reports_go_when_the_operator_says_so(folder: Folder) -> None:
    assert free_sources(folder.engine, fewer_reports_than=4) == 8
    assert _by_label(folder) == {"l1": 4, "": 19}
    assert free_sources(folder.engine, fewer_reports_than=4) == 0
