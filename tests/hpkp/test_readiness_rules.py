"""The rules on remembered pins, keys of CAs, shares and apps, each by a table."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from app.hpkp.audience import SITE, Audience
from app.hpkp.catalog import CaName, CaState, Catalog, KnownKey
from app.hpkp.clients import ClientCount
from app.hpkp.findings import Finding, Severity
from app.hpkp.overflow import OverflowReason, RefusalDecision, Refusals
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.hpkp.readiness import Evidence, LockoutGroup, ReadinessInput, Verdict, assess_readiness, refusal_rules
from app.hpkp.x509.anchors import RootDeparture
from tests.hpkp.test_readiness import BACKUP, GOOD, LIVE, POLICY, live_host, observed
from tests.support.authority import NOW

CA, ROOT, OTHER, BAD = (Pin(bytes((number,)) * 32) for number in (11, 12, 13, 14))


def _pins(*pins: Pin, **changes: object) -> PinningPolicy:
    return replace(POLICY, pins=tuple(map(ExpectedPin, pins)), **changes)  # type: ignore[arg-type]


def _catalog(**states: CaState) -> Catalog:
    keys = {"ca": CA, "root": ROOT, "other": OTHER}
    return Catalog(ca_names={keys[name]: (CaName(name, state),) for name, state in states.items()})


def _codes(inputs: ReadinessInput) -> dict[str, Finding]:
    return {finding.code: finding for finding in assess_readiness(inputs).findings}


def test_a_clock_in_doubt_withholds_the_verdict_and_blocks_nothing() -> None:
    assert assess_readiness(_inputs()).verdict is Verdict.READY
    answer = assess_readiness(_inputs(evidence=replace(GOOD, clock_doubt="The clock shows 2031.")))
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    [finding] = [finding for finding in answer.findings if finding.code == "clock_implausible"]
    assert finding.message.startswith("The clock shows 2031.")
    assert "hpkp clock confirm" in finding.fix


def _inputs(policy: PinningPolicy = POLICY, evidence: Evidence = GOOD, **changes: object) -> ReadinessInput:
    return replace(ReadinessInput(policy, evidence, NOW), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chain", "pins", "state", "blocks"),
    [
        ((LIVE, CA), (CA, BACKUP), CaState.ACTIVE, True),
        ((LIVE, CA), (CA, BACKUP), CaState.BACKUP, True),
        ((LIVE, CA), (CA, LIVE, BACKUP), CaState.ACTIVE, False),
        ((LIVE, CA), (CA, BACKUP), CaState.ROOT, False),
        ((LIVE, CA), (CA, BACKUP), CaState.UNSTATED, True),
        ((LIVE, OTHER), (LIVE, CA), CaState.ACTIVE, False),
    ],
)
def test_a_chain_that_rests_on_an_intermediate_alone_blocks(
    chain: tuple[Pin, ...], pins: tuple[Pin, ...], state: CaState, blocks: bool
) -> None:
    live = live_host(*chain, policy=_pins(*pins))
    found = _codes(_inputs(_pins(*pins), replace(GOOD, live=live), catalog=_catalog(ca=state)))
    assert ("rests_on_rotating_ca" in found) is blocks


@pytest.mark.parametrize(
    ("pins", "anchor", "blocks"),
    [
        ((CA, BACKUP), ROOT, True),
        ((CA, ROOT), ROOT, False),
        ((ROOT, BACKUP), ROOT, False),
        ((LIVE, CA), ROOT, False),
        ((CA, BACKUP), None, True),
        ((CA, BACKUP), CA, False),
    ],
    ids=["intermediate", "and root", "root alone", "and leaf", "root unknown", "an anchor below its root"],
)
def test_the_place_in_the_chain_makes_an_intermediate_whosever_it_is(
    pins: tuple[Pin, ...], anchor: Pin | None, blocks: bool
) -> None:
    live = live_host(LIVE, CA, policy=_pins(*pins), anchor=anchor)
    assert ("rests_on_rotating_ca" in _codes(_inputs(_pins(*pins), replace(GOOD, live=live)))) is blocks


def test_a_root_that_left_the_store_or_is_distrusted_is_told_and_blocks_nothing_beside_usable_pins() -> None:
    for how, code in (("removed", "departed_root_key"), ("distrusted", "distrusted_root_key")):
        gone = Catalog(departed_roots={OTHER: ("Old Root", RootDeparture(NOW.date(), how, "a reason", None))})
        found = _codes(_inputs(_pins(LIVE, BACKUP, OTHER), catalog=gone))
        assert found[code].severity is Severity.WARNING
        assert "fewer_than_two_usable_pins" not in found
        alone = _codes(_inputs(_pins(LIVE, OTHER), catalog=gone))
        assert ("fewer_than_two_usable_pins" in alone) is (how == "removed")


@pytest.mark.parametrize(
    ("pins", "retired", "usable"),
    [((LIVE, CA), True, False), ((LIVE, BACKUP, CA), True, True), ((LIVE, BACKUP), False, True)],
)
def test_a_retired_ca_s_pin_is_told_and_counts_for_none(pins: tuple[Pin, ...], retired: bool, usable: bool) -> None:
    found = _codes(_inputs(_pins(*pins), catalog=_catalog(ca=CaState.RETIRED)))
    assert ("retired_ca_key" in found) is retired
    assert ("fewer_than_two_usable_pins" not in found) is usable


def test_a_compromised_key_in_the_policy_blocks() -> None:
    catalog = Catalog(known_bad={BAD: (KnownKey("a thief's", "a source", NOW.date()),)})
    assert _codes(_inputs(_pins(LIVE, BACKUP, BAD), catalog=catalog))["known_bad_key"].severity is Severity.BLOCKER


@pytest.mark.parametrize(
    ("previous", "mode", "hours_ago", "code"),
    [
        ((OTHER, CA), Mode.ENFORCE, 23, "remembered_pins_broken"),
        ((OTHER, CA), Mode.ENFORCE, 25, None),
        ((OTHER, CA), Mode.REPORT_ONLY, 23, None),
        ((LIVE, CA), Mode.ENFORCE, 23, "new_pins_not_known_yet"),
        ((LIVE, BACKUP), Mode.ENFORCE, 23, None),
    ],
)
def test_what_clients_remember_of_a_day_counts_for_a_day(
    previous: tuple[Pin, ...], mode: Mode, hours_ago: int, code: str | None
) -> None:
    began = NOW - timedelta(hours=hours_ago)
    before = _pins(*previous, mode=mode, max_age=86_400, effective_from=NOW - timedelta(days=40))
    policy = replace(POLICY, revision=2, effective_from=began)
    found = _codes(_inputs(policy, history=PolicyHistory.of([before, policy])))
    assert {"remembered_pins_broken", "new_pins_not_known_yet"} & found.keys() == ({code} if code else set())


@pytest.mark.parametrize(
    ("group", "clients", "code"),
    [
        (LockoutGroup.OPERATOR, 0, None),
        (LockoutGroup.OPERATOR, 20, "lockout_share_over_limit"),
        (LockoutGroup.INTERCEPTION, 200, None),
        (LockoutGroup.INTERCEPTION, 201, "interception_share_over_limit"),
        (LockoutGroup.UNKNOWN, 20, None),
        (LockoutGroup.UNKNOWN, 21, "unknown_share_over_limit"),
        (LockoutGroup.POSSIBLE_ATTACK, 20_000, None),
        (LockoutGroup.OPERATOR, 10**9, "lockout_share_over_limit"),
    ],
)
@pytest.mark.parametrize("spread", [0, 3], ids=["exact", "not exact"])
def test_shares_are_held_against_their_limits_by_the_most_that_it_may_be(
    group: LockoutGroup, clients: int, code: str | None, spread: int
) -> None:
    count = ClientCount(max(clients - 2 * spread, 0), max(clients - spread, 0), clients)
    found = _codes(_inputs(evidence=replace(GOOD, clients={SITE: {group: count}})))
    shares = {code for code in found if "_share_" in code}
    assert shares == ({code} if code else set())


def test_of_few_clients_nothing_is_bounded() -> None:
    few, enough = (replace(GOOD, observed=observed(clients=clients)) for clients in (2_994, 2_995))
    assert _codes(_inputs(evidence=few))["lockout_share_not_bounded"].withholds
    assert "lockout_share_not_bounded" not in _codes(_inputs(evidence=enough))


def test_a_header_is_not_missed_where_only_apps_are_exposed() -> None:
    unserved = live_host(LIVE, policy=POLICY, header=False)
    seen = replace(GOOD, live=unserved, observed=observed(served=False))
    assert _codes(_inputs(evidence=seen))["header_not_served"].withholds
    release = Audience("com.example.shop", "4.2")
    apps = replace(seen, observed=observed(audience=release, served=False, pins=POLICY.expected))
    assert not _codes(_inputs(evidence=apps))["header_not_served"].withholds
    plan = assess_readiness(_inputs(evidence=apps)).plan
    assert plan.next_step is None
    assert "next app release" in plan.do[0]


@pytest.mark.parametrize(
    ("mode", "max_age", "following"),
    [
        (Mode.REPORT_ONLY, 5_184_000, 300),
        (Mode.ENFORCE, 300, 3600),
        (Mode.ENFORCE, 301, 3600),
        (Mode.ENFORCE, 2_592_000, 5_184_000),
        (Mode.ENFORCE, 5_184_000, None),
    ],
)
def test_the_ramp_goes_on_step_by_step(mode: Mode, max_age: int, following: int | None) -> None:
    policy = replace(POLICY, mode=mode, max_age=max_age, effective_from=NOW - timedelta(days=99))
    seen = replace(GOOD, live=live_host(LIVE, policy=policy), observed=observed(days=70))
    answer = assess_readiness(_inputs(policy, seen))
    assert answer.verdict is Verdict.READY
    step = answer.plan.next_step
    assert (step.policy.max_age if step else None) == following
    assert step is None or step.policy.mode is Mode.ENFORCE


def test_the_next_step_waits_until_the_last_has_been_observed() -> None:
    began = NOW - timedelta(days=3)
    whole = datetime.combine(began.date() + timedelta(days=1), time(), UTC)
    step = assess_readiness(_inputs(replace(POLICY, effective_from=began))).plan.next_step
    assert step is not None
    assert step.earliest == whole + timedelta(days=14)
    enforced = replace(POLICY, mode=Mode.ENFORCE, max_age=604_800, effective_from=began)
    step = assess_readiness(_inputs(enforced)).plan.next_step
    assert step is not None
    assert step.earliest == whole + timedelta(days=7)


def test_the_way_back_lasts_as_long_as_clients_remember() -> None:
    enforced = replace(POLICY, mode=Mode.ENFORCE, max_age=86_400)
    stop, warning = assess_readiness(_inputs(enforced)).plan.rollback
    assert "max-age=0" in stop
    assert f"{NOW + timedelta(days=1):%Y-%m-%d}" in stop
    assert "locked out" in warning
    (nothing,) = assess_readiness(_inputs()).plan.rollback
    assert nothing == "Nothing is enforced or cached. To stop, remove Public-Key-Pins-Report-Only."


_OF_HOSTS_WITHOUT_A_POLICY = {
    OverflowReason.UNKNOWN_HOST,
    OverflowReason.UNREGISTERED_HOSTS,
    OverflowReason.UNREGISTERED_HOSTS_OF_NETWORK,
    OverflowReason.UNREGISTERED_VIOLATIONS,
}


@pytest.mark.parametrize("reason", sorted(set(OverflowReason) - _OF_HOSTS_WITHOUT_A_POLICY))
def test_whatever_was_refused_or_not_kept_withholds_in_words_until_the_decision_that_covers_it(
    reason: OverflowReason,
) -> None:
    seen = Refusals(reports=20, networks=9, last_at=NOW, by_reason={reason: 20})
    answer = assess_readiness(_inputs(evidence=replace(GOOD, refused=seen)))
    (finding,) = (found for found in answer.findings if found.code == "reports_refused")
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    assert reason in refusal_rules.WHAT
    assert f"20 {refusal_rules.WHAT[reason]}" in finding.message
    decided = replace(seen, decision=RefusalDecision(NOW, 3))
    assert assess_readiness(_inputs(evidence=replace(GOOD, refused=decided))).verdict is Verdict.READY
    outgrown = replace(decided, networks=14)
    assert assess_readiness(_inputs(evidence=replace(GOOD, refused=outgrown))).verdict is Verdict.NOT_ENOUGH_DATA
