"""What a host serves beside its policy: each rule, and that what was not seen is never right."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from app.hpkp.findings import Finding, Severity
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, Probe, ProbedHost, describe_live, review_live, satisfied
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Chain, read_certificate
from tests.support.authority import NOW, Issued, make_root, make_site

HOST = Host("www.example.com")
SITE = make_site(HOST)
BACKUP, STRANGER = (parse_pin(make_root(name).pin) for name in ("Backup", "Stranger"))
LEAF = parse_pin(SITE.leaf.pin)
POLICY = PinningPolicy(
    HOST,
    (ExpectedPin(LEAF), ExpectedPin(BACKUP)),
    max_age=300,
    report_uri="https://reports.example.net/report",
    effective_from=NOW - timedelta(days=1),
)
FIELD = str(PinningHeader.of_policy(POLICY))


def _anchors(*roots: Issued) -> KnownCertificates:
    certificates = [read_certificate(root.der) for root in roots]
    return KnownCertificates(public=tuple(certificates))  # type: ignore[arg-type]  # made by ourselves: all readable


def _chain(*issued: Issued) -> Chain:
    return tuple(read_certificate(each.der, position=position) for position, each in enumerate(issued))


SERVED = _chain(SITE.leaf, SITE.intermediate)
GOOD = Endpoint("192.0.2.1", (SERVED,), (Answer("/", 200, (), (FIELD,)), Answer("/no", 404, (), (FIELD,))))


def _live(*endpoints: Endpoint, fault: str | None = None) -> ProbedHost:
    return describe_live(Probe(HOST, 443, NOW, endpoints, fault), _anchors(SITE.root))


def _review(*endpoints: Endpoint, policy: PinningPolicy = POLICY, fault: str | None = None) -> tuple[Finding, ...]:
    return review_live(policy, _live(*endpoints, fault=fault))


def _serving(*fields: str, enforcing: Sequence[str] = ()) -> Endpoint:
    return replace(GOOD, answers=(Answer("/", 200, tuple(enforcing), fields),))


def _with_chain(*issued: Issued) -> Endpoint:
    return replace(GOOD, chains=(_chain(*issued),))


def test_what_is_as_the_policy_says_finds_nothing() -> None:
    assert _review(GOOD) == ()
    assert satisfied(()) is True
    assert _live(GOOD).leaf_pins == {LEAF}


FOREIGN = make_site(HOST)
EXPIRED = SITE.intermediate.issue(HOST, key=SITE.leaf.key, not_after=NOW - timedelta(days=1))
ENDING = SITE.intermediate.issue(HOST, key=SITE.leaf.key, not_after=NOW + timedelta(seconds=299))
OTHER_NAME = SITE.intermediate.issue("mail.example.com", key=SITE.leaf.key)
NEW_KEY = SITE.intermediate.issue(HOST)


@pytest.mark.parametrize(
    ("endpoint", "code", "answer"),
    [
        (_with_chain(NEW_KEY, SITE.intermediate), "no_pin_in_live_chain", False),
        (_with_chain(FOREIGN.leaf, FOREIGN.intermediate), "live_chain_not_trusted", False),
        (_with_chain(SITE.leaf), "live_chain_not_trusted", None),
        (_with_chain(EXPIRED, SITE.intermediate), "live_chain_out_of_date", False),
        (_with_chain(ENDING, SITE.intermediate), "leaf_expires_within_max_age", True),
        (_with_chain(OTHER_NAME, SITE.intermediate), "live_leaf_for_another_name", False),
        (replace(GOOD, chains=(), answers=(), faults=("/: refused",)), "address_not_reached", None),
        (_serving(), "header_not_everywhere", True),
        (_serving('pin-sha256="not a pin"; max-age=300'), "header_unparseable", False),
        (_serving(FIELD, enforcing=[FIELD]), "enforces_already", False),
        (_serving(FIELD.replace(str(BACKUP), str(STRANGER))), "header_differs", False),
        (_serving(FIELD + "; includeSubDomains"), "header_differs", False),
        (_serving(FIELD.replace("/report", "/elsewhere")), "header_differs", False),
    ],
)
def test_each_fault_is_found_beside_an_address_where_all_is_right(
    endpoint: Endpoint, code: str, answer: bool | None
) -> None:
    findings = _review(GOOD, replace(endpoint, address="192.0.2.2"))
    by_code = {finding.code: finding for finding in findings}
    assert by_code[code].fix
    assert satisfied(findings) is answer
    if "addresses" in by_code[code].evidence:
        assert list(by_code[code].evidence["addresses"]) == ["192.0.2.2"]  # type: ignore[call-overload]


def test_a_field_that_no_answer_carries_withholds_the_verdict() -> None:
    [finding] = _review(_serving())
    assert (finding.code, finding.severity, finding.withholds) == ("header_not_served", Severity.WARNING, True)


def test_a_certificate_appended_to_the_chain_pins_nothing() -> None:
    codes = {finding.code for finding in _review(_with_chain(NEW_KEY, SITE.intermediate, SITE.leaf))}
    assert "no_pin_in_live_chain" in codes


def test_a_pin_on_a_root_that_is_not_sent_counts() -> None:
    policy = replace(POLICY, pins=(ExpectedPin(parse_pin(SITE.root.pin)), ExpectedPin(BACKUP)))
    assert "no_pin_in_live_chain" not in {finding.code for finding in _review(GOOD, policy=policy)}


def test_pins_that_all_stand_in_the_chain_leave_no_backup() -> None:
    policy = replace(POLICY, pins=(ExpectedPin(LEAF), ExpectedPin(parse_pin(SITE.intermediate.pin))))
    assert "no_backup_pin" in {finding.code for finding in _review(GOOD, policy=policy)}


def test_two_kinds_of_keys_both_need_a_pin() -> None:
    both = replace(GOOD, chains=(SERVED, _chain(NEW_KEY, SITE.intermediate)))
    [finding] = _review(both)
    assert finding.code == "no_pin_in_live_chain"
    assert finding.evidence["leaf_pins"] == [NEW_KEY.pin]


def test_an_enforcing_policy_wants_the_enforcing_field() -> None:
    policy = replace(POLICY, mode=Mode.ENFORCE)
    assert _review(_serving(enforcing=[FIELD]), policy=policy) == ()
    assert [finding.code for finding in _review(GOOD, policy=policy)] == ["header_not_served"]


def test_a_report_only_field_needs_no_max_age_to_be_the_same() -> None:
    without = str(PinningHeader.of_policy(replace(POLICY, max_age=None)))
    assert _review(_serving(without)) == ()


def test_a_host_that_was_not_reached_cannot_be_told() -> None:
    for findings in (_review(fault="the name cannot be resolved"), _review()):
        assert [finding.code for finding in findings[:1]] == ["host_not_reached"]
        assert satisfied(findings) is None


def test_the_key_of_a_chain_that_does_not_hold_is_nobody_s() -> None:
    for endpoint in (_with_chain(FOREIGN.leaf, FOREIGN.intermediate), _with_chain(OTHER_NAME, SITE.intermediate)):
        assert _live(endpoint).leaf_pins == frozenset()


@pytest.mark.parametrize(("mode", "differs"), [(Mode.REPORT_ONLY, False), (Mode.ENFORCE, True)])
def test_another_max_age_matters_where_clients_remember_it(mode: Mode, differs: bool) -> None:
    field = FIELD.replace("300", "301")
    endpoint = _serving(field) if mode is Mode.REPORT_ONLY else _serving(enforcing=[field])
    found = {finding.code for finding in _review(endpoint, policy=replace(POLICY, mode=mode))}
    assert ("header_differs" in found) is differs


def test_where_pins_are_enforced_those_locked_out_are_not_helped_by_another_header() -> None:
    unpinned = _with_chain(NEW_KEY, SITE.intermediate)
    (watched,) = (f for f in _review(unpinned) if f.code == "no_pin_in_live_chain")
    (enforced,) = (
        f for f in _review(unpinned, policy=replace(POLICY, mode=Mode.ENFORCE)) if f.code == "no_pin_in_live_chain"
    )
    assert NEW_KEY.pin in watched.fix
    assert "with a pinned key now" in enforced.fix
    assert "Changing the header does not help" in enforced.fix
