"""Detail is bounded, counts are not: what is kept stops at a limit, what is counted goes on."""

import pytest
from sqlalchemy import Engine

from app.hpkp.overflow import OverflowReason
from app.outcomes import Outcome
from app.store import tables
from app.store.engine import DAY_MS
from app.store.policies import is_registered
from app.store.read.filters import Filter
from app.store.read.rejections import list_rejections
from app.store.read.report_bodies import load_report_body
from app.store.read.summaries import summarise
from app.store.submissions import RejectedSubmission
from tests.support.authority import make_site
from tests.support.reports import HOST, distinct_bodies, other_site, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, Taken, submission

ACCEPTED, OVER_LIMIT, UNKNOWN_HOST = Taken.ACCEPTED, Taken.OVER_LIMIT, Taken.UNKNOWN_HOST


def _of(number: int) -> bytes:
    chain = other_site(number)
    return report_body(served=chain.served, validated=chain.validated)


def _for_host(host: str) -> bytes:
    return report_body(host=host)


@pytest.mark.parametrize("together", [True, False])
def test_rows_of_a_day_stop_at_the_limit_and_counts_go_on(engine: Engine, together: bool) -> None:
    harness = IngestHarness.at(engine, report_rows_per_day=3)
    batch = [submission(body) for body in distinct_bodies(10)]
    harness.take(*batch) if together else harness.take_each(batch)
    assert len(harness.rows(tables.reports)) == 3
    day = harness.only(tables.rollup_days)
    assert (day.reports, day.rows_kept) == (10, 3)
    assert harness.only(tables.rollup_hours).reports == harness.only(tables.violations).reports == 10


def test_a_new_day_has_rows_again(engine: Engine) -> None:
    harness = IngestHarness.at(engine, report_rows_per_day=2)
    bodies = distinct_bodies(8)
    harness.take(*(submission(body) for body in bodies[:4]), *(submission(body, at=AT + DAY_MS) for body in bodies[4:]))
    assert [(day.reports, day.rows_kept) for day in harness.rows(tables.rollup_days)] == [(4, 2), (4, 2)]
    assert len(harness.rows(tables.reports)) == 4


def test_each_violation_has_rows_of_its_own(engine: Engine) -> None:
    harness = IngestHarness.at(engine, report_rows_per_day=1)
    harness.take(*(submission(body, client=client) for body in (_of(1), _of(2)) for client in ("one", "two")))
    assert [row.violation_id for row in harness.rows(tables.reports)] == [1, 2]


def test_bodies_are_kept_of_the_first_few_and_byte_for_byte(engine: Engine) -> None:
    harness = IngestHarness.at(engine, raw_bodies=2)
    bodies = distinct_bodies(4)
    harness.take_each(submission(body) for body in bodies)
    with engine.connect() as connection:
        kept = [load_report_body(connection, row.id) for row in harness.rows(tables.reports)]
    assert kept == [*bodies[:2], None, None]
    assert harness.only(tables.violations).raw_bodies == 2


def test_with_neither_rows_nor_bodies_everything_is_counted_all_the_same(engine: Engine) -> None:
    harness = IngestHarness.at(engine, report_rows_per_day=0, raw_bodies=0)
    assert harness.take_each(map(submission, distinct_bodies(3))) == [ACCEPTED] * 3
    assert harness.rows(tables.reports) == []
    with engine.connect() as connection:
        found = summarise(connection, Filter(host=HOST))
    assert (found.reports, found.clients.about) == (3, 1)


def test_however_many_clients_there_are_their_sketches_stay_small(harness: IngestHarness) -> None:
    clients = [submission(client=str(number)) for number in range(6000)]
    for start in range(0, 6000, 500):
        harness.take(*clients[start : start + 500])
    violation, day, host = (
        harness.only(table) for table in (tables.violations, tables.rollup_days, tables.host_clients)
    )
    assert violation.reports == 6000
    for counted in (violation, day, host):
        assert len(counted.client_sketch) < 1200
        assert counted.clients == pytest.approx(6000, rel=0.06)


def test_new_violations_of_a_day_stop_at_the_limit_and_known_ones_are_counted(engine: Engine) -> None:
    harness = IngestHarness.at(engine, new_violations_per_day=2)
    outcomes = harness.take(*(submission(_of(number)) for number in range(3)))
    assert outcomes == [ACCEPTED, ACCEPTED, OVER_LIMIT]
    assert harness.take(submission(_of(1), client="two"), submission(_of(2), client="two")) == [ACCEPTED, OVER_LIMIT]
    assert harness.take(submission(_of(2), at=AT + DAY_MS, client="three")) == [ACCEPTED]
    assert sorted(violation.reports for violation in harness.rows(tables.violations)) == [1, 1, 2]


def test_what_is_over_a_limit_leaves_nothing_behind_but_a_count_and_a_retry_of_it_is_one(engine: Engine) -> None:
    harness = IngestHarness.at(engine, new_violations_per_day=1)
    harness.take(submission(_of(1)), submission(_of(2)))
    assert len(harness.rows(tables.chains)) == 2  # the served and the validated one of the first
    assert harness.take(submission(_of(2))) == [Taken.DUPLICATE]
    overflow = harness.only(tables.overflow_days)
    assert (overflow.host, overflow.reason, overflow.reports) == (HOST, OverflowReason.HOST_AND_DAY, 1)


def test_the_limit_is_each_hosts_own(engine: Engine) -> None:
    harness = IngestHarness.at(engine, new_violations_per_day=1)
    assert harness.take(*map(submission, map(_for_host, ("a.example", "b.example")))) == [ACCEPTED, ACCEPTED]


def test_hosts_without_a_policy_stop_at_the_limit_and_known_ones_go_on(engine: Engine) -> None:
    harness = IngestHarness.at(engine, unknown_hosts=2)
    hosts = ("a.example", "b.example", "c.example", "a.example")
    batch = [submission(_for_host(host), client=str(number)) for number, host in enumerate(hosts)]
    assert harness.take(*batch) == [ACCEPTED, ACCEPTED, OVER_LIMIT, ACCEPTED]
    assert harness.take(submission(report_body(host="b.example", port=8443))) == [ACCEPTED]
    assert [host.name for host in harness.rows(tables.hosts)] == ["a.example", "b.example"]


def test_a_host_with_a_policy_takes_no_place_among_those_without(engine: Engine) -> None:
    harness = IngestHarness.at(engine, unknown_hosts=1)
    harness.set_policy("a.example")
    hosts = ("a.example", "b.example", "c.example")
    assert harness.take(*map(submission, map(_for_host, hosts))) == [ACCEPTED, ACCEPTED, OVER_LIMIT]
    harness.set_policy("b.example")
    assert harness.take(submission(_for_host("c.example"), client="two")) == [ACCEPTED]


def test_where_hosts_without_a_policy_are_refused_only_known_violations_of_theirs_are_counted(engine: Engine) -> None:
    IngestHarness.at(engine).take(submission())
    strict = IngestHarness.at(engine, accept_unknown_hosts=False)
    # The endpoint refuses both; what it accepted, such as before the setting was changed, is not lost.
    assert strict.take(submission(client="two"), submission(_for_host("b.example"))) == [ACCEPTED, UNKNOWN_HOST]
    assert strict.only(tables.violations).reports == 2
    assert strict.only(tables.overflow_days).reason == OverflowReason.UNKNOWN_HOST


def test_a_policy_with_subdomains_registers_them(engine: Engine) -> None:
    harness = IngestHarness.at(engine, accept_unknown_hosts=False)
    harness.set_policy("example.com", subdomains=True)
    assert harness.take(submission(), submission(_for_host("b.example"))) == [ACCEPTED, UNKNOWN_HOST]
    assert harness.only(tables.violations).host == "example.com"
    with engine.connect() as connection:
        assert not is_registered(connection, HOST)


def test_sources_beyond_the_bound_share_the_empty_one(engine: Engine) -> None:
    harness = IngestHarness.at(engine, sources=2)
    harness.take_each(submission(label=label) for label in ("a", "b", "c", "d"))
    harness.take(submission(label="a", client="two"))
    assert [source.label for source in harness.rows(tables.sources)] == ["a", "b", ""]
    assert [row.reports for row in harness.rows(tables.rollup_hours)] == [2, 1, 2]
    assert harness.only(tables.violations).reports == 5


def test_rejections_stop_at_the_limit_and_the_newest_stay(engine: Engine) -> None:
    harness = IngestHarness.at(engine, rejections=3)

    def reject(*numbers: int) -> None:
        harness.reject(
            *(
                RejectedSubmission(received_at=AT, outcome=Outcome.UNREADABLE, reason=str(number), length=0)
                for number in numbers
            )
        )

    for batch in ((1,), (2, 3), (4, 5, 6, 7, 8), (9,)):
        reject(*batch)
    with engine.connect() as connection:
        assert [row.reason for row in list_rejections(connection, outcome=None, limit=10)] == ["9", "8", "7"]


def test_no_rejection_is_kept_where_none_may_be(engine: Engine) -> None:
    harness = IngestHarness.at(engine, rejections=0)
    for _ in range(2):
        harness.reject(RejectedSubmission(received_at=AT, outcome=Outcome.UNREADABLE, reason="", length=0))
    assert harness.rows(tables.rejections) == []


def test_a_flood_of_hosts_costs_no_disk(engine: Engine) -> None:
    harness = IngestHarness.at(engine, unknown_hosts=5)
    chain = make_site("flood.example")
    bodies = [report_body(host=f"h{number}.example", served=chain.served) for number in range(40)]
    outcomes = harness.take(*map(submission, bodies))
    assert outcomes == [ACCEPTED] * 5 + [OVER_LIMIT] * 35
    assert len(harness.rows(tables.hosts)) == len(harness.rows(tables.violations)) == 5
