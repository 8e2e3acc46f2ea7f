"""Each rule of the readiness, and what they add up to: silence is not evidence, and no stranger advances a verdict."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.audience import SITE, UNKNOWN_APPS, Audience
from app.hpkp.catalog import Catalog
from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.exposure import ExposedDay
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import IMPACTS, Cause, Impact
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, Probe, ProbedChain, ProbedHost
from app.hpkp.readiness import (
    CRITERIA,
    RULES,
    CanaryStatus,
    CriterionState,
    Evidence,
    LockoutGroup,
    Observations,
    OpenViolation,
    Readiness,
    ReadinessInput,
    Rule,
    Thresholds,
    Verdict,
    assess_readiness,
)
from app.hpkp.readiness.evidence_days import HeaderLook
from app.hpkp.readiness.messages import TITLES, title_of
from app.hpkp.x509.anchors import Anchor
from tests.support.authority import NOW

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
) -> ProbedHost:
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
    chain = ProbedChain("192.0.2.1", pins[0], served, served, Anchor.PUBLIC, True, True, ends, anchors)
    return ProbedHost(probe, (chain,))


def observed(
    *,
    days: int = 30,
    clients: int | None = 20_000,
    sessions: int | None = None,
    audience: Audience = SITE,
    served: bool = True,
    pins: frozenset[Pin] | None = None,
) -> Observations:
    """Return so many days up to today on which a careful operator did all: looks at noon, canaries, clients counted."""
    found = [NOW.date() - timedelta(days=number) for number in reversed(range(days + 1))]
    noons = [datetime.combine(day, time(12), UTC) for day in found]
    exposed = (ExposedDay(POLICY.host, day, sessions, clients, audience.app, audience.version) for day in found)
    return Observations(
        exposure=tuple(exposed),
        looks=tuple(HeaderLook(noon, served) for noon in noons),
        canary_days=frozenset(found),
        releases={} if pins is None else {audience: pins},
    )


ARRIVED = CanaryStatus(received_at=NOW - timedelta(hours=1))
GOOD = Evidence(reports=5, observed=observed(), live=live_host(LIVE), canary=ARRIVED)
ORDER = {Verdict.NOT_READY: 0, Verdict.NOT_ENOUGH_DATA: 1, Verdict.READY: 2}


def _assess(policy: PinningPolicy = POLICY, evidence: Evidence = GOOD) -> Readiness:
    return assess_readiness(
        ReadinessInput(policy, evidence, NOW, catalog=Catalog(example_pins={EXAMPLE: "a tutorial"}))
    )


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
    assert answer.plan.do[0] == "Deploy the header of the next step (below)."
    assert str(answer.plan.next_step and answer.plan.next_step.header) in answer.plan.do[1]
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
    served: ProbedHost | None, code: str, verdict: Verdict
) -> None:
    answer = _assess(evidence=replace(GOOD, live=served))
    assert answer.verdict is verdict
    assert _finding(answer, code)


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (replace(GOOD, observed=Observations()), "too_few_covered_days"),
        (replace(GOOD, observed=observed(clients=0)), "too_few_covered_days"),
        (replace(GOOD, observed=observed(clients=None, sessions=200_000)), "too_few_covered_days"),
        (replace(GOOD, observed=observed(served=False)), "too_few_covered_days"),
        (replace(GOOD, observed=replace(observed(), canary_days=frozenset())), "too_few_covered_days"),
        (replace(GOOD, observed=observed(clients=2_900)), "lockout_share_not_bounded"),
        (replace(GOOD, clients={UNKNOWN_APPS: {LockoutGroup.OPERATOR: ClientCount.exact(1)}}), "too_few_covered_days"),
        (replace(GOOD, canary=CanaryStatus()), "canary_missing"),
        (replace(GOOD, canary=CanaryStatus(received_at=NOW - timedelta(hours=25))), "canary_too_old"),
    ],
)
def test_missing_evidence_withholds_the_verdict(evidence: Evidence, code: str) -> None:
    answer = _assess(evidence=evidence)
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    assert _finding(answer, code).withholds


def test_the_recorded_step_names_a_code_of_several_audiences_once() -> None:
    clients = {UNKNOWN_APPS: {LockoutGroup.OPERATOR: ClientCount.exact(1)}}
    answer = _assess(evidence=replace(GOOD, observed=observed(clients=0), clients=clients))
    assert [finding.code for finding in answer.findings].count("too_few_covered_days") == 2
    assert answer.plan.step.count("too_few_covered_days") == 1


@pytest.mark.parametrize(("days", "verdict"), [(14, Verdict.NOT_ENOUGH_DATA), (15, Verdict.READY)])
def test_two_weeks_of_whole_days_have_to_be_covered_since_clients_see_the_pins(days: int, verdict: Verdict) -> None:
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
    assert "not proof" in _finding(answer, "no_reports").message


@pytest.mark.parametrize("cause", Cause)
def test_an_open_violation_weighs_as_its_cause_does(cause: Cause) -> None:
    answer = _assess(evidence=replace(GOOD, open_violations=(_violation(cause, locks_out=False),)))
    found = _finding(answer, f"open_{cause}")
    expected = {Impact.BLOCKER: Severity.BLOCKER, Impact.WARNING: Severity.WARNING, Impact.INFO: Severity.INFO}
    assert found.severity is expected[IMPACTS[cause]]
    assert (answer.verdict is Verdict.NOT_READY) == (IMPACTS[cause] is Impact.BLOCKER)
    assert found.evidence["violations"] == [1]
    assert found.fix


def test_a_pin_in_the_served_chain_alone_is_an_open_question() -> None:
    violations = (_violation(Cause.MATCHES_EXPECTED, locks_out=None),)
    answer = _assess(evidence=replace(GOOD, open_violations=violations))
    assert _finding(answer, "open_matches_expected").severity is Severity.WARNING


def test_the_impact_says_what_its_numbers_bound() -> None:
    violations = (_violation(Cause.OWN_KEY_NOT_PINNED), _violation(Cause.PRIVATE_ROOT, locks_out=True))
    clients = {SITE: {LockoutGroup.OPERATOR: ClientCount(2, 3, 4), LockoutGroup.INTERCEPTION: ClientCount(7, 8, 9)}}
    found = _assess(evidence=replace(GOOD, open_violations=violations, clients=clients))
    assert found.impact == (
        "Enforcing now would lock out at least 2 of 20,000 clients (0.01%) because of configuration errors, and at "
        "most 0.046% of all clients (95% confidence, if every client reports)."
    )
    assert found.also_reported == "Also reported, at least: 7 app clients behind TLS interception."
    assert "exposure is unknown" in _assess(evidence=replace(GOOD, observed=Observations())).impact
    unseen = replace(GOOD, open_violations=violations, clients=clients, observed=Observations())
    assert "at least 2 clients (exposure unknown)" in _assess(evidence=unseen).impact


def test_where_something_is_wrong_that_does_not_show_in_reports_nothing_is_bounded() -> None:
    answer = _assess(evidence=replace(GOOD, live=live_host(EXAMPLE)))
    assert answer.estimate.upper is None
    assert answer.impact == "Reports cannot show how many clients this affects."
    assert answer.plan.next_step is None


def test_a_blocker_that_does_not_show_up_in_reports_is_named_next_to_the_numbers() -> None:
    clients = {SITE: {LockoutGroup.OPERATOR: ClientCount(1742, 1742, 1742)}}
    violations = (_violation(Cause.OWN_KEY_NOT_PINNED),)
    answer = _assess(evidence=replace(GOOD, live=live_host(EXAMPLE), open_violations=violations, clients=clients))
    assert answer.impact == (
        "At least 1,742 of 20,000 clients (8.7%) would be locked out by configuration errors. The real number may be "
        "higher: the unpinned certificate does not show up in reports."
    )
    assert (
        answer.headline
        == f"{POLICY.host} is not ready to enforce its pins: Served certificate is not pinned (+2 more)."
    )
    assert answer.reason == "Served certificate is not pinned (+2 more blockers)."


def _rule_that_finds(found: list[Finding]) -> Rule:
    return lambda _: iter(found)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("severity", [Severity.BLOCKER, Severity.WARNING])
@pytest.mark.parametrize("audience", ["the site", "com.example.shop 4.2"])
def test_a_headline_has_at_most_twenty_words_with_every_title(mode: Mode, severity: Severity, audience: str) -> None:
    policy = replace(POLICY, mode=mode, max_age=300)
    codes = [*TITLES, *(f"open_{cause}" for cause in Cause)]
    for code in codes:
        found = [Finding(code, severity, "", "", {"audience": audience}, withholds=True)] * 3
        answer = assess_readiness(ReadinessInput(policy, GOOD, NOW), rules=(_rule_that_finds(found),))
        assert len(answer.headline.split()) <= 20, answer.headline
        assert title_of(code) in answer.headline


def test_what_contains_another_step_is_the_only_step() -> None:
    violations = (_violation(Cause.OWN_KEY_NOT_PINNED),)
    clients = {SITE: {LockoutGroup.OPERATOR: ClientCount(400, 400, 400)}}
    pinned = _assess(evidence=replace(GOOD, open_violations=violations, clients=clients))
    assert [code for code, s in ((f.code, f.severity) for f in pinned.findings) if s is Severity.BLOCKER] == [
        "open_own_key_not_pinned", "lockout_share_over_limit",
    ]  # fmt: skip
    assert len(pinned.plan.do) == 1
    served = _assess(evidence=replace(GOOD, live=live_host(EXAMPLE), open_violations=violations, clients=clients))
    first, second = served.plan.do
    assert first.startswith("At 192.0.2.1, deploy a certificate with a pinned key")
    assert second.startswith(f"Then run `hpkp violation status {violations[0].id} --set resolved`")


def test_thresholds_are_arguments_and_are_echoed() -> None:
    limits = Thresholds(observation=timedelta(days=60))
    answer = assess_readiness(ReadinessInput(POLICY, GOOD, NOW, limits=limits))
    assert answer.thresholds == limits
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA


RELEASE = Audience("com.example.shop", "4.2")
violations = st.builds(
    _violation, st.sampled_from(Cause), number=st.integers(1, 9), locks_out=st.sampled_from([True, False, None])
)
counts = st.lists(st.integers(0, 10**5), min_size=3, max_size=3).map(lambda ends: ClientCount(*sorted(ends)))
evidence = st.builds(
    Evidence,
    reports=st.integers(0, 9),
    open_violations=st.lists(violations, max_size=4).map(tuple),
    clients=st.dictionaries(
        st.sampled_from([SITE, RELEASE, UNKNOWN_APPS]), st.dictionaries(st.sampled_from(LockoutGroup), counts)
    ),
    observed=st.builds(
        observed,
        days=st.integers(0, 31),
        clients=st.none() | st.integers(0, 10**5),
        sessions=st.just(10**5),
        audience=st.sampled_from([SITE, RELEASE]),
        served=st.booleans(),
        pins=st.none() | st.just(POLICY.expected),
    ),
    live=st.none()
    | st.lists(st.sampled_from([LIVE, BACKUP, EXAMPLE]), min_size=1, unique=True).map(lambda pins: live_host(*pins)),
    canary=st.builds(CanaryStatus, received_at=st.none() | st.just(NOW)),
)
policies = st.lists(st.sampled_from([LIVE, BACKUP, EXAMPLE]), unique=True, max_size=3).map(lambda pins: _pins(*pins))


@given(policies, evidence, violations, st.sampled_from([SITE, RELEASE, UNKNOWN_APPS]))
def test_a_stranger_s_report_never_advances_a_verdict(
    policy: PinningPolicy, seen: Evidence, more: OpenViolation, audience: Audience
) -> None:
    before = _assess(policy, seen).verdict
    clients = dict(seen.clients)
    if more.group is not None:
        of_audience = dict(clients.get(audience, {}))
        met = of_audience.get(more.group, NOBODY)
        of_audience[more.group] = ClientCount(met.at_least + 1, met.about + 1, met.at_most + 1)
        clients[audience] = of_audience
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
        assert all(known.days.clients for known in answer.audiences)
        assert all(len(known.days.covered) >= known.needed_days for known in answer.audiences)
        assert seen.canary.received_at is not None
        assert seen.live is not None
    else:
        assert answer.plan.do


def test_every_rule_belongs_to_one_criterion() -> None:
    listed = [rule for rules in CRITERIA.values() for rule in rules]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(RULES)


@given(policies, evidence)
def test_an_audience_is_ready_when_every_criterion_is_met(policy: PinningPolicy, seen: Evidence) -> None:
    verdicts = {
        CriterionState.BLOCKED: Verdict.NOT_READY,
        CriterionState.MISSING_EVIDENCE: Verdict.NOT_ENOUGH_DATA,
        CriterionState.MET: Verdict.READY,
    }
    for answer in _assess(policy, seen).audiences:
        assert tuple(answer.criteria) == tuple(CRITERIA)
        assert answer.verdict is min((verdicts[state] for state in answer.criteria.values()), key=ORDER.__getitem__)


def test_a_criterion_of_another_audience_is_met() -> None:
    seen = replace(GOOD, canary=CanaryStatus(), clients={SITE: {LockoutGroup.OPERATOR: ClientCount(900, 900, 900)}})
    seen = replace(seen, observed=replace(seen.observed, exposure=(*seen.observed.exposure, *_release_days())))
    site, release = (
        {one.audience.is_site: one for one in _assess(POLICY, seen).audiences}[is_site] for is_site in (True, False)
    )
    assert site.criteria["lockout_share"] is CriterionState.BLOCKED
    assert release.criteria["lockout_share"] is not CriterionState.BLOCKED
    assert {site.criteria["canary"], release.criteria["canary"]} == {CriterionState.MISSING_EVIDENCE}


def _release_days() -> tuple[ExposedDay, ...]:
    return observed(audience=RELEASE).exposure


def test_what_was_refused_counts_since_the_first_of_the_covered_days_that_are_needed() -> None:
    def since(*left_out: int, days: int = 30) -> date:
        """Return the day from which it counts if no canary arrived so many days ago."""
        without = {NOW.date() - timedelta(days=ago) for ago in left_out}
        seen = observed(days=days)
        inputs = ReadinessInput(
            POLICY, replace(GOOD, observed=replace(seen, canary_days=seen.canary_days - without)), NOW
        )  # fmt: skip
        return inputs.evidence_since.date()

    assert since() == NOW.date() - timedelta(days=14)
    assert since(3, 7) == NOW.date() - timedelta(days=16), "two days further back make up for two"
    assert since(days=10) == NOW.date() - timedelta(days=28), "with too few days all of the window counts"
