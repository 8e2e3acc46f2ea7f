"""The decision as numbers, by audience and day: as the assessment of the day had them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.hpkp.readiness import CRITERIA, Readiness
from app.metrics import Metrics
from app.service import Service, open_service
from app.store import tables
from app.store.engine import to_ms
from tests.support.application import settings_for
from tests.support.demo import demo_store
from tests.support.store.ingest_harness import IngestHarness

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
HOST = "www.example.com"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Return a service over the demo's store, without the numbers of its days."""
    demo = demo_store().copy_to(tmp_path)
    settings = settings_for(
        tmp_path, database_url=f"sqlite:///{demo.database}", trust_anchors=demo.roots, catalog=demo.catalog
    )
    made = open_service(settings, Metrics())
    with made.engine.begin() as connection:
        connection.execute(tables.decision_days.delete())
    yield made
    made.engine.dispose()


def _record(service: Service, at: datetime) -> Readiness:
    answer = service.readiness.record(HOST, at=at)
    assert answer is not None
    return answer


def test_each_day_has_the_numbers_of_its_assessment_for_each_audience(service: Service) -> None:
    at = datetime.now(UTC)
    answer = _record(service, at)
    assert len(answer.audiences) > 1
    rows = {row.audience: row for row in IngestHarness.at(service.engine).rows(tables.decision_days)}
    assert len(rows) == len(answer.audiences)
    for one in answer.audiences:
        row, numbers = rows[str(one.audience)], one.estimate
        assert (row.host, row.app, row.app_version) == (HOST, one.audience.app, one.audience.version)
        assert (row.verdict, row.covered_days, row.needed_days) == (one.verdict, len(one.days.covered), one.needed_days)
        assert (row.locked_out, row.exposed, row.share, row.upper) == (
            numbers.ours.at_least, numbers.of, numbers.share, numbers.upper,
        )  # fmt: skip
        assert row.share_limit == answer.thresholds.lockout_share
        assert row.criteria == {name: one.criteria[name].value for name in CRITERIA}
        assert row.day <= row.at == to_ms(at)
    assert any(row.share is not None for row in rows.values())


def test_a_day_keeps_the_last_numbers_and_the_next_day_has_its_own(service: Service) -> None:
    # Tomorrow and one second apart: the demo's reports end now, and no age of its evidence passes a limit in between.
    start = datetime.now(UTC).replace(hour=1, minute=0) + DAY
    first = _record(service, start)
    _record(service, start + SECOND)
    rows = IngestHarness.at(service.engine).rows(tables.decision_days)
    assert {row.at for row in rows} == {to_ms(start)}, "the same numbers are not written again"
    service.settings.__dict__["max_lockout_percent"] = 50.0
    _record(service, start + 2 * SECOND)
    rows = IngestHarness.at(service.engine).rows(tables.decision_days)
    assert {(row.at, row.share_limit) for row in rows} == {(to_ms(start + 2 * SECOND), 0.5)}
    _record(service, start + DAY)
    rows = IngestHarness.at(service.engine).rows(tables.decision_days)
    assert len({row.day for row in rows}) == 2
    assert len(rows) >= 2 * len(first.audiences)
