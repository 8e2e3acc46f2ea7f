"""When a policy changes, its host's violations are judged again and filed under the host that answers for them."""

import pytest

from app.hpkp.pins import parse_pin
from app.store import policies, tables
from app.store.engine import from_ms, writing
from app.store.rejudging import request_rejudging
from tests.support.authority import NOW, make_root
from tests.support.reports import HOST, other_site, report_body, site
from tests.support.store.ingest_harness import AT, IngestHarness, submission

STRANGE = make_root("Strange").pin


def _causes(harness: IngestHarness) -> list[str]:
    return [row.cause for row in harness.rows(tables.violations)]


def test_a_policy_set_afterwards_changes_the_cause(harness: IngestHarness) -> None:
    harness.take(submission())
    assert _causes(harness) == ["unknown_key_public_ca"]
    assert harness.set_policy(pins=[site().root.pin]) == 1
    assert _causes(harness) == ["matches_expected"]
    assert harness.only(tables.violations).judgement["policy_revision"] == 1


def test_a_change_that_explains_nothing_else_changes_no_cause(harness: IngestHarness) -> None:
    harness.take(submission())
    harness.set_policy(pins=[site().root.pin])
    assert harness.set_policy(pins=[site().root.pin, STRANGE]) == 0
    assert harness.only(tables.violations).judgement["policy_revision"] == 2


def test_counts_status_and_receipt_stay_as_they_were(harness: IngestHarness) -> None:
    harness.take(submission(), submission(client="two"))
    with writing(harness.engine) as connection:
        connection.execute(tables.violations.update().values(status="expected", note="the canary"))
    before = harness.only(tables.violations)
    harness.set_policy(pins=[STRANGE])
    after = harness.only(tables.violations)
    kept = ("id", "identity", "reports", "status", "note", "first_received_at", "last_received_at", "known_pins")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert after.judged_at > before.judged_at == AT


def test_a_pin_of_a_former_revision_makes_known_pins_stale_and_not_foreign(harness: IngestHarness) -> None:
    harness.take(submission(report_body(known_pins=[STRANGE])))
    harness.set_policy(pins=[site().root.pin])
    assert _causes(harness) == ["foreign_pins"]
    harness.set_policy(pins=[STRANGE], since=from_ms(AT - 10**9))
    assert _causes(harness) == ["stale_known_pins"]


def test_a_policy_with_subdomains_takes_over_the_violations_of_names_below(harness: IngestHarness) -> None:
    harness.take_each([submission(), submission(report_body(host="deep.www.example.com"))])
    assert [row.host for row in harness.rows(tables.violations)] == [HOST, "deep.www.example.com"]
    harness.set_policy("example.com", subdomains=True)
    assert [row.host for row in harness.rows(tables.violations)] == ["example.com", "example.com"]
    assert {row.hostname for row in harness.rows(tables.violations)} == {HOST, "deep.www.example.com"}
    assert _causes(harness) == ["matches_expected"] * 2


def test_the_nearer_policy_takes_its_violations_from_the_farther(harness: IngestHarness) -> None:
    harness.set_policy("example.com", subdomains=True)
    harness.take(submission())
    assert harness.only(tables.violations).host == "example.com"
    harness.set_policy(HOST)
    assert harness.only(tables.violations).host == HOST


def test_a_name_that_only_ends_alike_is_left_alone(harness: IngestHarness) -> None:
    harness.take_each(submission(report_body(host=host)) for host in ("badexample.com", "example.com.evil.test"))
    harness.set_policy("example.com", subdomains=True)
    assert [row.host for row in harness.rows(tables.violations)] == ["badexample.com", "example.com.evil.test"]
    assert [row.judgement["policy_revision"] for row in harness.rows(tables.violations)] == [None, None]


def test_an_underscore_in_a_name_is_no_wildcard(harness: IngestHarness) -> None:
    harness.take(submission(report_body(host="www.aXb.example")))
    harness.set_policy("a_b.example", subdomains=True)
    assert harness.only(tables.violations).host == "www.axb.example"


def test_a_policy_that_leaves_the_names_below_out_lets_go_of_what_the_noted_host_held(harness: IngestHarness) -> None:
    # Filed under the noted host while nobody had a policy; the host name itself stands in no table of hosts yet.
    harness.take(submission(report_body(host=HOST, noted="example.com")))
    assert harness.only(tables.violations).host == "example.com"
    harness.set_policy("example.com", subdomains=False)
    assert harness.only(tables.violations).host == HOST
    assert HOST in [host.name for host in harness.rows(tables.hosts)]


def test_withdrawing_judges_again_and_the_history_still_speaks(harness: IngestHarness) -> None:
    harness.set_policy(pins=[site().root.pin])
    harness.take(submission())
    with writing(harness.engine) as connection:
        withdrawn = policies.withdraw(connection, policies.history_of(connection, HOST), at=from_ms(AT + 1))
        assert withdrawn is not None
        request_rejudging(connection, HOST, at=AT + 1)
    assert harness.rejudge(HOST) == 1
    row = harness.only(tables.violations)
    assert (row.host, row.judgement["policy_revision"]) == (HOST, None)
    assert row.judgement["validated"][2]["in_former_pins"]
    assert not row.judgement["validated"][2]["in_expected_pins"]


def test_violations_of_other_hosts_are_not_touched(harness: IngestHarness) -> None:
    harness.take(submission(report_body(host="other.test")))
    before = harness.only(tables.violations)
    harness.set_policy()
    assert harness.only(tables.violations) == before


def test_an_event_tells_of_the_change_and_of_the_judging(harness: IngestHarness) -> None:
    chain = other_site()
    harness.take(submission(), submission(report_body(validated=chain.validated)))
    harness.set_policy()
    told = [(event.kind, event.host, event.text) for event in harness.rows(tables.events)]
    assert told == [
        ("policy_changed", HOST, "Policy revision 1: report-only, 1 pins"),
        ("rejudged", HOST, "2 violations re-evaluated: 1 unknown_key_public_ca -> matches_expected"),
    ]


@pytest.mark.parametrize("subdomains", [True, False])
def test_the_nearest_covering_policy_is_found(harness: IngestHarness, subdomains: bool) -> None:
    harness.set_policy("example.com", subdomains=True, pins=[STRANGE])
    harness.set_policy("www.example.com", subdomains=subdomains)
    with harness.engine.connect() as connection:
        found = policies.find_covering(connection, "a.www.example.com")
        assert found is not None
        assert found[0] == ("www.example.com" if subdomains else "example.com")
        assert policies.find_covering(connection, "example.org") is None
        assert policies.registered_hosts(connection) == ["example.com", "www.example.com"]


def test_revisions_come_back_as_they_were_set(harness: IngestHarness) -> None:
    harness.set_policy(pins=[site().root.pin, STRANGE], subdomains=True)
    with harness.engine.connect() as connection:
        (stored,) = policies.list_revisions(connection, HOST)
    assert [expected.pin for expected in stored.policy.pins] == [parse_pin(site().root.pin), parse_pin(STRANGE)]
    assert (stored.policy.effective_from, stored.created_at, stored.policy.include_subdomains) == (NOW, NOW, True)
