"""A host's policy has revisions that nothing changes; after each change its violations are judged again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.hpkp.findings import Severity
from app.hpkp.hosts import Host
from app.hpkp.judgement.judge import Judgement
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.metrics import Metrics
from app.service import Service, open_service
from app.settings import Settings
from app.store import policies, tables
from app.store.engine import from_ms
from tests.support.authority import NOW, make_root
from tests.support.reports import HOST, report_body, site
from tests.support.store.ingest_harness import IngestHarness, Taken, submission

EXPECTED, OTHER = parse_pin(site().root.pin), parse_pin(make_root("Other").pin)
HOUR = timedelta(hours=1)

FULL = PinningPolicy(
    host=Host(HOST),
    pins=(ExpectedPin(EXPECTED, "root"), ExpectedPin(OTHER)),
    include_subdomains=True,
    max_age=5_184_000,
    mode=Mode.ENFORCE,
    report_uri="https://reports.example/r",
    own_keys=frozenset([OTHER]),
    effective_from=NOW - 24 * HOUR,
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Open a service, as far as it needs no event loop."""
    service = open_service(Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/hpkp.sqlite3"), Metrics())
    yield service
    service.engine.dispose()


def policy(*pins: ExpectedPin, host: str = HOST) -> PinningPolicy:
    """Make a policy with nothing but pins."""
    return PinningPolicy(host=Host(host), pins=pins or (ExpectedPin(EXPECTED),))


def test_a_policy_comes_back_with_every_member(service: Service) -> None:
    service.policies.set(FULL, at=NOW)
    with service.engine.connect() as connection:
        (stored,) = policies.list_revisions(connection, HOST)
    assert stored == policies.StoredPolicy(FULL, NOW)


def test_revisions_are_numbered_and_earlier_ones_stay_as_they_were(service: Service) -> None:
    service.policies.set(policy(ExpectedPin(OTHER)), at=NOW)
    with service.engine.connect() as connection:
        first = policies.list_revisions(connection, HOST)
    service.policies.set(policy(ExpectedPin(EXPECTED)), at=NOW + HOUR)
    service.policies.withdraw(HOST, at=NOW + 2 * HOUR)
    with service.engine.connect() as connection:
        revisions = policies.list_revisions(connection, HOST)
    assert revisions[:1] == first
    assert [(stored.policy.revision, stored.policy.withdrawn) for stored in revisions] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert [stored.policy.effective_from for stored in revisions] == [NOW, NOW + HOUR, NOW + 2 * HOUR]


def test_numbers_are_each_hosts_own(service: Service) -> None:
    hosts = (HOST, "www.example.org", HOST)
    stored = [
        service.policies.set(policy(ExpectedPin(EXPECTED, str(number)), host=host), at=NOW)
        for number, host in enumerate(hosts)
    ]
    assert [one.revision for one in stored] == [1, 1, 2]


def test_the_same_policy_again_makes_no_revision(service: Service) -> None:
    first = service.policies.set(policy(), at=NOW)
    assert service.policies.set(policy(), at=NOW + HOUR) == first
    with service.engine.connect() as connection:
        assert len(policies.list_revisions(connection, HOST)) == 1


def test_a_revision_of_the_past_enters_history_and_the_newer_one_stays_in_force(service: Service) -> None:
    newer = service.policies.set(policy(), at=NOW)
    older = service.policies.set(replace(policy(ExpectedPin(OTHER)), effective_from=NOW - HOUR), at=NOW + HOUR)
    assert service.policies.in_force(HOST, at=NOW + HOUR) == newer
    assert service.policies.in_force(HOST, at=NOW - HOUR) == older
    assert service.policies.in_force(HOST, at=NOW - 2 * HOUR) is None


def test_withdrawing_ends_the_policy_and_there_is_nothing_to_withdraw_after(service: Service) -> None:
    assert service.policies.withdraw(HOST, at=NOW) is None
    service.policies.set(policy(), at=NOW)
    withdrawn = service.policies.withdraw(HOST, at=NOW + HOUR)
    assert withdrawn is not None
    assert (withdrawn.revision, withdrawn.withdrawn, withdrawn.pins) == (2, True, policy().pins)
    assert service.policies.in_force(HOST, at=NOW + HOUR) is None
    assert service.policies.withdraw(HOST, at=NOW + 2 * HOUR) is None
    again = service.policies.set(policy(), at=NOW + 3 * HOUR)
    assert (again.revision, service.policies.in_force(HOST, at=NOW + 3 * HOUR)) == (3, again)


def test_a_withdrawn_policy_still_registers_its_host(service: Service) -> None:
    service.policies.set(policy(), at=NOW)
    service.policies.withdraw(HOST, at=NOW)
    with service.engine.connect() as connection:
        assert policies.is_registered(connection, HOST)
        assert policies.find_covering(connection, HOST) is not None


def _take_two(service: Service) -> None:
    bodies = (report_body(), report_body(port=8443))
    assert IngestHarness.at(service.engine).take(*map(submission, bodies)) == [Taken.ACCEPTED] * 2


@pytest.mark.parametrize("ends", [False, True])
def test_a_violation_that_cannot_be_judged_does_not_keep_the_change_from_the_others(
    service: Service, ends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    _take_two(service)
    service.policies.set(policy(ExpectedPin(OTHER)), at=NOW)
    harness = IngestHarness.at(service.engine)
    judged: list[object] = []

    def fail_at_the_second(*case: object) -> Judgement:
        judged.append(case)
        if len(judged) == 2:
            raise ZeroDivisionError
        return service.judge(*case)  # type: ignore[arg-type]

    changing = replace(service, judge=fail_at_the_second)
    changed = (
        changing.policies.withdraw(HOST, at=NOW + HOUR) if ends else changing.policies.set(policy(), at=NOW + HOUR)
    )
    assert changed is not None
    assert changed.revision == 2
    rows = harness.rows(tables.violations)
    assert [from_ms(row.judged_at) for row in rows] == [NOW + HOUR, NOW]
    assert [row.judgement["policy_revision"] for row in rows] == [None if ends else 2, 1]
    assert "violation 2 could not be judged again" in caplog.text


def test_until_the_violations_are_judged_the_verdict_rests_on_too_little(service: Service) -> None:
    _take_two(service)
    harness = IngestHarness.at(service.engine)
    seen: list[tuple[int, object, Severity, bool]] = []

    def look_and_judge(*case: object) -> Judgement:
        assessed = service.readiness.assess(HOST, at=NOW)
        assert assessed is not None
        [pending] = [finding for finding in assessed[1].findings if finding.code == "evaluation_pending"]
        waiting = pending.evidence["violations"]
        seen.append((len(harness.rows(tables.policy_revisions)), waiting, pending.severity, pending.withholds))
        assert service.readiness.record(HOST, at=NOW) is not None
        assert harness.rows(tables.verdicts) == [], "not the host's verdict, which nobody is to be told of"
        return service.judge(*case)  # type: ignore[arg-type]

    replace(service, judge=look_and_judge).policies.set(policy(), at=NOW)
    assert seen == [(1, 2, Severity.WARNING, True)] * 2
    assert {row.cause for row in harness.rows(tables.violations)} == {"matches_expected"}
    assessed = service.readiness.assess(HOST, at=NOW)
    assert assessed is not None
    assert "evaluation_pending" not in {finding.code for finding in assessed[1].findings}
    assert len(harness.rows(tables.verdicts)) == 1
