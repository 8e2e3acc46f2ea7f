"""The parts of a process together: opened on a store, policies set and withdrawn at given moments, assessed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.hpkp.errors import InvalidPolicy
from app.hpkp.hosts import canonical_host
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.probe_result import Endpoint, Probe
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.certificate import read_certificate
from app.ingest.envelope import Envelope
from app.metrics import Metrics
from app.outcomes import Outcome
from app.service import Service, now, open_service
from app.store import policies
from app.store.engine import to_ms
from app.store.read.filters import Filter
from app.store.read.violations import list_violations
from app.wiring import DirectIntake
from tests.support.application import collect, settings_for, status_of
from tests.support.authority import NOW, make_root
from tests.support.reports import HOST, report_body, site

LIVE, BACKUP = parse_pin(site().root.pin), parse_pin(make_root("Backup").pin)
DAY = timedelta(days=1)


@contextmanager
def _opened(directory: Path, **settings: Any) -> Iterator[Service]:
    service = open_service(settings_for(directory, **settings), Metrics())
    yield service
    service.engine.dispose()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with _opened(tmp_path) as service:
        yield service


def _policy(*pins: Pin, since: datetime | None = None, host: str = HOST) -> PinningPolicy:
    return PinningPolicy(canonical_host(host), tuple(map(ExpectedPin, pins)), effective_from=since)


def _causes(service: Service) -> list[str]:
    with service.engine.connect() as connection:
        return [row.cause for row in list_violations(connection, Filter(), limit=10)]


def _revisions(service: Service) -> list[int]:
    with service.engine.connect() as connection:
        return [stored.policy.revision for stored in policies.list_revisions(connection, HOST)]


def test_the_policy_in_force_is_the_one_of_the_moment(service: Service) -> None:
    for days, pins in ((10, (LIVE,)), (5, (BACKUP,)), (1, (LIVE, BACKUP))):
        service.policies.set(_policy(*pins, since=NOW - days * DAY), at=NOW)
    seen = [service.policies.in_force(HOST, at=NOW - days * DAY) for days in (11, 10, 6, 5, 0)]
    assert [policy and policy.revision for policy in seen] == [None, 1, 1, 2, 3]


def test_the_same_policy_makes_a_revision_only_with_a_date_of_its_own(service: Service) -> None:
    first = service.policies.set(_policy(LIVE), at=NOW)
    assert service.policies.set(_policy(LIVE), at=NOW + DAY) == first
    service.policies.set(_policy(LIVE, since=NOW - DAY), at=NOW + DAY)
    assert _revisions(service) == [1, 2]


def test_the_future_is_refused_and_this_very_moment_is_not(service: Service) -> None:
    with pytest.raises(InvalidPolicy, match="future"):
        service.policies.set(_policy(LIVE, since=NOW + timedelta(milliseconds=1)), at=NOW)
    assert _revisions(service) == []
    service.policies.set(_policy(LIVE, since=NOW), at=NOW)
    assert _revisions(service) == [1]


def test_setting_and_withdrawing_judge_in_the_same_transaction(service: Service) -> None:
    assert collect(service, report_body()) == [Outcome.ACCEPTED]
    service.policies.set(_policy(LIVE), at=now())
    assert _causes(service) == ["matches_expected"]
    withdrawn = service.policies.withdraw(HOST, at=now())
    assert withdrawn is not None
    assert withdrawn.withdrawn
    assert _causes(service) != ["matches_expected"]
    assert service.policies.withdraw(HOST, at=now()) is None


def test_a_violation_that_cannot_be_read_any_more_does_not_keep_a_policy_from_being_set(service: Service) -> None:
    assert collect(service, report_body()) == [Outcome.ACCEPTED]
    with service.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE violations SET sender = 'a sender that nobody knows'")
    service.policies.set(_policy(LIVE), at=now())
    assert _revisions(service) == [1]
    assert _causes(service) == ["unknown_key_public_ca"]


def test_only_what_came_since_the_revision_took_effect_is_evidence_for_it(service: Service) -> None:
    service.policies.set(_policy(LIVE, BACKUP, since=now() - 3 * DAY), at=now())
    _take(service, report_body(), at=now() - 10 * DAY)
    assert _report_count(service) == 0
    service.policies.set(_policy(LIVE, since=now() - 30 * DAY), at=now())
    assert _report_count(service) == 0, "other pins came into force since"
    _take(service, report_body(port=8443), at=now())
    assert _report_count(service) == 1


def _take(service: Service, body: bytes, *, at: datetime) -> None:
    """Take a report as received at a moment."""
    counted = DirectIntake(service).take([(body, Envelope(address="192.0.2.1"), to_ms(at))])
    assert counted.result.accepted == 1


def _report_count(service: Service) -> int:
    """Return 0 where the verdict says that no report has arrived, and else 1."""
    assessed = service.readiness.assess(HOST, at=now())
    assert assessed is not None
    return 0 if "no_reports" in {finding.code for finding in assessed[1].findings} else 1


def _look(at: datetime, *, served: bool = True) -> Probe:
    chain = (read_certificate(site().leaf.der, position=0),)
    return Probe(canonical_host(HOST), 443, at, (Endpoint("192.0.2.1", (chain,) if served else ()),))


def test_what_a_look_saw_is_understood_once(service: Service) -> None:
    service.policies.set(_policy(LIVE), at=NOW - DAY)
    service.probing.record(_look(NOW))
    first = service.last_probes.find(HOST)
    assert first is not None
    assert service.last_probes.find(HOST) is first
    service.probing.record(_look(NOW + DAY))
    second = service.last_probes.find(HOST)
    assert second is not None
    assert (second.probe.at, second.chains) == (NOW + DAY, first.chains)
    assert service.last_probes.find(HOST, until=NOW + DAY / 2) == first
    service.probing.record(_look(NOW + 2 * DAY, served=False))
    third = service.last_probes.find(HOST)
    assert third is not None
    assert [chain.leaf_pin for chain in third.chains] == [chain.leaf_pin for chain in first.chains], "seen last"


def test_a_host_without_a_policy_is_not_assessed(service: Service) -> None:
    assert service.readiness.assess(HOST, at=NOW) is None
    assert service.policies.in_force(HOST, at=NOW) is None


def test_what_was_stored_is_there_when_the_service_is_opened_again(tmp_path: Path) -> None:
    with _opened(tmp_path) as first:
        first.policies.set(_policy(LIVE), at=NOW)
        assert collect(first, report_body()) == [Outcome.ACCEPTED]
    with _opened(tmp_path) as second:
        assert _causes(second) == ["matches_expected"]
        assert collect(second, report_body()) == [Outcome.ACCEPTED]
        assert status_of(second).duplicates == 1, "the key of the client hashes stays the same"


def test_roots_of_the_operators_own_are_trusted(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_text(site().root.pem)
    with _opened(tmp_path, trust_anchors=tmp_path / "roots.pem") as service:
        assert collect(service, report_body()) == [Outcome.ACCEPTED]
        with service.engine.connect() as connection:
            (row,) = list_violations(connection, Filter(), limit=2)
    assert row.judgement.anchor is Anchor.OPERATOR


@pytest.mark.parametrize("content", [None, "no certificate here"])
def test_a_file_of_roots_that_cannot_be_read_stops_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "roots.pem").write_text(content)
    with pytest.raises((OSError, ValueError)):
        open_service(settings_for(tmp_path, trust_anchors=tmp_path / "roots.pem"), Metrics())
