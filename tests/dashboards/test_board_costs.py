"""The measuring program of the boards' queries asks all of them, and says which is over its limit."""

import itertools
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bench.boards import LIMITS, RANGES, Cost, add_decision_days, markdown, measure
from bench.fill import DAYS
from tests.support.dashboards.boards import SQL_NAMES, pair
from tests.support.dashboards.stores import sqlite_store
from tests.support.demo import demo_store


def test_every_query_of_every_panel_is_measured_over_every_range() -> None:
    seconds = itertools.count()
    with sqlite_store(demo_store().database) as store:
        costs = list(measure("sqlite", store, lambda: float(next(seconds))))
    targets = [target for name in SQL_NAMES for panel in pair(name)[1].panels() for target in panel["targets"]]
    assert len(costs) == len(targets) * len(RANGES)
    assert {cost.panel for cost in costs} == {p["title"] for name in SQL_NAMES for p in pair(name)[1].panels()}
    assert {cost.milliseconds for cost in costs} == {1000.0}


def test_a_store_to_measure_has_the_decision_of_every_day(tmp_path: Path) -> None:
    database = Path(shutil.copy(demo_store().database, tmp_path / "copy.sqlite3"))
    with closing(sqlite3.connect(database)) as store, store:
        last = store.execute("SELECT MAX(day) FROM decision_days").fetchone()[0]
        store.execute("DELETE FROM decision_days WHERE day < ?", (last,))
    add_decision_days(database)
    with closing(sqlite3.connect(database)) as store:
        assert store.execute("SELECT COUNT(DISTINCT day) FROM decision_days").fetchone() == (DAYS,)


def test_the_dearest_come_first_with_their_limit() -> None:
    costs = [Cost("sqlite", "host", f"panel {number}", "a year", float(number)) for number in range(20)]
    rows = markdown(costs, reports=1_000_000).splitlines()[4:]
    assert rows[0] == f"| sqlite | {LIMITS['sqlite']:.0f} | host | panel 19 | a year | 19 |"
    assert len(rows) == 8
