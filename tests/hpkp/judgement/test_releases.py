"""Reports of clients whose pins come with an app, judged by the pins of their release."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.catalog import Catalog, KnownKey
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Attribution, Cause
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, UnreadableCertificate, read_certificate
from tests.support.app_pins import pin_of
from tests.support.authority import NOW, Issued, make_root

HOST, APP = Host("www.example.com"), "example.shop"
ROOT, PROXY = make_root("Public Root"), make_root("Some Proxy")
OLD, NEW, ALIEN = (ROOT.issue(HOST) for _ in range(3))
INTERCEPTED = PROXY.issue(HOST)
BACKUP, STRAY, OTHER = map(pin_of, ("backup", "stray", "other"))
ANCHORS = KnownCertificates(
    public=tuple(root for issued in (ROOT,) if isinstance(root := read_certificate(issued.der), Certificate))
)


def pin(issued: Issued) -> Pin:
    return parse_pin(issued.pin)


def release(
    version: str, *pins: Pin, form: Form = Form.TRUSTKIT_PLIST, platform: Platform = Platform.IOS, app: str = APP,
    expires_on: date | None = None,
) -> AppRelease:  # fmt: skip
    uris = ("https://collect.test/report",)
    entry = PinEntry(HOST, Scope.NAME_AND_BELOW, PinMode.ENFORCE, carry(pins), expires_on=expires_on, report_uris=uris)
    return AppRelease(app, version, platform, (PinLayer(form, (entry,)),))


ONE, TWO = release("1.0", pin(OLD), BACKUP), release("2.0", pin(NEW), BACKUP)


def history(*releases: AppRelease, expected: tuple[Pin, ...] = (), live: tuple[Pin, ...] = ()) -> PolicyHistory:
    policy = PinningPolicy(HOST, tuple(map(ExpectedPin, expected)), mode=Mode.REPORT_ONLY)
    return PolicyHistory((policy,) if expected else (), frozenset(live), releases=releases)


def report(leaf: Issued, *known: Pin, root: Issued = ROOT, mode: Mode | None = Mode.ENFORCE, **said: object) -> (
    ViolationReport
):  # fmt: skip
    chain = tuple(read_certificate(issued.der, position=i) for i, issued in enumerate((leaf, root)))
    made = ViolationReport(
        HOST,
        Sender.TRUSTKIT_APPLE,
        noted_hostname=HOST,
        mode=mode,
        known_pins=known,
        served_chain=None,
        validated_chain=chain,
        sender_result=SenderResult.PINS_NOT_MATCHED,
        date_time=NOW,
        app=APP,
        app_version="1.0",
    )
    return replace(made, **said)  # type: ignore[arg-type]


def judged(made: ViolationReport, policy: PolicyHistory) -> Judgement:
    return judge(made, policy, ANCHORS, received_at=NOW, at=NOW)


POLICY = (pin(NEW), BACKUP)


def test_a_rotation_leaves_the_old_release_behind_and_locks_it_out() -> None:
    found = judged(report(NEW, pin(OLD), OTHER), history(release("1.0", pin(OLD), OTHER), TWO, expected=POLICY))
    assert (found.cause, found.side, found.locks_out) == (Cause.RELEASE_LEFT_BEHIND, Attribution.OPERATOR, True)
    assert "example.shop 1.0 (ios)" in found.why
    assert "until it is updated" in found.locks_out_why


def test_the_same_report_without_a_registry_is_about_outdated_pins() -> None:
    found = judged(report(NEW, pin(OLD), OTHER), history(expected=(*POLICY, OTHER)))
    assert found.cause is Cause.STALE_KNOWN_PINS


def test_browsers_are_never_judged_by_a_release() -> None:
    browser = report(NEW, pin(OLD), OTHER, sender=Sender.CHROMIUM, app=None, sender_result=None)
    found = judged(browser, history(release("1.0", pin(OLD), OTHER), TWO, expected=(*POLICY, OTHER)))
    assert found.cause is Cause.STALE_KNOWN_PINS


def test_a_release_that_only_reports_would_be_locked_out() -> None:
    """What locks it out are its own pins; a release with those of the policy would not be."""
    made = report(NEW, pin(OLD), OTHER, mode=Mode.REPORT_ONLY)
    found = judged(made, history(TWO, expected=POLICY))
    assert (found.cause, found.locks_out) == (Cause.RELEASE_LEFT_BEHIND, False)
    alone = judged(made, history(TWO))
    assert (alone.cause, alone.locks_out) == (Cause.RELEASE_LEFT_BEHIND, True)
    assert "if it enforced its pins" in alone.locks_out_why


@pytest.mark.parametrize("mode", list(Mode))
def test_a_key_that_nothing_pins_stays_a_mistake_of_the_policy_whatever_the_registry_has(mode: Mode) -> None:
    """A release with the pins of the policy met a key that only a probe knows: enforcing would lock out all clients."""
    one = release("1.0", *POLICY)
    policy = history(one, expected=POLICY, live=(pin(OLD), pin(NEW)))
    found = judged(report(OLD, *POLICY, mode=mode), policy)
    assert (found.cause, found.side, found.locks_out) == (Cause.OWN_KEY_NOT_PINNED, Attribution.OPERATOR, True)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_policy_that_lacks_the_served_key_blocks_although_another_release_has_it(mode: Mode) -> None:
    one = release("1.0", *POLICY)
    found = judged(report(OLD, *POLICY, mode=mode), history(one, release("3.0", pin(OLD)), expected=POLICY))
    assert (found.cause, found.locks_out) == (Cause.RELEASE_LEFT_BEHIND, True)


def test_an_unregistered_release_is_judged_by_the_pins_that_it_reports() -> None:
    found = judged(report(NEW, pin(OLD), STRAY), history(TWO, expected=(pin(NEW), pin(OLD))))
    assert found.cause is Cause.RELEASE_LEFT_BEHIND
    assert "hpkp app import FILE --app example.shop --release-version VERSION" in found.why


@pytest.mark.parametrize("expected", [POLICY, ()])
def test_an_unregistered_release_is_never_a_client_with_foreign_pins(expected: tuple[Pin, ...]) -> None:
    found = judged(report(NEW, STRAY, OTHER), history(TWO, expected=expected))
    assert found.cause is Cause.RELEASE_LEFT_BEHIND
    assert Cause.FOREIGN_PINS not in {reason.cause for reason in found.also}


def test_another_app_with_pins_of_its_own_has_foreign_pins() -> None:
    stranger = report(NEW, STRAY, OTHER, app="com.example.other")
    assert judged(stranger, history(TWO, expected=POLICY)).cause is Cause.FOREIGN_PINS


def test_a_release_whose_pins_no_probe_ever_saw_served_was_shipped_with_wrong_pins() -> None:
    wrong = release("3.0", STRAY, OTHER)
    found = judged(report(NEW, STRAY, OTHER), history(wrong, TWO, expected=POLICY, live=(pin(NEW), pin(OLD))))
    assert (found.cause, found.locks_out) == (Cause.RELEASE_NEVER_FITTED, True)


@pytest.mark.parametrize("key", [pin(OLD), BACKUP, pin(ROOT)])
def test_pins_that_may_have_matched_once_are_not_called_wrong(key: Pin) -> None:
    """A key that was served, one that another release pins, and one of a CA."""
    old = release("1.0", key, OTHER)
    made = report(NEW, key, OTHER)
    if key == pin(ROOT):  # the client built a path to another root
        other = make_root("Another Root")
        leaf = other.issue(HOST, key=NEW.key)
        known = KnownCertificates(
            public=tuple(one for root in (ROOT, other) if isinstance(one := read_certificate(root.der), Certificate))
        )
        made = report(leaf, key, OTHER, root=other)
        policy = history(old, TWO, expected=POLICY, live=(pin(NEW),))
        assert judge(made, policy, known, received_at=NOW, at=NOW).cause is Cause.RELEASE_LEFT_BEHIND
        return
    policy = history(old, TWO, expected=POLICY, live=(pin(NEW), pin(OLD)))
    assert judged(made, policy).cause is Cause.RELEASE_LEFT_BEHIND


def test_without_a_probe_it_is_not_known_that_pins_were_wrong() -> None:
    found = judged(report(NEW, STRAY, OTHER), history(release("3.0", STRAY, OTHER), TWO, expected=POLICY))
    assert found.cause is Cause.RELEASE_LEFT_BEHIND


@pytest.mark.parametrize(
    ("expires_on", "cause"),
    [
        (NOW.date() - timedelta(days=1), Cause.RELEASE_PINS_EXPIRED),
        (NOW.date() + timedelta(days=30), Cause.RELEASE_LEFT_BEHIND),
    ],
)
def test_expired_pins_are_a_cause_of_their_own(expires_on: date, cause: Cause) -> None:
    old = release("1.0", pin(OLD), OTHER, expires_on=expires_on)
    assert judged(report(NEW, pin(OLD), OTHER), history(old, TWO, expected=POLICY)).cause is cause


def test_interception_comes_first() -> None:
    found = judged(report(INTERCEPTED, pin(NEW), BACKUP, root=PROXY), history(ONE, TWO, expected=POLICY))
    assert found.cause is Cause.PRIVATE_ROOT
    assert not {reason.cause for reason in found.also} & {Cause.RELEASE_LEFT_BEHIND, Cause.RELEASE_NEVER_FITTED}
    assert found.locks_out is True


def test_a_key_that_is_not_ours_stays_an_alarm() -> None:
    found = judged(report(ALIEN, pin(NEW), BACKUP), history(ONE, TWO, expected=POLICY))
    assert found.cause is Cause.UNKNOWN_KEY_PUBLIC_CA


def test_a_compromised_key_stays_an_alarm_under_a_root_that_another_release_pins() -> None:
    rooted = release("2.0", pin(ROOT))
    bad = Catalog(known_bad={pin(ALIEN): (KnownKey("Leaked", "a test", date(2026, 1, 1)),)})
    made = report(ALIEN, pin(NEW), BACKUP)
    assert judge(made, history(TWO, rooted), ANCHORS, received_at=NOW, at=NOW).cause is Cause.RELEASE_LEFT_BEHIND
    assert judge(made, history(TWO, rooted), ANCHORS, bad, received_at=NOW, at=NOW).cause is Cause.KNOWN_BAD_KEY


def test_a_key_of_another_release_is_ours_without_any_policy() -> None:
    found = judged(report(NEW, pin(OLD), OTHER), history(release("1.0", pin(OLD), OTHER), TWO))
    assert (found.cause, found.side, found.locks_out) == (Cause.RELEASE_LEFT_BEHIND, Attribution.OPERATOR, True)


def test_a_pin_of_the_release_on_the_path_is_no_violation_without_a_policy() -> None:
    found = judged(report(OLD, pin(OLD), BACKUP), history(ONE, TWO))
    assert (found.cause, found.locks_out) == (Cause.MATCHES_EXPECTED, False)
    # A policy that expects other keys is wrong about the key that is served, and its own clients are locked out.
    found = judged(report(OLD, pin(OLD), BACKUP), history(ONE, TWO, expected=(pin(NEW), OTHER)))
    assert (found.cause, found.locks_out) == (Cause.OWN_KEY_NOT_PINNED, False)


def test_platforms_are_told_apart_by_the_sender() -> None:
    android = release("1.0", pin(OLD), OTHER, platform=Platform.ANDROID, form=Form.TRUSTKIT_ANDROID)
    found = judged(report(NEW, pin(OLD), OTHER), history(android, TWO, expected=POLICY))
    assert "not registered" in found.why
    on_android = report(NEW, pin(OLD), OTHER, sender=Sender.TRUSTKIT_ANDROID)
    assert "example.shop 1.0 (android)" in judged(on_android, history(android, TWO, expected=POLICY)).why


def test_a_sender_that_names_no_app_is_known_by_its_pins_or_by_its_form() -> None:
    path = tuple(UnreadableCertificate(i, "only a pin", pin=one) for i, one in enumerate((pin(NEW), pin(ROOT))))
    made = report(
        NEW, pin(OLD), OTHER, sender=Sender.REACT_NATIVE, app=None, validated_chain=path, sender_result=None,
        mode=Mode.REPORT_ONLY,
    )  # fmt: skip
    native = release("1.0", pin(OLD), OTHER, form=Form.SSL_MANAGER, platform=Platform.ANDROID)
    found = judged(made, history(native, TWO, expected=POLICY))
    assert (found.cause, "example.shop 1.0 (android)" in found.why) == (Cause.RELEASE_LEFT_BEHIND, True)
    unregistered = judged(replace(made, known_pins=(STRAY, OTHER)), history(native, TWO, expected=POLICY))
    assert "not registered" in unregistered.why
    assert judged(replace(made, known_pins=(STRAY, OTHER)), history(TWO, expected=POLICY)).cause is Cause.FOREIGN_PINS


def test_the_version_that_a_report_names_changes_nothing() -> None:
    policy = history(ONE, TWO, expected=POLICY)
    answers = {judged(report(OLD, pin(NEW), OTHER, app_version=version), policy) for version in ("1.0", "2.0", "9")}
    assert len(answers) == 1


def test_a_retired_release_locks_out_nobody_who_counts() -> None:
    old = replace(release("1.0", pin(OLD), OTHER), retired_at=NOW - timedelta(days=1))
    found = judged(report(NEW, pin(OLD), OTHER), history(old, TWO, expected=POLICY))
    assert (found.cause, found.locks_out) == (Cause.RELEASE_LEFT_BEHIND, False)
    assert judged(report(NEW, pin(OLD), OTHER), history(replace(old, retired_at=None), TWO)).locks_out is True
