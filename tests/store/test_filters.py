"""What a filter lets through is the same in lists and in sums; pages neither repeat nor leave out anything."""

from datetime import timedelta
from typing import Any

import pytest

from app.store import tables
from app.store.engine import from_ms, to_ms, writing
from app.store.read.filters import Filter
from app.store.read.single_reports import find_report, list_reports
from app.store.read.summaries import summarise
from app.store.read.violations import list_violations
from app.store.write.statuses import set_status
from tests.support.authority import NOW
from tests.support.reports import HOST, distinct_bodies, other_site, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, submission

SECOND = 1000
HOUR = timedelta(hours=1)


@pytest.fixture
def full_harness(harness: IngestHarness) -> IngestHarness:
    """Return a harness that took three violations: ours of Chromium, an app's under a subdomain, another host's."""
    harness.set_policy("example.com", subdomains=True)
    app: dict[str, Any] = {"app_bundle_id": "com.example.app", "app_version": "7", "trustkit_version": "3.0"}
    in_app = report_body(
        host="deep.example.com",
        noted="example.com",
        validated=other_site().validated,
        enforce_pinning=True,
        validation_result=1,
        **app,
    )
    harness.take_each(
        (
            submission(label="web"),
            submission(label="web", client="two"),
            submission(in_app, at=AT + 2 * 3600 * SECOND),
            submission(report_body(host="www.example.org"), at=AT + 4 * 3600 * SECOND),
        )
    )
    with writing(harness.engine) as connection:
        assert set_status(connection, 3, status="ignored", note="not ours", at=NOW)
    return harness


_FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3]),
    ({"host": "example.com"}, [1, 2]),
    ({"host": HOST}, [1]),
    ({"host": "deep.example.com"}, [2]),
    ({"host": "org"}, []),
    ({"cause": "matches_expected"}, [1]),
    ({"status": "open"}, [1, 2]),
    ({"status": "ignored"}, [3]),
    ({"sender": "chromium"}, [1, 3]),
    ({"mode": "enforce"}, [2]),
    ({"app": "com.example.app"}, [2]),
    ({"app": "com.example.app", "app_version": "8"}, []),
    ({"label": "web"}, [1]),
    ({"label": "", "host": "example.com"}, [2]),
    ({"status": "open", "sender": "chromium"}, [1]),
    ({"since": NOW + HOUR}, [2, 3]),
    ({"until": NOW + 2 * HOUR}, [1]),
    ({"since": NOW + HOUR, "until": NOW + 3 * HOUR}, [2]),
]


@pytest.mark.parametrize(("wanted", "ids"), _FILTERS, ids=str)
def test_a_filter_lets_the_same_through_in_lists_and_in_sums(
    full_harness: IngestHarness, wanted: dict[str, Any], ids: list[int]
) -> None:
    reports = {1: 2, 2: 1, 3: 1}
    with full_harness.engine.connect() as connection:
        listed = list_violations(connection, Filter(**wanted), limit=10)
        summed = summarise(connection, Filter(**wanted))
    assert sorted(row.id for row in listed) == ids
    assert sorted((id_, count) for id_, _, count in summed.top) == [(id_, reports[id_]) for id_ in ids]
    assert summed.violations == len(ids)
    wanted_reports = sum(reports[id_] for id_ in ids)
    assert summed.reports == sum(summed.by_sender.values()) == sum(summed.by_cause.values()) == wanted_reports
    assert sum(count for _, _, count in summed.series) == wanted_reports


def test_clients_follow_the_filter(full_harness: IngestHarness) -> None:
    with full_harness.engine.connect() as connection:
        clients = [summarise(connection, Filter(host=host)).clients.about for host in (HOST, "deep.example.com", None)]
        listed = {row.id: row.clients for row in list_violations(connection, Filter(), limit=10)}
    assert clients == [2, 1, 2]
    assert listed == {1: 2, 2: 1, 3: 1}


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_of_violations_hold_each_once_even_where_they_came_together(harness: IngestHarness, size: int) -> None:
    chains = [other_site(number) for number in range(6)]
    moments = (0, 0, SECOND, SECOND, SECOND, 0)
    bodies = [report_body(served=chain.served, validated=chain.validated) for chain in chains]
    harness.take_each(submission(body, at=AT + after) for body, after in zip(bodies, moments, strict=True))
    seen: list[int] = []
    before = None
    with harness.engine.connect() as connection:
        while page := list_violations(connection, Filter(), limit=size, before=before):
            assert len(page) <= size
            seen += [row.id for row in page]
            before = to_ms(page[-1].last_received_at), page[-1].id
    assert seen == [5, 4, 3, 6, 2, 1]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_of_reports_hold_each_once_the_newest_first(harness: IngestHarness, size: int) -> None:
    harness.take(*(submission(body, label="web") for body in distinct_bodies(5)))
    harness.take(submission(report_body(port=8443)))
    seen: list[int] = []
    before = None
    with harness.engine.connect() as connection:
        while page := list_reports(connection, 1, Filter(), limit=size, before=before):
            seen += [row.id for row in page]
            before = seen[-1]
            assert {row.label for row in page} == {"web"}
        assert find_report(connection, seen[0]) == list_reports(connection, 1, Filter(), limit=1)[0]
        assert find_report(connection, 99) is None
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


def test_status_and_note_are_set_apart_or_together(full_harness: IngestHarness) -> None:
    with writing(full_harness.engine) as connection:
        assert set_status(connection, 1, status="expected", note=None, at=NOW)
        assert set_status(connection, 2, status=None, note="seen", at=NOW)
        assert not set_status(connection, 99, status="open", note=None, at=NOW)
    said = [(row.status, row.note) for row in full_harness.rows(tables.violations)]
    assert said == [("expected", ""), ("open", "seen"), ("ignored", "not ours")]


def test_single_reports_are_narrowed_by_source_and_window(harness: IngestHarness) -> None:
    bodies = distinct_bodies(4)
    for number, (body, label) in enumerate(zip(bodies, ("web", "beta", "web", "web"), strict=True)):
        harness.take(submission(body, label=label, at=AT + number * SECOND))
    with harness.engine.connect() as connection:

        def found(wanted: Filter) -> list[int]:
            return [row.id for row in list_reports(connection, 1, wanted, limit=9)]

        assert found(Filter(label="web")) == [4, 3, 1]
        assert found(Filter(label="beta")) == [2]
        assert found(Filter(app="com.example")) == []
        assert found(Filter(since=from_ms(AT + SECOND), until=from_ms(AT + 3 * SECOND))) == [3, 2]
        assert found(Filter(label="web", since=from_ms(AT + SECOND))) == [4, 3]
