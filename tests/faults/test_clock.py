"""A clock that goes back: instants are the store's to be given, so these reports are received when the test says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.store import tables
from app.store.engine import HOUR_MS, open_engine, upgrade
from tests.postgres import postgres_database
from tests.reports import distinct_bodies
from tests.store.desk import AT, Desk, Taken, submission


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Open an empty store."""
    if request.param == "postgresql":
        with postgres_database() as url:
            opened = open_engine(url)
            yield opened
            opened.dispose()
        return
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    opened = open_engine(url)
    yield opened
    opened.dispose()


def test_a_clock_that_goes_back_loses_nothing_and_counts_nothing_twice(engine: Engine) -> None:
    """Sent: 50 reports at noon, 50 others an hour before that, in one batch with retries of the first ones.

    Acknowledged: all; the retries as such. Found: 100, each in the hour that the clock showed; the violation was last
    seen at the later of the two times.
    """
    desk = Desk.at(engine)
    bodies = distinct_bodies(100)
    assert desk.take(*(submission(body, at=AT) for body in bodies[:50])) == [Taken.ACCEPTED] * 50
    after = [submission(body, at=AT - HOUR_MS) for body in bodies]
    assert desk.take(*after) == [Taken.DUPLICATE] * 50 + [Taken.ACCEPTED] * 50
    violation = desk.only(tables.violations)
    assert (violation.reports, violation.last_received_at) == (100, AT)
    hours = {row.hour: row.reports for row in desk.rows(tables.rollup_hours)}
    assert hours == {AT: 50, AT - HOUR_MS: 50}
    # And when it is right again, a retry is still one.
    assert desk.take(*(submission(body, at=AT + HOUR_MS) for body in bodies)) == [Taken.DUPLICATE] * 100
