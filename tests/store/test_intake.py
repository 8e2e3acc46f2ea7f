"""Every report is counted once, a retry not again, and a violation is judged and stored once."""

import pytest

from app.store import tables
from app.store.engine import DAY_MS
from app.store.write.deduplication import delete_expired
from tests.support.reports import distinct_bodies, other_site, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, Taken, later, submission

ACCEPTED, DUPLICATE, OVER_LIMIT = Taken.ACCEPTED, Taken.DUPLICATE, Taken.OVER_LIMIT


def test_reports_of_the_same_violation_are_counted_once_each_and_the_violation_stands_once(
    harness: IngestHarness,
) -> None:
    outcomes = harness.take_each(submission(body) for body in distinct_bodies(3))
    assert outcomes == [ACCEPTED] * 3
    violation = harness.only(tables.violations)
    assert (violation.reports, violation.host, violation.status) == (3, "www.example.com", "open")
    assert len(harness.rows(tables.reports)) == 3


def test_one_batch_counts_as_many_single_ones_do(harness: IngestHarness) -> None:
    assert harness.take(*map(submission, distinct_bodies(7))) == [ACCEPTED] * 7
    assert harness.only(tables.violations).reports == 7
    assert harness.only(tables.rollup_hours).reports == 7
    assert harness.only(tables.rollup_days).reports == 7


def test_the_same_bytes_from_the_same_client_are_a_retry(harness: IngestHarness) -> None:
    assert harness.take_each([submission(), submission()]) == [ACCEPTED, DUPLICATE]
    assert harness.only(tables.violations).reports == 1
    assert harness.only(tables.rollup_hours).reports == 1


def test_the_same_bytes_from_another_client_are_another_report(harness: IngestHarness) -> None:
    assert harness.take_each([submission(client="one"), submission(client="two")]) == [ACCEPTED, ACCEPTED]
    assert harness.only(tables.violations).reports == 2


def test_the_same_bytes_under_another_label_are_another_report_of_another_source(harness: IngestHarness) -> None:
    assert harness.take_each([submission(label="web"), submission(label="app")]) == [ACCEPTED, ACCEPTED]
    assert harness.only(tables.violations).reports == 2
    assert [source.label for source in harness.rows(tables.sources)] == ["web", "app"]
    assert [row.reports for row in harness.rows(tables.rollup_hours)] == [1, 1]


@pytest.mark.parametrize(
    ("after", "outcome", "reports"),
    [(DAY_MS - 1, DUPLICATE, 1), (DAY_MS, DUPLICATE, 1), (DAY_MS + 1, ACCEPTED, 2)],
)
def test_a_retry_counts_again_after_twenty_four_hours(
    harness: IngestHarness, after: int, outcome: Taken, reports: int
) -> None:
    first = submission()
    assert harness.take_each([first, later(first, milliseconds=after)]) == [ACCEPTED, outcome]
    assert harness.only(tables.violations).reports == reports


def test_a_day_is_reckoned_from_what_was_counted_and_not_from_the_last_retry(harness: IngestHarness) -> None:
    first = submission()
    again = [later(first, milliseconds=hours * DAY_MS // 24) for hours in (0, 20, 25, 40, 50)]
    assert harness.take_each(again) == [ACCEPTED, DUPLICATE, ACCEPTED, DUPLICATE, ACCEPTED]


def test_a_batch_with_repetitions_inside_counts_each_once(harness: IngestHarness) -> None:
    one, two = map(submission, distinct_bodies(2))
    assert harness.take(one, two, one, one, two) == [ACCEPTED, ACCEPTED, DUPLICATE, DUPLICATE, DUPLICATE]
    assert harness.only(tables.violations).reports == 2


def test_a_repetition_of_what_is_over_a_limit_is_not_left_out_twice(harness: IngestHarness) -> None:
    full = IngestHarness.at(harness.engine, unknown_hosts=0)
    assert full.take(submission(), submission()) == [OVER_LIMIT, DUPLICATE]
    assert full.rows(tables.violations) == []
    assert full.only(tables.overflow_days).reports == 1


def test_a_batch_of_many_violations_keeps_them_apart(harness: IngestHarness) -> None:
    chains = [other_site(number) for number in range(3)]
    bodies = [report_body(served=chain.served, validated=chain.validated) for chain in chains]
    clients = ("one", "two")
    batch = [submission(body, client=client) for client in clients for body in bodies]
    assert harness.take(*batch) == [ACCEPTED] * 6
    assert [violation.reports for violation in harness.rows(tables.violations)] == [2, 2, 2]
    assert [violation.clients for violation in harness.rows(tables.violations)] == [2, 2, 2]


def test_the_latest_receipt_never_goes_back(harness: IngestHarness) -> None:
    early, late = (submission(body, at=at) for body, at in zip(distinct_bodies(2), (AT, AT + 5000), strict=True))
    harness.take_each([late, early])
    assert harness.only(tables.violations).last_received_at == AT + 5000


def test_forgotten_retries_count_again(harness: IngestHarness) -> None:
    first, second = (submission(body, at=at) for body, at in zip(distinct_bodies(2), (AT, AT + 10), strict=True))
    harness.take(first, second)
    with harness.engine.begin() as connection:
        delete_expired(connection, before=AT + 10)
    assert harness.take(first._replace(received_at=AT + 20), second._replace(received_at=AT + 20)) == [
        ACCEPTED,
        DUPLICATE,
    ]


def test_a_violation_is_kept_with_what_was_said_of_it(harness: IngestHarness) -> None:
    harness.set_policy(pins=["A" * 43 + "="])
    harness.take(submission())
    row = harness.only(tables.violations)
    assert (row.sender, row.port, row.noted_hostname, row.mode) == ("chromium", 443, "www.example.com", "report-only")
    assert row.judgement["policy_revision"] == 1
    assert row.cause == row.judgement["cause"] == "foreign_pins"
    assert (row.first_received_at, row.date_time) == (AT, AT)
