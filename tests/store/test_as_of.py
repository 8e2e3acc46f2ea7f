"""What was known at a past moment: statuses, exposure, looks, policies and keys, each as it stood then."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, update

from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.probe_result import Probe, ProbedChain, ProbedHost
from app.hpkp.readiness import Evidence
from app.hpkp.x509.anchors import Anchor
from app.store import policies, tables
from app.store.engine import writing
from app.store.exposures import record_exposure
from app.store.probes import add_probe
from app.store.read.events import list_events
from app.store.read.evidence import AsOf, gather_evidence
from app.store.read.exposures import list_exposure
from app.store.read.probes import find_probe_run, load_probe
from app.store.rejudging import request_rejudging
from app.store.submissions import Submission
from app.store.write.statuses import set_status
from tests.support.authority import NOW, make_root
from tests.support.reports import HOST, report_body, site
from tests.support.store.ingest_harness import AT, IngestHarness, judge_at, submission

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STRANGE, OTHER = make_root("Strange").pin, make_root("Other").pin
ONE, TWO = bytes(7) + b"\1", bytes(7) + b"\2"


def _known(harness: IngestHarness, at: datetime) -> Evidence:
    with harness.engine.connect() as connection:
        history = policies.history_of(connection, HOST, known_by=at)
        return gather_evidence(connection, HOST, since=NOW - DAY, until=at, as_of=AsOf(at, history, judge_at))


def _open(evidence: Evidence) -> list[int]:
    return [violation.id for violation in evidence.open_violations]


@contextmanager
def _writing(harness: IngestHarness) -> Iterator[Connection]:
    with writing(harness.engine) as connection:
        yield connection


def test_a_status_counts_from_when_it_was_given(harness: IngestHarness) -> None:
    harness.take(submission())
    with _writing(harness) as connection:
        assert set_status(connection, 1, status="ignored", note="forged", at=NOW + 2 * HOUR)
        assert set_status(connection, 1, status="open", note="", at=NOW + 4 * HOUR)
        assert not set_status(connection, 2, status="open", note="", at=NOW)
    assert [_open(_known(harness, NOW + hours * HOUR)) for hours in (1, 2, 3, 4, 5)] == [[1], [], [], [1], [1]]


def test_a_status_from_before_changes_were_recorded_counts_until_the_next_change(harness: IngestHarness) -> None:
    harness.take(submission())
    with _writing(harness) as connection:
        connection.execute(update(tables.violations).values(status="resolved"))
    assert _open(_known(harness, NOW + HOUR)) == []
    with _writing(harness) as connection:
        set_status(connection, 1, status="open", note=None, at=NOW + 2 * HOUR)
    assert [_open(_known(harness, NOW + hours * HOUR)) for hours in (1, 3)] == [[], [1]]


def test_another_status_is_an_event_and_the_same_again_is_nothing(harness: IngestHarness) -> None:
    harness.take(submission())
    with _writing(harness) as connection:
        set_status(connection, 1, status="acknowledged", note="our proxy", at=NOW)
        set_status(connection, 1, status="acknowledged", note="our proxy", at=NOW + HOUR)
        set_status(connection, 1, status=None, note="the proxy of the office", at=NOW + HOUR)
        (event,) = list_events(connection, host=HOST, kind="status_changed", limit=9)
    assert event.text == "Violation 1 (unknown_key_public_ca) was open and is acknowledged: our proxy"
    assert event.at == NOW
    changes = [(row.at, row.was, row.status, row.note) for row in harness.rows(tables.status_changes)]
    assert changes == [(AT, "open", "acknowledged", "our proxy")]
    assert harness.only(tables.violations).note == "the proxy of the office"


def test_a_decision_that_is_made_again_is_another_event(harness: IngestHarness) -> None:
    harness.take(submission())
    with _writing(harness) as connection:
        set_status(connection, 1, status="expected", note="our proxy", at=NOW)
        set_status(connection, 1, status="expected", note="our proxy", at=NOW + HOUR)
        events = list_events(connection, host=HOST, kind="status_changed", limit=9)
    assert [event.at for event in events] == [NOW + HOUR, NOW]


def test_what_is_reported_after_it_was_resolved_counts_again_until_it_is_resolved_once_more(
    harness: IngestHarness,
) -> None:
    harness.take(_submission(harness, 1, ONE))
    with _writing(harness) as connection:
        set_status(connection, 1, status="resolved", note="replaced", at=NOW + HOUR)
        set_status(connection, 1, status=None, note="replaced everywhere", at=NOW + 4 * HOUR)
    assert _open(_now(harness, 2)) == _open(_known(harness, NOW + 2 * HOUR)) == []
    harness.take(_submission(harness, 1, TWO, hours=3))
    for evidence in (_now(harness, 5), _known(harness, NOW + 5 * HOUR)):
        assert [(v.id, v.resolved_at) for v in evidence.open_violations] == [(1, NOW + HOUR)]
    assert _open(_known(harness, NOW + 2 * HOUR)) == []
    with _writing(harness) as connection:
        set_status(connection, 1, status="resolved", note=None, at=NOW + 6 * HOUR)
    assert _open(_now(harness, 7)) == _open(_known(harness, NOW + 7 * HOUR)) == []
    assert _open(_known(harness, NOW + 5 * HOUR)) == [1]


@pytest.mark.parametrize("status", ["expected", "ignored"])
def test_what_is_expected_or_ignored_stays_so_however_often_it_is_reported(harness: IngestHarness, status: str) -> None:
    harness.take(_submission(harness, 1, ONE))
    with _writing(harness) as connection:
        set_status(connection, 1, status=status, note="", at=NOW + HOUR)
    harness.take(_submission(harness, 1, TWO, hours=3))
    assert _open(_now(harness, 5)) == []


def test_a_violation_judged_since_is_judged_again_under_the_policy_of_then(harness: IngestHarness) -> None:
    harness.set_policy(pins=[STRANGE, OTHER], since=NOW - DAY)
    harness.take(submission(report_body(known_pins=[STRANGE])))
    assert harness.only(tables.violations).cause == Cause.UNKNOWN_KEY_PUBLIC_CA
    with _writing(harness) as connection:
        policy = PinningPolicy(canonical_host(HOST), (ExpectedPin(parse_pin(site().root.pin)),))
        policies.add_revision(connection, policy, at=NOW + HOUR)
        request_rejudging(connection, HOST, at=AT)
    harness.rejudge(HOST)
    assert harness.only(tables.violations).cause == Cause.STALE_KNOWN_PINS
    (then,) = _known(harness, NOW + HOUR / 2).open_violations
    (after,) = _known(harness, NOW + 2 * HOUR).open_violations
    assert (then.cause, after.cause) == (Cause.UNKNOWN_KEY_PUBLIC_CA, Cause.STALE_KNOWN_PINS)


def test_a_policy_counts_from_when_it_was_entered_and_not_from_when_it_took_effect(harness: IngestHarness) -> None:
    host = canonical_host(HOST)
    policy = PinningPolicy(host, (ExpectedPin(parse_pin(STRANGE)),), effective_from=NOW - 9 * DAY)
    with _writing(harness) as connection:
        policies.add_revision(connection, policy, at=NOW)
    with harness.engine.connect() as connection:
        known = [policies.history_of(connection, HOST, known_by=NOW + hours * HOUR) for hours in (-1, 0)]
    assert [history.in_force(NOW) is not None for history in known] == [False, True]


def test_exposure_is_what_was_recorded_by_then(harness: IngestHarness) -> None:
    day = ExposedDay(HOST, date(2026, 11, 20), 100, 50)
    more, app = replace(day, sessions=300), replace(day, app="shop", sessions=None, clients=9)
    for hours, recorded in ((0, day), (1, day), (2, more), (3, app)):
        with _writing(harness) as connection:
            assert record_exposure(connection, [recorded], origin="api", at=NOW + hours * HOUR) == 1
    with harness.engine.connect() as connection:
        known = [list_exposure(connection, HOST, known_by=NOW + hours * HOUR) for hours in (-1, 0, 1, 2, 3)]
        assert list_exposure(connection, HOST) == known[-1]
    assert known == [[], [day], [day], [more], [more, app]]
    assert len(harness.rows(tables.former_exposures)) == 1


def _look(harness: IngestHarness, at: datetime, *, fault: str | None = None) -> None:
    pin = parse_pin(STRANGE)
    chain = ProbedChain("192.0.2.1", pin, frozenset({pin}), frozenset({pin}), Anchor.PUBLIC, True, True, None)
    with _writing(harness) as connection:
        add_probe(connection, ProbedHost(Probe(canonical_host(HOST), 443, at, fault=fault), () if fault else (chain,)))


def _seen(connection: Connection, until: datetime | None = None) -> Probe | None:
    run = find_probe_run(connection, HOST, until=until)
    return None if run is None else load_probe(connection, run)


def test_the_last_look_by_then_is_known_where_many_saw_the_same(harness: IngestHarness) -> None:
    harness.set_policy()
    for hours in range(5):
        _look(harness, NOW + hours * HOUR, fault="it has no address" if hours == 4 else None)
    with harness.engine.connect() as connection:
        seen = [_seen(connection, NOW + hours * HOUR) for hours in (-1, 0, 2.5, 3, 4)]
        newest = _seen(connection)
    assert [probe and probe.at - NOW for probe in seen] == [None, 0 * HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR]
    assert newest is not None
    assert newest.fault == "it has no address"


def test_a_look_from_before_each_was_kept_is_taken_for_the_first_of_its_kind(harness: IngestHarness) -> None:
    harness.set_policy()
    _look(harness, NOW)
    _look(harness, NOW + 3 * HOUR)
    with _writing(harness) as connection:
        connection.execute(tables.probe_looks.delete())
        seen = _seen(connection, NOW + 2 * HOUR)
    assert seen is not None
    assert seen.at == NOW


def test_a_key_is_ours_from_when_it_was_seen(harness: IngestHarness) -> None:
    harness.set_policy()
    _look(harness, NOW + HOUR)
    with harness.engine.connect() as connection:
        known = [policies.history_of(connection, HOST, known_by=NOW + hours * HOUR).live_keys for hours in (0, 1)]
    assert known == [frozenset(), {parse_pin(STRANGE)}]


def _submission(harness: IngestHarness, number: int, network: bytes, *, hours: float = 0) -> Submission:
    """Make a report of a variation of the same cause."""
    known = [str(Pin(bytes((number,)) * 32))]
    made = submission(report_body(known_pins=known), at=AT + int(hours * 3_600_000), client=f"{number}{network!r}")
    return made._replace(network=network)


def _now(harness: IngestHarness, hours: float) -> Evidence:
    with harness.engine.connect() as connection:
        return gather_evidence(connection, HOST, since=NOW - DAY, until=NOW + hours * HOUR)


def test_one_decision_leaves_out_every_variation_from_the_same_network_then_and_now(harness: IngestHarness) -> None:
    harness.take(_submission(harness, 1, ONE))
    with _writing(harness) as connection:
        set_status(connection, 1, status="ignored", note="forged", at=NOW + HOUR)
    harness.take(_submission(harness, 2, ONE, hours=2))
    harness.take(_submission(harness, 3, TWO, hours=2))
    for evidence in (_now(harness, 3), _known(harness, NOW + 3 * HOUR)):
        assert _open(evidence) == [3]
        assert [violation.id for violation in evidence.left_out] == [2]
        assert evidence.networks == {Cause.UNKNOWN_KEY_PUBLIC_CA: 1}
    assert _open(_known(harness, NOW + HOUR / 2)) == [1]
    harness.take(_submission(harness, 2, TWO, hours=4))
    assert _open(_now(harness, 5)) == [2, 3]
    assert _now(harness, 5).networks == {Cause.UNKNOWN_KEY_PUBLIC_CA: 2}
    assert _open(_known(harness, NOW + 3 * HOUR)) == [3]


def test_of_networks_only_the_first_few_are_kept_and_all_of_them_count_as_many(harness: IngestHarness) -> None:
    for number in range(12):
        harness.take(_submission(harness, 1, bytes(7) + bytes((number + 1,))))
    assert len(harness.rows(tables.violation_networks)) == 8
    assert _now(harness, 1).networks == {Cause.UNKNOWN_KEY_PUBLIC_CA: 8}


def test_where_an_address_told_nothing_or_networks_were_not_kept_nobody_is_left_out(harness: IngestHarness) -> None:
    harness.take(_submission(harness, 1, ONE))
    harness.take(submission())
    with _writing(harness) as connection:
        connection.execute(tables.violation_networks.update().values(first_at=AT + 1))
        set_status(connection, 1, status="ignored", note="", at=NOW)
    harness.take(_submission(harness, 3, ONE))
    assert _open(_now(harness, 1)) == [2, 3]
    assert _now(harness, 1).networks == {}


def test_the_history_of_a_host_without_one_is_empty_then_too(harness: IngestHarness) -> None:
    with harness.engine.connect() as connection:
        assert policies.history_of(connection, HOST, known_by=NOW) == PolicyHistory(())
