"""The verdict for each registered release, and what the host's verdict makes of it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.app_pins.exposure import pins_of_audiences, with_installs
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.lockout import PathsToCheck, ReleaseCheck, check_releases, worst_of
from app.hpkp.app_pins.model import PathKey, PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.app_pins.reporting import Registered, ReportedSource, ReportingRelease, find_reporting
from app.hpkp.audience import Audience
from app.hpkp.exposure import ExposedDay
from app.hpkp.findings import Severity
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.readiness import Evidence, OpenViolation, Readiness, Situation, Verdict, assess_readiness
from app.hpkp.readiness.text import write_text
from app.hpkp.report import Sender
from tests.authority import NOW
from tests.hpkp.test_readiness import BACKUP, GOOD, LIVE, ORDER, POLICY, live_host, observed

HOST, APP = str(POLICY.host), "example.shop"
OLD, ROOT = (Pin(bytes((number,)) * 32) for number in (21, 22))
COUNTS = [
    InstallCount(APP, Platform.IOS, NOW.date(), count, version)
    for version, count in (("1.0", 3_410), ("2.0", 280_590))
]  # fmt: skip


def release(
    version: str, *pins: Pin, mode: PinMode = PinMode.ENFORCE, form: Form = Form.TRUSTKIT_PLIST, reports: bool = True,
    expires_on: date | None = None, uri: str = "https://collect.test/report/ios",
) -> AppRelease:  # fmt: skip
    uris = (uri,) if reports else ()
    entry = PinEntry(HOST, Scope.EXACT, mode, carry(pins), expires_on=expires_on, report_uris=uris)
    return AppRelease(APP, version, Platform.IOS, (PinLayer(form, (entry,)),))


def checked(
    *releases: AppRelease, served: tuple[Pin, ...] = (LIVE, ROOT), to_root: bool = True
) -> tuple[ReleaseCheck, ...]:
    path = tuple(PathKey(pin.digest, None) for pin in served)
    return check_releases(releases, COUNTS, PathsToCheck((path,), to_root=to_root), host=HOST, at=NOW)


def assess(*checks: ReleaseCheck, evidence: Evidence = GOOD) -> Readiness:
    return assess_readiness(Situation(POLICY, replace(evidence, releases=checks), NOW))


def test_a_release_that_the_served_chain_locks_out_blocks_without_any_report() -> None:
    answer = assess(*checked(release("1.0", OLD, BACKUP, form=Form.OKHTTP), release("2.0", LIVE, BACKUP)))
    assert answer.verdict is Verdict.NOT_READY
    [blocker] = [finding for finding in answer.findings if finding.severity is Severity.BLOCKER]
    assert blocker.code == "release_locked_out"
    assert "example.shop 1.0 (ios): 3,410 of 284,000 installs (1.2%)" in blocker.message
    assert "2.0" not in blocker.message
    assert "hpkp app retire example.shop 1.0 --platform ios" in blocker.fix
    assert [(one.check.release.version, one.verdict) for one in answer.releases] == [
        ("1.0", Verdict.NOT_READY),
        ("2.0", Verdict.READY),
    ]
    lines = [line.text for line in write_text(POLICY, answer, at=NOW, verbose=True)]
    assert any(line.startswith("  example.shop 1.0 (ios): not ready; 3,410 of 284,000 installs") for line in lines)


def test_a_retired_release_blocks_nothing() -> None:
    old = replace(release("1.0", OLD, BACKUP), retired_at=NOW - timedelta(days=1))
    answer = assess(*checked(old))
    assert (answer.verdict, answer.releases) == (Verdict.READY, ())


@pytest.mark.parametrize(
    ("found", "verdict", "reason"),
    [
        (release("1.0", LIVE, BACKUP), Verdict.READY, "every chain that is served has a pin of it (leaf)."),
        (release("1.0", LIVE, form=Form.OKHTTP), Verdict.READY, "It cannot report: its registered pins are the only"),
        (release("1.0", OLD, BACKUP), Verdict.NOT_READY, "It is locked out now"),
        (release("1.0", OLD, BACKUP, mode=PinMode.MONITOR), Verdict.NOT_READY, "has none of its pins"),
        (release("1.0", OLD, expires_on=date(2020, 1, 1)), Verdict.NOT_READY, "Its pins have expired"),
        (release("1.0", LIVE, ROOT, mode=PinMode.MONITOR), Verdict.NOT_READY, "none is left if a key is lost"),
        (release("1.0", LIVE, BACKUP, mode=PinMode.MONITOR), Verdict.NOT_ENOUGH_DATA, "Its installs are unknown"),
    ],
)
def test_the_served_chains_decide_on_a_release(found: AppRelease, verdict: Verdict, reason: str) -> None:
    [answer] = assess(*checked(found)).releases
    assert (answer.verdict, reason in answer.reason) == (verdict, True), answer.reason


def test_a_release_that_only_reports_may_enforce_after_enough_covered_days() -> None:
    monitor = release("1.0", LIVE, BACKUP, mode=PinMode.MONITOR)
    audience = Audience(APP, "1.0")
    for days, verdict in ((30, Verdict.READY), (9, Verdict.NOT_ENOUGH_DATA)):
        seen = replace(GOOD, observed=observed(days=days, audience=audience, pins=POLICY.expected))
        [answer] = assess(*checked(monitor), evidence=seen).releases
        assert answer.verdict is verdict


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (None, "too old"),
        (live_host(LIVE, at=NOW - timedelta(days=9)), "too old"),
        (replace(live_host(LIVE), probe=replace(live_host(LIVE).probe, endpoints=())), "did not reach"),
        (
            replace(
                live_host(LIVE),
                probe=replace(
                    live_host(LIVE).probe,
                    endpoints=tuple(replace(one, chains=()) for one in live_host(LIVE).probe.endpoints),
                ),
            ),
            "saw no chain at 192.0.2.1",
        ),
    ],
)
def test_without_a_present_probe_no_release_is_said_to_match(live: object, reason: str) -> None:
    seen = replace(GOOD, live=live)  # type: ignore[arg-type]
    [answer] = assess(*checked(release("1.0", LIVE, BACKUP)), evidence=seen).releases
    assert (answer.verdict, reason in answer.reason) == (Verdict.NOT_ENOUGH_DATA, True), answer.reason


def test_an_unknown_outcome_withholds_the_verdict_on_the_host() -> None:
    answer = assess(*checked(release("1.0", OLD, BACKUP), to_root=False))
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    assert "release_outcome_unknown" in {finding.code for finding in answer.findings if finding.withholds}


def test_the_worst_of_several_chains_counts() -> None:
    two = release("2.0", LIVE, BACKUP)
    [worst] = worst_of([checked(two), checked(two, served=(OLD, ROOT)), checked(two)])
    assert worst.deployable is False


def test_what_else_is_told_of_releases() -> None:
    half = PathsToCheck((tuple(PathKey(p.digest, None) for p in (LIVE, ROOT)), (PathKey(LIVE.digest, None),)))
    [some] = check_releases([release("1.0", ROOT, BACKUP)], COUNTS, half, host=HOST, at=NOW)
    answer = assess(some)
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    assert "release_matches_some_paths" in {finding.code for finding in answer.findings if finding.withholds}
    assert [one.verdict for one in assess(some).releases] == [Verdict.NOT_ENOUGH_DATA]
    expired = assess(*checked(release("1.0", OLD, expires_on=date(2020, 1, 1))))
    assert {"release_unprotected"} <= {finding.code for finding in expired.findings}
    assert expired.verdict is Verdict.READY


# Reports ------------------------------------------------------------------------------------------------------------

MONITOR = release("1.0", LIVE, BACKUP, mode=PinMode.MONITOR)


def source(**said: object) -> ReportedSource:
    usual = ReportedSource(7, Sender.TRUSTKIT_APPLE, frozenset({LIVE, BACKUP}), APP, "1.0", "", 5)
    return replace(usual, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "state", "named"),
    [
        ({}, Registered.YES, "example.shop 1.0 (ios)"),
        ({"pins": frozenset({OLD})}, Registered.PINS_DIFFER, "example.shop 1.0 (ios)"),
        ({"version": "9"}, Registered.NO, "example.shop 9"),
        ({"version": "9", "label": "ios"}, Registered.NO, "example.shop 9"),  # the label contradicts the version
        ({"version": "", "label": "ios"}, Registered.YES, "example.shop 1.0 (ios)"),
        ({"app": "", "version": "", "label": "ios"}, Registered.YES, "example.shop 1.0 (ios)"),
        ({"app": "", "version": ""}, Registered.YES, "example.shop 1.0 (ios)"),
        ({"sender": Sender.TRUSTKIT_ANDROID}, Registered.NO, "example.shop 1.0"),
    ],
)
def test_reports_are_attributed_by_name_then_label_then_pins(
    said: dict[str, object], state: Registered, named: str
) -> None:
    [found] = find_reporting([source(**said)], [MONITOR], host=HOST)
    assert (found.state, str(found), found.reports) == (state, named, 5)


def test_pins_of_two_groups_of_releases_name_none_of_them() -> None:
    other = replace(release("3.0", LIVE, BACKUP), app="example.other")
    assert find_reporting([source(app="", version="")], [MONITOR, other], host=HOST) == ()
    assert find_reporting([source(app="com.example.stranger")], [MONITOR], host=HOST) == ()


def test_other_pins_than_the_registered_ones_are_shown_with_both_sets_and_hold_back() -> None:
    reporting = find_reporting([source(pins=frozenset({OLD})), source(version="9")], [MONITOR], host=HOST)
    evidence = replace(
        GOOD, observed=observed(audience=Audience(APP, "1.0"), pins=POLICY.expected), reporting=reporting
    )
    answer = assess(*checked(MONITOR), evidence=evidence)
    found = {finding.code: finding for finding in answer.findings}
    assert found["release_pins_differ"].evidence["releases"][0]["reported_pins"] == [str(OLD)]  # type: ignore[index]
    assert "hpkp app show example.shop 1.0" in found["release_pins_differ"].fix
    assert "hpkp app import FILE --app example.shop --release-version 9" in found["release_not_registered"].fix
    assert found["release_not_registered"].withholds
    assert [one.verdict for one in answer.releases] == [Verdict.NOT_ENOUGH_DATA]


def test_reports_of_a_chain_without_its_pins_hold_a_release_back() -> None:
    reporting = find_reporting([source()], [MONITOR], host=HOST)
    seen = replace(GOOD, observed=observed(audience=Audience(APP, "1.0"), pins=POLICY.expected), reporting=reporting)
    assert [one.verdict for one in assess(*checked(MONITOR), evidence=seen).releases] == [Verdict.READY]
    violation = OpenViolation(7, Cause.RELEASE_LEFT_BEHIND, 5, NOW, locks_out=False)
    [answer] = assess(*checked(MONITOR), evidence=replace(seen, open_violations=(violation,))).releases
    assert (answer.verdict, "hpkp explain 7" in answer.reason) == (Verdict.NOT_READY, True)


reported = st.lists(
    st.builds(
        source,
        app=st.sampled_from([APP, "", "com.example.stranger"]),
        version=st.sampled_from(["1.0", "2.0", "9", ""]),
        pins=st.sampled_from([frozenset({LIVE, BACKUP}), frozenset({OLD}), frozenset()]),
        label=st.sampled_from(["", "ios", "x"]),
        reports=st.integers(1, 10**9),
    ),
    max_size=5,
)


@given(reported, st.sampled_from([(LIVE, ROOT), (OLD, ROOT)]), st.sampled_from(list(PinMode)))
def test_nothing_reported_advances_a_verdict(
    sources: list[ReportedSource], served: tuple[Pin, ...], mode: PinMode
) -> None:
    releases = [release("1.0", LIVE, BACKUP, mode=mode), release("2.0", OLD, BACKUP)]
    evidence = replace(GOOD, observed=observed(audience=Audience(APP, "1.0"), pins=POLICY.expected))
    before = assess(*checked(*releases, served=served), evidence=evidence)
    reporting: tuple[ReportingRelease, ...] = find_reporting(sources, releases, host=HOST)
    after = assess(*checked(*releases, served=served), evidence=replace(evidence, reporting=reporting))
    assert ORDER[after.verdict] <= ORDER[before.verdict]
    was = {str(one.check.release): one.verdict for one in before.releases}
    assert all(ORDER[one.verdict] <= ORDER[was[str(one.check.release)]] for one in after.releases)


# Installs as exposure ------------------------------------------------------------------------------------------------


def exposed(*releases: AppRelease, rows: tuple[ExposedDay, ...] = ()) -> dict[tuple[str, date], int | None]:
    days = (NOW.date() - timedelta(days=3), NOW.date())
    return {
        (day.app_version, day.day): day.clients
        for day in with_installs(rows, releases, COUNTS, host=HOST, report_uri="https://collect.test/report", days=days)
    }


def test_installs_of_a_release_that_can_report_are_exposure() -> None:
    assert exposed(release("1.0", LIVE, BACKUP)) == {("1.0", NOW.date()): 3_410}
    assert exposed(release("1.0", LIVE, BACKUP, uri="https://COLLECT.test:443/x")) == {("1.0", NOW.date()): 3_410}
    own = ExposedDay(HOST, NOW.date(), None, 5, APP, "1.0")
    assert exposed(release("1.0", LIVE, BACKUP), rows=(own,)) == {("1.0", NOW.date()): 5}


@pytest.mark.parametrize(
    "silent",
    [
        release("1.0", LIVE, BACKUP, form=Form.OKHTTP),
        release("1.0", LIVE, BACKUP, reports=False),
        release("1.0", LIVE, BACKUP, uri="https://collect.elsewhere.test/report/ios"),
        release("1.0", LIVE, BACKUP, uri="http://collect.test/report/ios"),
        release("1.0", LIVE, BACKUP, uri="https://collect.test:8443/report/ios"),
        release("1.0", LIVE, BACKUP, form=Form.SSL_MANAGER),  # it reports only while it does not enforce
    ],
)
def test_the_silence_of_a_release_that_cannot_report_is_no_evidence(silent: AppRelease) -> None:
    own = ExposedDay(HOST, NOW.date(), None, 5, APP, "1.0")
    assert exposed(silent, rows=(own,)) == {}
    site = ExposedDay(HOST, NOW.date(), 9, 5)
    assert exposed(silent, rows=(site,)) == {("", NOW.date()): 5}


def test_a_build_that_cannot_report_takes_away_what_is_known_of_both() -> None:
    android = replace(release("1.0", LIVE, BACKUP, form=Form.NSC), platform=Platform.ANDROID)
    own = ExposedDay(HOST, NOW.date(), None, 9_000, APP, "1.0")
    assert exposed(release("1.0", LIVE, BACKUP), android, rows=(own,)) == {("1.0", NOW.date()): 3_410}


def test_an_audience_has_the_pins_of_all_its_builds() -> None:
    android = replace(release("1.0", OLD, BACKUP, form=Form.NSC), platform=Platform.ANDROID)
    found = pins_of_audiences([release("1.0", LIVE, BACKUP), android], HOST)
    assert found == {Audience(APP, "1.0"): frozenset({LIVE, OLD, BACKUP})}
