"""Rollups by hour and day are exact, wherever the borders fall; summaries add them up."""

import sqlite3
import tempfile
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, from_ms, open_engine, upgrade
from app.store.read import counted_violations
from app.store.read.evidence import gather_evidence
from app.store.read.filters import Filter
from app.store.read.summaries import Summary, summarise
from tests.support.reports import HOST, distinct_bodies, other_site, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, submission

MIDNIGHT = AT - AT % DAY_MS


def _summary(harness: IngestHarness, *, interval: str = "hour", **wanted: object) -> Summary:
    with harness.engine.connect() as connection:
        return summarise(connection, Filter(host=HOST, **wanted), interval=interval)  # type: ignore[arg-type]


def test_reports_on_both_sides_of_an_hour_fall_into_their_own(harness: IngestHarness) -> None:
    moments = [AT - 1, AT, AT + 1, AT + HOUR_MS - 1, AT + HOUR_MS]
    harness.take(*(submission(body, at=at) for body, at in zip(distinct_bodies(5), moments, strict=True)))
    hours = {row.hour: row.reports for row in harness.rows(tables.rollup_hours)}
    assert hours == {AT - HOUR_MS: 1, AT: 3, AT + HOUR_MS: 1}
    assert harness.only(tables.rollup_days).reports == 5


def test_reports_on_both_sides_of_midnight_fall_into_their_own_day(harness: IngestHarness) -> None:
    moments = [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + DAY_MS - 1, MIDNIGHT + DAY_MS]
    harness.take_each(submission(body, at=at) for body, at in zip(distinct_bodies(4), moments, strict=True))
    days = {row.day: row.reports for row in harness.rows(tables.rollup_days)}
    assert days == {MIDNIGHT - DAY_MS: 1, MIDNIGHT: 2, MIDNIGHT + DAY_MS: 1}


def test_series_by_hour_and_by_day_tell_the_same_reports(harness: IngestHarness) -> None:
    moments = [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 90 * 60_000]
    harness.take(*(submission(body, at=at) for body, at in zip(distinct_bodies(3), moments, strict=True)))
    midnight = from_ms(MIDNIGHT)
    by_hour = [(time, reports) for time, _, reports in _summary(harness).series]
    by_day = [(time, reports) for time, _, reports in _summary(harness, interval="day").series]
    assert by_hour == [(midnight - timedelta(hours=1), 1), (midnight, 1), (midnight + timedelta(hours=1), 1)]
    assert by_day == [(midnight - timedelta(days=1), 1), (midnight, 2)]


def test_a_window_begins_with_the_hour_that_holds_it_and_ends_before_its_end(harness: IngestHarness) -> None:
    moments = [AT - 1, AT, AT + HOUR_MS]
    harness.take(*(submission(body, at=at) for body, at in zip(distinct_bodies(3), moments, strict=True)))
    since, until = from_ms(AT + HOUR_MS // 2), from_ms(AT + HOUR_MS)
    assert _summary(harness, since=since).reports == 2
    assert _summary(harness, until=until).reports == 2
    assert _summary(harness, since=since, until=until).reports == 1
    assert _summary(harness, since=since, until=from_ms(AT)).reports == 0


def test_a_window_in_another_zone_is_the_same_window(harness: IngestHarness) -> None:
    harness.take(submission())
    for hours in (-11, 0, 14):
        here = from_ms(AT).astimezone(timezone(timedelta(hours=hours)))
        assert _summary(harness, since=here).reports == 1
        assert _summary(harness, until=here).reports == 0


def test_clients_are_counted_once_however_many_violations_and_days_they_report(harness: IngestHarness) -> None:
    chain = other_site()
    bodies = (*distinct_bodies(2), report_body(served=chain.served, validated=chain.validated))
    harness.take(*(submission(body, client=client) for body in bodies for client in ("one", "two")))
    harness.take(submission(bodies[0], at=AT + 2 * DAY_MS, client="one"))
    found = _summary(harness)
    assert (found.reports, found.violations, found.clients.about) == (7, 2, 2)
    assert _summary(harness, since=from_ms(AT + DAY_MS)).clients.about == 1


def test_sources_narrow_a_summary(harness: IngestHarness) -> None:
    apps = [report_body(app_bundle_id="one", app_version=version, trustkit_version="3") for version in ("1", "2")]
    harness.take(
        *(submission(body, client=client) for body in apps for client in ("one", "two")), submission(label="web")
    )
    assert _summary(harness, app="one").reports == 4
    assert _summary(harness, app="one", app_version="2").reports == 2
    assert _summary(harness, label="web").reports == 1
    assert _summary(harness, app="none").reports == _summary(harness, app="none").clients.at_most == 0


_TIMES = st.integers(-3 * DAY_MS, 3 * DAY_MS)


@settings(max_examples=25, deadline=None)
@given(
    offsets=st.lists(_TIMES, min_size=1, max_size=30),
    border=st.integers(-80, 80),
    batch=st.integers(1, 8),
)
def test_the_tallies_of_two_windows_add_up_to_the_tally_of_both(offsets: list[int], border: int, batch: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory)}/hpkp.sqlite3"
        upgrade(url)
        harness = IngestHarness.at(open_engine(url))
        bodies = distinct_bodies(len(offsets))
        taken = [submission(body, at=AT + offset) for body, offset in zip(bodies, offsets, strict=True)]
        for start in range(0, len(taken), batch):
            harness.take(*taken[start : start + batch])
        middle = from_ms(AT + border * HOUR_MS)
        before, after, both = _summary(harness, until=middle), _summary(harness, since=middle), _summary(harness)
        harness.engine.dispose()
    assert both.reports == len(offsets) == sum(reports for _, _, reports in both.series)
    assert before.reports == sum(offset < border * HOUR_MS for offset in offsets)
    assert before.reports + after.reports == both.reports
    assert before.series + after.series == both.series


def test_evidence_counts_from_the_hour_of_its_beginning_and_leaves_closed_violations_out(
    harness: IngestHarness,
) -> None:
    moments = [AT - 1, AT, AT + 1]
    harness.take(*(submission(body, at=at) for body, at in zip(distinct_bodies(3), moments, strict=True)))
    with harness.engine.begin() as connection:
        evidence = gather_evidence(connection, HOST, since=from_ms(AT), until=from_ms(AT + 1))
        assert (evidence.reports, [v.reports for v in evidence.open_violations]) == (2, [2])
        connection.execute(tables.violations.update().values(status="expected"))
        assert gather_evidence(connection, HOST, since=from_ms(AT), until=from_ms(AT + 1)).open_violations == ()


@pytest.mark.sqlite_file
def test_however_many_violations_there_are_a_summary_takes_few_variables(
    harness: IngestHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_violations, "_IDS_AT_ONCE", 5)
    chains = [other_site(number) for number in range(12)]
    harness.take(*(submission(report_body(served=chain.served), label="web") for chain in chains))
    with harness.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 10)
        assert summarise(connection, Filter(host=HOST, label="web")).violations == 12
