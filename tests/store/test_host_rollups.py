"""What is counted of a host as a whole is what is counted of its violations, whatever happened to them since."""

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import Engine

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, from_ms
from app.store.read.filters import Filter
from app.store.read.summaries import summarise
from app.store.retention import Cutoffs, prune
from app.store.sketches import count_of, union
from tests.support.reports import HOST, distinct_bodies, other_site, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, submission

PARENT = "example.com"
MOMENTS = (AT - DAY_MS, AT - HOUR_MS, AT, AT + 1, AT + DAY_MS)


def _demand_that_counts_agree(harness: IngestHarness) -> None:
    """Compare the counts of hosts with those of their violations."""
    kinds = {v.id: (v.host, v.cause, v.sender, v.mode or "") for v in harness.rows(tables.violations)}
    for counted, of_host, period in (
        (tables.rollup_hours, tables.host_hours, "hour"),
        (tables.rollup_days, tables.host_days, "day"),
    ):
        expected = Counter[tuple[object, ...]]()
        for row in harness.rows(counted):
            expected[*kinds[row.violation_id], getattr(row, period)] += row.reports
        found = {(r.host, r.cause, r.sender, r.mode, getattr(r, period)): r.reports for r in harness.rows(of_host)}
        assert found == dict(expected)
    sketches: dict[tuple[str, int], list[bytes]] = {}
    for row in harness.rows(tables.rollup_days):
        sketches.setdefault((kinds[row.violation_id][0], row.day), []).append(row.client_sketch)
    for row in harness.rows(tables.host_clients):
        assert count_of(row.client_sketch) == count_of(union(sketches.pop((row.host, row.day))))
        assert row.clients == count_of(row.client_sketch).about
    assert sketches == {}


@pytest.fixture
def full(engine: Engine) -> IngestHarness:
    """Return a harness at which several violations of several hosts were reported on several days."""
    harness = IngestHarness.at(engine)
    chain = other_site()
    bodies = iter(distinct_bodies(2 * len(MOMENTS)))
    for number, at in enumerate(MOMENTS):
        when = f"2026-05-01T00:00:0{number}Z"
        other = report_body(served=chain.served, validated=chain.validated, date_time=when)
        harness.take(
            submission(next(bodies), at=at, client="one"),
            submission(next(bodies), at=at, client=str(number)),
            submission(other, at=at, client="two"),
            submission(report_body(host="deep.example.com", date_time=when), at=at, client="three"),
        )
    return harness


def test_they_are_counted_with_every_batch(full: IngestHarness) -> None:
    _demand_that_counts_agree(full)
    assert {row.host for row in full.rows(tables.host_hours)} == {HOST, "deep.example.com"}
    assert sum(row.reports for row in full.rows(tables.host_days)) == 4 * len(MOMENTS)


def test_they_follow_a_violation_that_is_judged_again(full: IngestHarness) -> None:
    before = {row.cause for row in full.rows(tables.host_hours)}
    assert full.set_policy(since=from_ms(AT - 30 * DAY_MS)) > 0
    assert {row.cause for row in full.rows(tables.host_hours)} != before
    _demand_that_counts_agree(full)


def test_they_follow_violations_that_come_under_another_host_and_back(full: IngestHarness) -> None:
    full.set_policy(PARENT, subdomains=True, since=from_ms(AT - 30 * DAY_MS))
    assert {row.host for row in full.rows(tables.host_hours)} == {PARENT}
    _demand_that_counts_agree(full)
    full.set_policy(HOST, since=from_ms(AT - 30 * DAY_MS))
    assert {row.host for row in full.rows(tables.host_hours)} == {PARENT, HOST}
    _demand_that_counts_agree(full)


def test_they_forget_what_is_forgotten_of_violations(full: IngestHarness) -> None:
    prune(full.engine, Cutoffs(rollups=AT))
    _demand_that_counts_agree(full)
    assert {row.day for row in full.rows(tables.host_days)} == {AT - AT % DAY_MS, AT - AT % DAY_MS + DAY_MS}
    prune(full.engine, Cutoffs(rollups=AT + 9 * DAY_MS))
    assert [full.rows(table) for table in (tables.host_hours, tables.host_days, tables.host_clients)] == [[], [], []]


_SINCE = (None, -DAY_MS, -HOUR_MS, 0, 13 * HOUR_MS)
_LENGTHS = (None, HOUR_MS, 20 * HOUR_MS, 2 * DAY_MS)


@pytest.mark.parametrize("interval", ["hour", "day"])
def test_they_tell_what_the_violations_tell(full: IngestHarness, interval: str) -> None:
    for offset, length in product(_SINCE, _LENGTHS):
        since = None if offset is None else from_ms(AT + offset)
        until = None if length is None else from_ms(AT + (offset or 0) + length)
        with full.engine.connect() as connection:
            by_host = summarise(connection, Filter(host=HOST, since=since, until=until), interval=interval)
            narrowed = Filter(host=HOST, status="open", label="", since=since, until=until)
            by_violation = summarise(connection, narrowed, interval=interval)
        assert replace(by_host, clients=by_violation.clients) == by_violation, (offset, length)
        if since is None and until is None:
            assert by_host.clients == by_violation.clients


def test_a_name_that_is_counted_under_a_parent_is_summarised_all_the_same(full: IngestHarness) -> None:
    full.set_policy(PARENT, subdomains=True, since=from_ms(AT - 30 * DAY_MS))
    with full.engine.connect() as connection:
        deep, parent = (summarise(connection, Filter(host=host)) for host in ("deep.example.com", PARENT))
    assert (deep.reports, deep.clients.about) == (len(MOMENTS), 1)
    assert parent.reports == 4 * len(MOMENTS)
