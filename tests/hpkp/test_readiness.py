"""Each rule of the readiness, and what they add up to: silence is not evidence, and no stranger advances a verdict."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.catalog import Catalog
from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.exposure import Exposure
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import BEARING, Bearing, Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, LiveChain, LiveHost, Probe
from app.hpkp.readiness import (
    CanarySeen,
    Evidence,
    Group,
    OpenViolation,
    Readiness,
    Situation,
    Thresholds,
    Verdict,
    assess_readiness,
)
from app.hpkp.x509.anchors import Anchor
from tests.authority import NOW

LIVE, BACKUP, EXAMPLE = (Pin(bytes((number,)) * 32) for number in (1, 2, 3))
POLICY = PinningPolicy(
    Host("www.example.com"),
    (ExpectedPin(LIVE), ExpectedPin(BACKUP)),
    report_uri="https://reports.example.net/report",
    max_age=300,
    effective_from=NOW - timedelta(days=30),
)


def live_host(
    *pins: Pin,
    at: datetime = NOW,
    policy: PinningPolicy = POLICY,
    header: bool = True,
    anchor: Pin | None = None,
) -> LiveHost:
    """Return a look at the host that serves these pins in its chain, leaf first, and the policy's own field.

    ``anchor`` is the pin of the root where the chain ends.
    """
    fields = (str(PinningHeader.of_policy(policy)),) if header else ()
    enforced = policy.mode is Mode.ENFORCE
    answer = Answer("/", 200, *((fields, ()) if enforced else ((), fields)))
    probe = Probe(POLICY.host, 443, at, (Endpoint("192.0.2.1", ((),), (answer,)),))
    ends = NOW + timedelta(days=60)
    anchors = frozenset({anchor} if anchor else ())
    served = frozenset(pins) | anchors
    chain = LiveChain("192.0.2.1", pins[0], served, served, Anchor.PUBLIC, True, True, ends, anchors)
    return LiveHost(probe, (chain,))


EXPOSED = Exposure(days=31, days_known=31, site_sessions=200_000, site_clients=20_000)
ARRIVED = CanarySeen(received_at=NOW - timedelta(hours=1))
GOOD = Evidence(reports=5, exposure=EXPOSED, live=live_host(LIVE), canary=ARRIVED)
ORDER = {Verdict.NOT_READY: 0, Verdict.NOT_ENOUGH_DATA: 1, Verdict.READY: 2}


def _assess(policy: PinningPolicy = POLICY, evidence: Evidence = GOOD) -> Readiness:
    return assess_readiness(Situation(policy, evidence, NOW, catalog=Catalog(example_pins={EXAMPLE: "a tutorial"})))


def _finding(readiness: Readiness, code: str) -> Finding:
    return next(finding for finding in readiness.findings if finding.code == code)


def _violation(cause: Cause, *, number: int = 1, locks_out: bool | None = None) -> OpenViolation:
    return OpenViolation(number, cause, reports=3, last_received_at=NOW, locks_out=locks_out)


def _pins(*pins: Pin) -> PinningPolicy:
    return replace(POLICY, pins=tuple(map(ExpectedPin, pins)))


def test_with_all_evidence_and_nothing_against_it_enforcing_is_ready() -> None:
    answer = _assess()
    assert answer.verdict is Verdict.READY
    assert answer.findings == ()
    assert "let the host send the header below" in answer.plan.do[0]
    assert answer.plan.next_step is not None
    assert answer.plan.next_step.header.max_age == 300


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (_pins(LIVE), "fewer_than_two_pins"),
        (_pins(), "fewer_than_two_pins"),
        (_pins(LIVE, EXAMPLE), "example_pin"),
    ],
)
def test_pins_that_cannot_be_enforced_block(policy: PinningPolicy, code: str) -> None:
    answer = _assess(policy)
    assert answer.verdict is Verdict.NOT_READY
    assert _finding(answer, code).severity is Severity.BLOCKER


@pytest.mark.parametrize(
    ("served", "code", "verdict"),
    [
        (None, "live_chain_not_seen", Verdict.NOT_ENOUGH_DATA),
        (live_host(LIVE, at=NOW - timedelta(hours=49)), "probe_too_old", Verdict.NOT_ENOUGH_DATA),
        (live_host(LIVE, at=NOW - timedelta(days=31)), "probe_too_old", Verdict.NOT_ENOUGH_DATA),
        (live_host(EXAMPLE), "no_pin_in_live_chain", Verdict.NOT_READY),
        (live_host(LIVE, BACKUP), "no_backup_pin", Verdict.NOT_READY),
    ],
)
def test_the_live_chain_holds_one_pin_and_leaves_one_for_backup(
    served: LiveHost | None, code: str, verdict: Verdict
) -> None:
    answer = _assess(evidence=replace(GOOD, live=served))
    assert answer.verdict is verdict
    assert _finding(answer, code)


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (replace(GOOD, exposure=None), "exposure_unknown"),
        (replace(GOOD, exposure=replace(EXPOSED, site_sessions=9_999, site_clients=9_000)), "exposure_too_small"),
        (replace(GOOD, exposure=replace(EXPOSED, site_sessions=0, site_clients=None)), "exposure_too_small"),
        (replace(GOOD, exposure=replace(EXPOSED, site_clients=2_900)), "lockout_share_not_bounded"),
        (replace(GOOD, canary=CanarySeen()), "canary_missing"),
        (replace(GOOD, canary=CanarySeen(received_at=NOW - timedelta(hours=25))), "canary_too_old"),
    ],
)
def test_missing_evidence_withholds_the_verdict(evidence: Evidence, code: str) -> None:
    answer = _assess(evidence=evidence)
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    assert _finding(answer, code).withholds


@pytest.mark.parametrize(("days", "verdict"), [(13, Verdict.NOT_ENOUGH_DATA), (14, Verdict.READY)])
def test_a_revision_has_to_be_observed_for_two_weeks(days: int, verdict: Verdict) -> None:
    answer = _assess(replace(POLICY, effective_from=NOW - timedelta(days=days)))
    assert answer.verdict is verdict


@pytest.mark.parametrize(
    ("uri", "subdomains", "found"),
    [
        ("https://reports.example.net/report", True, False),
        ("https://www.example.com/report", False, True),
        ("https://user@WWW.example.com:8443/report", False, True),
        ("https://r.www.example.com/report", False, False),
        ("https://r.www.example.com/report", True, True),
    ],
)
def test_a_report_uri_under_the_pins_is_warned_of(uri: str, subdomains: bool, found: bool) -> None:
    answer = _assess(replace(POLICY, report_uri=uri, include_subdomains=subdomains))
    assert ("report_uri_on_pinned_host" in {finding.code for finding in answer.findings}) is found


def test_silence_is_told_and_is_no_reason_by_itself() -> None:
    answer = _assess(evidence=replace(GOOD, reports=0))
    assert _finding(answer, "no_reports").severity is Severity.INFO
    assert "no proof" in _finding(answer, "no_reports").message


@pytest.mark.parametrize("cause", Cause)
def test_an_open_violation_weighs_as_its_cause_does(cause: Cause) -> None:
    answer = _assess(evidence=replace(GOOD, open_violations=(_violation(cause, locks_out=False),)))
    found = _finding(answer, f"open_{cause}")
    expected = {Bearing.BLOCKS: Severity.BLOCKER, Bearing.CAUTION: Severity.WARNING, Bearing.INFO: Severity.INFO}
    assert found.severity is expected[BEARING[cause]]
    assert (answer.verdict is Verdict.NOT_READY) == (BEARING[cause] is Bearing.BLOCKS)
    assert found.evidence["violations"] == [1]
    assert found.fix


def test_a_pin_in_the_served_chain_alone_is_an_open_question() -> None:
    violations = (_violation(Cause.MATCHES_EXPECTED, locks_out=None),)
    answer = _assess(evidence=replace(GOOD, open_violations=violations))
    assert _finding(answer, "open_matches_expected").severity is Severity.WARNING


def test_the_headline_says_what_its_numbers_bound() -> None:
    violations = (_violation(Cause.OWN_KEY_NOT_PINNED), _violation(Cause.PRIVATE_ROOT, locks_out=True))
    clients = {Group.OURS: ClientCount(2, 3, 4), Group.INTERCEPTION: ClientCount(7, 8, 9)}
    headline = _assess(evidence=replace(GOOD, open_violations=violations, clients=clients)).headline
    assert "at least 2 of 20000 clients would be locked out by mistakes of yours" in headline
    assert "at most 0.046 % of them (95 % confidence, if every client reports)" in headline
    assert "7 whose apps meet interception" in headline
    assert "how many could have reported one is not known" in _assess(evidence=replace(GOOD, exposure=None)).headline
    unseen = replace(GOOD, open_violations=violations, clients=clients, exposure=None)
    assert "at least 2 of an unknown number of clients would be locked out" in _assess(evidence=unseen).headline


def test_where_something_is_wrong_that_does_not_show_in_reports_nothing_is_bounded() -> None:
    answer = _assess(evidence=replace(GOOD, live=live_host(EXAMPLE)))
    assert answer.estimate.upper is None
    assert "Reports say nothing about that" in answer.headline
    assert "%" not in answer.headline
    assert answer.plan.next_step is None


def test_thresholds_are_arguments_and_are_echoed() -> None:
    limits = Thresholds(observation=timedelta(days=60), sessions=5)
    answer = assess_readiness(Situation(POLICY, GOOD, NOW, limits=limits))
    assert answer.thresholds == limits
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA


violations = st.builds(
    _violation, st.sampled_from(Cause), number=st.integers(1, 9), locks_out=st.sampled_from([True, False, None])
)
counts = st.lists(st.integers(0, 10**5), min_size=3, max_size=3).map(lambda ends: ClientCount(*sorted(ends)))
evidence = st.builds(
    Evidence,
    reports=st.integers(0, 9),
    open_violations=st.lists(violations, max_size=4).map(tuple),
    clients=st.dictionaries(st.sampled_from(Group), counts),
    exposure=st.none()
    | st.builds(
        Exposure,
        days=st.just(31),
        days_known=st.integers(0, 31),
        site_sessions=st.none() | st.integers(0, 10**6),
        site_clients=st.none() | st.integers(0, 10**5),
        installs=st.none() | st.integers(0, 10**5),
    ),
    live=st.none()
    | st.lists(st.sampled_from([LIVE, BACKUP, EXAMPLE]), min_size=1, unique=True).map(lambda pins: live_host(*pins)),
    canary=st.builds(CanarySeen, received_at=st.none() | st.just(NOW)),
)
policies = st.lists(st.sampled_from([LIVE, BACKUP, EXAMPLE]), unique=True, max_size=3).map(lambda pins: _pins(*pins))


@given(policies, evidence, violations)
def test_a_stranger_s_report_never_advances_a_verdict(
    policy: PinningPolicy, seen: Evidence, more: OpenViolation
) -> None:
    before = _assess(policy, seen).verdict
    clients = dict(seen.clients)
    if more.group is not None:
        met = clients.get(more.group, NOBODY)
        clients[more.group] = ClientCount(met.at_least + 1, met.about + 1, met.at_most + 1)
    after = _assess(
        policy,
        replace(seen, open_violations=(*seen.open_violations, more), reports=seen.reports + 1, clients=clients),
    ).verdict
    assert ORDER[after] <= ORDER[before]


@given(policies, evidence)
def test_ready_needs_every_piece_of_evidence_and_no_blocker(policy: PinningPolicy, seen: Evidence) -> None:
    answer = _assess(policy, seen)
    blockers = [finding for finding in answer.findings if finding.severity is Severity.BLOCKER]
    withheld = [finding for finding in answer.findings if finding.withholds]
    assert (answer.verdict is Verdict.NOT_READY) == bool(blockers)
    assert (answer.verdict is Verdict.READY) == (not blockers and not withheld)
    if answer.verdict is Verdict.READY:
        assert seen.exposure is not None
        assert seen.exposure.sessions is not None
        assert seen.canary.received_at is not None
        assert seen.live is not None
    else:
        assert answer.plan.do
