"""Control pins in the store: what is recognized, whose a control domain is, and from what a rate is measured."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest

from app.hpkp.control import Control, ControlDay, make_control_pins, measure_delivery
from app.hpkp.pins import Pin
from app.store import control, tables
from app.store.engine import DAY_MS, writing
from app.store.policies import history_of
from app.store.read.control import gather_control
from app.store.read.evidence import gather_evidence
from app.store.rejudging import request_rejudging
from app.store.submissions import Submission
from tests.support.authority import NOW
from tests.support.reports import HOST, report_body, site
from tests.support.store.ingest_harness import AT, IngestHarness, submission

DOMAIN = f"control.{HOST}"
_NUMBERS = count(1)
CONTROL = make_control_pins(lambda length: next(_NUMBERS).to_bytes(length, "big"))
DAY = timedelta(days=1)


def _add(harness: IngestHarness, *pins: Pin, domain: str = "") -> None:
    with writing(harness.engine) as connection:
        control.add_control_pins(connection, HOST, pins or CONTROL, domain=domain, at=NOW)


def _count(harness: IngestHarness, clients: int, *, days_ago: int = 0, app: str = "", minutes_later: int = 0) -> None:
    day = ControlDay(HOST, (NOW - days_ago * DAY).date(), clients, app)
    with writing(harness.engine) as connection:
        control.record_control_exposure(connection, [day], origin="api", at=NOW + timedelta(minutes=minutes_later))


def _control(client: str, *, at: int = AT, host: str = HOST) -> Submission:
    return submission(report_body(host=host, known_pins=list(map(str, CONTROL))), at=at, client=client)


def _controls(number: int, *, at: int = AT) -> Iterator[Submission]:
    return (_control(f"client {one}", at=at) for one in range(number))


def _gather(harness: IngestHarness) -> Control:
    with harness.engine.connect() as connection:
        return gather_control(connection, HOST, until=NOW + timedelta(hours=1))


@pytest.fixture(autouse=True)
def _policy(request: pytest.FixtureRequest) -> None:
    harness: IngestHarness = request.getfixturevalue("harness")
    harness.set_policy(pins=[site().root.pin])


def test_reports_of_control_pins_measure_and_are_no_evidence_against_the_policy(harness: IngestHarness) -> None:
    _add(harness)
    _count(harness, 40)
    harness.take(*_controls(30), submission())
    assert sorted(row.cause for row in harness.rows(tables.violations)) == ["control", "matches_expected"]
    measured = measure_delivery(_gather(harness))
    assert measured is not None
    assert (measured.received, measured.reported, measured.of_apps) == (40, 30, False)
    with harness.engine.connect() as connection:
        evidence = gather_evidence(connection, HOST, since=NOW - DAY, until=NOW + timedelta(hours=1))
    assert [violation.cause for violation in evidence.open_violations] == ["matches_expected"]
    assert (evidence.reports, evidence.control.reports) == (1, 30)


def test_control_pins_that_are_added_later_are_recognized_when_judged_again(harness: IngestHarness) -> None:
    harness.take(_control("one"))
    assert harness.only(tables.violations).cause == "foreign_pins"
    _add(harness)
    with writing(harness.engine) as connection:
        request_rejudging(connection, HOST, at=AT + 1)
    assert harness.rejudge(HOST) == 1
    row = harness.only(tables.violations)
    assert (row.cause, row.locks_out) == ("control", False)
    assert _gather(harness).reports == 1  # the counts of the host follow


def test_a_control_domain_belongs_to_the_host_above_it(harness: IngestHarness) -> None:
    harness.take(_control("one", host=DOMAIN))
    assert harness.only(tables.violations).host == DOMAIN
    _add(harness, domain=DOMAIN)
    with writing(harness.engine) as connection:
        request_rejudging(connection, HOST, at=AT + 1)
    harness.rejudge(HOST)
    harness.take(_control("two", host=DOMAIN))
    row = harness.only(tables.violations)
    assert (row.host, row.cause, row.reports) == (HOST, "control", 2)


def test_what_is_ignored_as_forged_is_not_delivered(harness: IngestHarness) -> None:
    _add(harness)
    _count(harness, 10)
    harness.take(*_controls(5))
    with writing(harness.engine) as connection:
        connection.execute(tables.violations.update().values(status="ignored"))
    measured = measure_delivery(_gather(harness))
    assert measured is not None
    assert measured.reported == 0


def test_of_a_day_the_latest_count_holds_and_a_past_moment_has_its_own(harness: IngestHarness) -> None:
    _count(harness, 10)
    _count(harness, 25, minutes_later=5)
    with harness.engine.connect() as connection:
        assert [day.clients for day in control.list_control_exposure(connection, HOST)] == [25]
        then = control.list_control_exposure(connection, HOST, known_by=NOW + timedelta(minutes=1))
    assert [day.clients for day in then] == [10]


def test_reports_of_another_day_than_the_counted_one_do_not_count(harness: IngestHarness) -> None:
    _add(harness)
    _count(harness, 10)
    harness.take(*_controls(4, at=AT - DAY_MS))
    harness.take(*(_control(f"late {one}") for one in range(3)))
    found = _gather(harness)
    assert [counted.reported.at_least for counted in found.counts] == [3]


def test_apps_and_the_site_are_measured_apart_if_both_were_counted(harness: IngestHarness) -> None:
    _add(harness)
    _count(harness, 10)
    _count(harness, 20, app="org.example")
    harness.take(*_controls(6))
    found = {c.of_apps: (c.received, c.reported.at_least) for c in _gather(harness).counts}
    assert found == {False: (10, 6), True: (20, 0)}


def test_an_old_measurement_is_none(harness: IngestHarness) -> None:
    _count(harness, 10, days_ago=31)
    assert measure_delivery(_gather(harness)) is None


def test_the_pins_of_a_host_are_in_its_history_as_it_was_known(harness: IngestHarness) -> None:
    _add(harness, domain=DOMAIN)
    with harness.engine.connect() as connection:
        now, before = (history_of(connection, HOST, known_by=at) for at in (None, NOW - timedelta(hours=1)))
    assert (now.control_pins, now.control_domains) == (frozenset(CONTROL), frozenset({DOMAIN}))
    assert before.control_pins == frozenset()
