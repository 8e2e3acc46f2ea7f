"""Control pins: made, recognized, judged apart, and what they measure."""

import re
from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import count
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.audience import SITE, Audience
from app.hpkp.clients import ClientCount
from app.hpkp.confidence_bound import lower_share, upper_share
from app.hpkp.control import (
    Control,
    ControlCount,
    ControlDay,
    are_control_pins,
    choose_day,
    make_control_pins,
    measure_delivery,
    upper_share_of_all,
)
from app.hpkp.findings import Severity
from app.hpkp.header.control_lines import _pattern, split_configuration
from app.hpkp.header.server_lines import Server
from app.hpkp.header.value import PinningHeader
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy, PolicyHistory
from app.hpkp.probe_result import Answer, Endpoint, review_live, serves_policy
from app.hpkp.readiness import LockoutGroup, Readiness, ReadinessInput, Verdict, assess_readiness
from app.hpkp.readiness.evidence_days import Missing
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.senders import CertificateReader, read_report
from tests.hpkp.test_readiness import GOOD, LIVE, POLICY, live_host, observed
from tests.support.authority import NOW
from tests.support.reports import report_body

TODAY = NOW.date()
_NUMBERS = count(1)
CONTROL = make_control_pins(lambda length: next(_NUMBERS).to_bytes(length, "big"))


def _counted(reported: int, received: int, *, of_apps: bool = False) -> Control:
    return Control((ControlCount(TODAY, received, ClientCount.exact(reported), of_apps),), reports=reported)


def _lower(reported: int, received: int) -> float:
    measured = measure_delivery(_counted(reported, received))
    assert measured is not None
    return measured.lower


def test_control_pins_are_two_hashes_of_what_was_drawn() -> None:
    assert len(set(CONTROL)) == 2
    again = count(1)
    assert make_control_pins(lambda length: next(again).to_bytes(length, "big")) == CONTROL


@pytest.mark.parametrize(
    ("known", "is_control"),
    [(CONTROL, True), (CONTROL[:1], True), ((*CONTROL, LIVE), False), ((LIVE,), False), ((), False)],
)
def test_known_pins_are_control_only_without_any_other(known: tuple[Pin, ...], is_control: bool) -> None:
    assert are_control_pins(known, frozenset(CONTROL)) is is_control


@given(st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(1, of), st.just(of))))
def test_so_many_are_seen_with_five_percent_where_the_share_is_the_lower_bound(counts: tuple[int, int]) -> None:
    seen, of = counts
    share = Fraction(lower_share(seen, of))
    so_many = sum(comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(seen, of + 1))
    assert float(so_many) == pytest.approx(0.05, abs=1e-9)
    assert lower_share(0, of) == 0


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 300), st.integers(0, 300))
def test_the_bound_of_all_is_never_below_that_of_reports_and_never_above_one(
    met: int, of: int, received: int, reported: int
) -> None:
    delivery = measure_delivery(_counted(reported, received))
    assert upper_share(met, of) <= upper_share_of_all(met, of, delivery) <= 1.0
    assert upper_share_of_all(met, of, None) == upper_share(met, of)


def test_who_never_reports_bounds_nothing() -> None:
    assert _lower(0, 5000) == 0.0
    assert upper_share_of_all(0, 10**6, measure_delivery(_counted(0, 5000))) == 1.0


def test_more_reporters_than_receivers_count_as_all_and_are_told() -> None:
    assert _lower(90, 50) == _lower(50, 50) < 1.0
    found = _assess(_counted(90, 50))
    assert "control_reports_exceed_exposure" in {finding.code for finding in found.findings}


def test_the_site_and_apps_are_measured_apart_and_one_without_a_measurement_takes_that_of_the_other() -> None:
    both = Control((*_counted(90, 100).counts, *_counted(30, 100, of_apps=True).counts))
    site = _counted(90, 100)
    for control, of_apps, rate in (
        (both, None, 0.3), (both, False, 0.9), (both, True, 0.3), (site, True, 0.9), (Control(), False, None),
    ):  # fmt: skip
        measured = measure_delivery(control, of_apps=of_apps)
        assert (None if measured is None else measured.rate) == rate


def test_each_audience_is_bounded_by_its_own_rate() -> None:
    app = Audience("com.example.shop", "4.2")
    seen = observed(clients=20_000)
    installs = observed(clients=20_000, audience=app, pins=POLICY.expected)
    both = replace(seen, exposure=(*seen.exposure, *installs.exposure), releases=installs.releases)
    control = Control((*_counted(900, 1000).counts, *_counted(120, 1000, of_apps=True).counts))
    found = assess_readiness(ReadinessInput(POLICY, replace(GOOD, control=control, observed=both), NOW))
    assert {known.audience: known.verdict for known in found.audiences} == {
        SITE: Verdict.READY, app: Verdict.NOT_ENOUGH_DATA,
    }  # fmt: skip
    assert "at least 10%" in found.impact


def test_clients_that_received_control_pins_are_taken_off_the_site() -> None:
    half = replace(observed(clients=4000), control={day.day: 2000 for day in observed().exposure})
    for seen, of, verdict in (
        (observed(clients=4000), 4000, Verdict.READY), (half, 2000, Verdict.NOT_ENOUGH_DATA),
    ):  # fmt: skip
        found = assess_readiness(ReadinessInput(POLICY, replace(GOOD, observed=seen), NOW))
        assert (found.estimate.of, found.verdict) == (of, verdict)
    all_of_them = replace(half, control=dict.fromkeys(half.control, 4000))
    found = assess_readiness(ReadinessInput(POLICY, replace(GOOD, observed=all_of_them), NOW))
    assert {reason for day in found.audiences[0].days.days for reason in day.missing} == {Missing.NOBODY_EXPOSED}


def test_a_day_is_chosen_by_who_received_the_pins_and_is_the_last_large_one() -> None:
    def on(day: int, clients: int, app: str = "") -> ControlDay:
        return ControlDay("a.test", date(2026, 11, day), clients, app)

    days = [on(1, 1000), on(3, 600), on(4, 400), on(5, 0), on(5, 7, "app"), on(5, 8, "app")]
    assert choose_day(days, of_apps=False) == (date(2026, 11, 3), 600)
    assert choose_day(days, of_apps=True) == (date(2026, 11, 5), 15)
    assert choose_day([on(5, 0)], of_apps=False) is None


# The judgement


def _judge(*known: Pin, control: tuple[Pin, ...] = CONTROL, **members: Any) -> Judgement:
    report = read_report(report_body(known_pins=list(map(str, known)), **members), certificates=CertificateReader())
    assert isinstance(report, ViolationReport)
    history = PolicyHistory.of([POLICY], control_pins=frozenset(control))
    return judge(report, history, KnownCertificates(), received_at=NOW, at=NOW)


def test_a_report_with_control_pins_is_control_whatever_its_chain_is() -> None:
    chains: tuple[dict[str, Any], ...] = ({}, {"served": [], "validated": []})
    for members in chains:
        found = _judge(*CONTROL, **members)
        assert (found.cause, found.locks_out) == (Cause.CONTROL, False)


def test_other_pins_beside_them_or_none_registered_make_it_no_control() -> None:
    assert _judge(*CONTROL, LIVE).cause is not Cause.CONTROL
    assert _judge(*CONTROL, control=()).cause is not Cause.CONTROL
    assert _judge(LIVE).cause is not Cause.CONTROL


def test_a_pin_that_the_policy_expects_is_never_a_control_pin() -> None:
    assert _judge(LIVE, control=(LIVE,)).cause is not Cause.CONTROL


def test_a_form_that_its_sender_does_not_make_is_not_counted_as_delivered() -> None:
    report = read_report(report_body(known_pins=list(map(str, CONTROL))), certificates=CertificateReader())
    assert isinstance(report, ViolationReport)
    forged = replace(report, contradictions=("made up",))
    history = PolicyHistory.of([POLICY], control_pins=frozenset(CONTROL))
    found = judge(forged, history, KnownCertificates(), received_at=NOW, at=NOW)
    assert found.cause is Cause.IMPLAUSIBLE


# The verdict


def _assess(control: Control, *, ours: int = 0, clients: int = 20_000) -> Readiness:
    groups = {SITE: {LockoutGroup.OPERATOR: ClientCount.exact(ours)}} if ours else {}
    evidence = replace(GOOD, control=control, clients=groups, observed=observed(clients=clients))
    return assess_readiness(ReadinessInput(POLICY, evidence, NOW))


def test_without_a_measurement_the_impact_says_what_it_assumes() -> None:
    found = _assess(Control())
    assert found.verdict is Verdict.READY
    assert "if every client reports" in found.impact
    assert found.estimate.delivery is None
    assert any("hpkp control" in caveat for caveat in found.estimate.caveats)


def test_a_measured_rate_divides_the_bound_and_the_impact_says_so() -> None:
    found, unmeasured = _assess(_counted(300, 1000)), _assess(Control())
    assert unmeasured.estimate.upper is not None
    assert found.estimate.upper == pytest.approx(unmeasured.estimate.upper / _lower(300, 1000))
    assert "divided by the share of clients that report, at least 27%" in found.impact
    assert "if every client" not in found.impact
    assert found.verdict is Verdict.READY  # 0.015 % / 0.27 is below the limit of 0.1 %


def test_a_bound_that_only_the_rate_takes_over_the_limit_withholds_and_does_not_block() -> None:
    found = _assess(_counted(300, 1000), clients=10_000)  # 0.03 % / 0.27
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    finding = next(f for f in found.findings if f.code == "lockout_share_not_bounded")
    assert "only 27% of clients are known to report" in finding.message
    one = _assess(_counted(300, 1000), ours=1, clients=15_000)
    assert {f.code for f in one.findings if f.severity is Severity.BLOCKER} == set()
    assert one.verdict is Verdict.NOT_ENOUGH_DATA


def test_if_nobody_reports_control_pins_the_bound_is_everybody_and_a_finding_withholds() -> None:
    found = _assess(_counted(0, 1000), clients=10**7)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert found.estimate.upper == 1.0
    finding = next(f for f in found.findings if f.code == "control_never_reported")
    assert finding.withholds
    assert "at most 100%" in found.impact


def test_reports_without_a_count_of_receivers_measure_nothing_and_say_what_is_missing() -> None:
    found = _assess(Control(reports=12))
    assert found.verdict is Verdict.READY
    finding = next(f for f in found.findings if f.code == "control_exposure_unknown")
    assert "--control" in finding.fix


# The probe


def _probed(*values: str, policy: PinningPolicy = POLICY, enforcing: tuple[str, ...] = ()) -> set[str]:
    answers = tuple(Answer("/", 200, enforcing, (value,)) for value in values)
    live = live_host(LIVE)
    probe = replace(live.probe, endpoints=(Endpoint("192.0.2.1", ((),), answers),))
    found = review_live(policy, replace(live, probe=probe), control_pins=frozenset(CONTROL))
    return {finding.code for finding in found}


FIELD = str(PinningHeader.of_policy(POLICY))
CONTROL_FIELD = str(PinningHeader(CONTROL, report_uri=POLICY.report_uri))


def test_a_probe_takes_a_control_field_among_usual_ones_for_what_it_is() -> None:
    assert _probed(FIELD, CONTROL_FIELD) == set()
    mixed = PinningHeader((*CONTROL, LIVE), report_uri=POLICY.report_uri)
    assert "header_differs" in _probed(FIELD, str(mixed))


@pytest.mark.parametrize(
    ("values", "told"),
    [((FIELD, CONTROL_FIELD), True), ((CONTROL_FIELD, CONTROL_FIELD), None), ((CONTROL_FIELD, "max-age=1"), False),
     ((CONTROL_FIELD, "pin"), False)],
)  # fmt: skip
def test_a_probe_in_the_control_share_does_not_tell_what_the_others_are_served(
    values: tuple[str, ...], told: bool | None
) -> None:
    endpoint = Endpoint("192.0.2.1", (), tuple(Answer("/", 200, (), (value,)) for value in values))
    assert serves_policy(POLICY, [endpoint], control_pins=frozenset(CONTROL)) is told
    usual = Endpoint("192.0.2.2", (), (Answer("/", 200, (), (FIELD,)),))
    assert serves_policy(POLICY, [endpoint, usual], control_pins=frozenset(CONTROL)) is (told is not False)
    assert serves_policy(POLICY, [endpoint]) is False, "of pins that are no control pins nothing is excused"


def test_control_pins_for_all_withhold_the_verdict() -> None:
    assert _probed(CONTROL_FIELD, CONTROL_FIELD) == {"only_control_served"}


def test_control_pins_that_are_enforced_are_a_difference() -> None:
    enforced = replace(POLICY, mode=Mode.ENFORCE)
    answers = (Answer("/", 200, (CONTROL_FIELD,)),)
    live = live_host(LIVE)
    probe = replace(live.probe, endpoints=(Endpoint("192.0.2.1", ((),), answers),))
    found = review_live(enforced, replace(live, probe=probe), control_pins=frozenset(CONTROL))
    assert "header_differs" in {finding.code for finding in found}


# The share


@pytest.mark.parametrize("percent", [0.1, 1, 5, 6.25, 25, 33.3, 50])
def test_the_pattern_takes_exactly_the_share_of_hexadecimal_digits(percent: float) -> None:
    pattern = re.compile(_pattern(percent))
    taken = [number for number in range(4096) if pattern.match(f"{number:03x}ff")]
    assert taken == list(range(max(round(4096 * percent / 100), 1)))


def test_a_share_out_of_bounds_is_refused() -> None:
    header = PinningHeader(CONTROL)
    for percent in (0, 0.09, 50.1, 100):
        with pytest.raises(ValueError, match="percent"):
            split_configuration(header, header, Server.NGINX, percent=percent, enforced=False)
