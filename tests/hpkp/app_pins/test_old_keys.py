"""When an old key can go: who needs it, and from when on no release does."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.old_keys import OldKey, find_last_use
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.pins import Pin
from tests.support.app_pins import pin_of
from tests.support.authority import NOW

HOST, APP = "shop.example", "example.shop"
OLD, NEW, BACKUP, OTHER = map(pin_of, ("old", "new", "backup", "other"))
TODAY = NOW.date()


def release(version: str, *pins: Pin, mode: PinMode = PinMode.ENFORCE, expires_on: date | None = None) -> AppRelease:
    entry = PinEntry(HOST, Scope.NAME_AND_BELOW, mode, carry(pins), expires_on=expires_on)
    return AppRelease(APP, version, Platform.ANDROID, (PinLayer(Form.TRUSTKIT_ANDROID, (entry,)),), ("10",))


def counts(*shares: tuple[int, float]) -> list[InstallCount]:
    """Return counts of 1.0 and of 2.0, of a million installs in all, so many days before today."""
    return [
        InstallCount(APP, Platform.ANDROID, TODAY - timedelta(days=age), round(part * 10**6), version)
        for age, share in shares
        for version, part in (("1.0", share), ("2.0", 1 - share))
    ]


def ask(*releases: AppRelease, installs: list[InstallCount] | None = None) -> OldKey:
    return find_last_use(OLD, [NEW], releases, installs or [], host=HOST, limit=0.001, at=NOW)


def test_releases_without_a_key_that_stays_need_the_old_one() -> None:
    found = ask(release("1.0", OLD, BACKUP), release("2.0", OLD, NEW), release("3.0", NEW, BACKUP))
    assert [use.release.version for use in found.uses] == ["1.0"]
    assert found.can_go is None
    assert found.uses[0].until is None


@pytest.mark.parametrize(
    "gone",
    [
        replace(release("1.0", OLD, BACKUP), retired_at=NOW - timedelta(days=1)),
        release("1.0", OLD, BACKUP, mode=PinMode.MONITOR),
        release("1.0", OLD, BACKUP, expires_on=TODAY - timedelta(days=2)),
    ],
    ids=["retired", "only reports", "expired"],
)
def test_releases_that_do_not_matter_keep_no_key(gone: AppRelease) -> None:
    found = ask(gone)
    assert (found.uses, found.can_go) == ((), TODAY)


def test_a_release_without_installs_or_with_few_keeps_no_key() -> None:
    for share in (0.0, 0.001):
        assert ask(release("1.0", OLD, BACKUP), installs=counts((0, share))).can_go == TODAY


def test_a_straight_line_through_the_share_a_month_before_says_when() -> None:
    [use] = (found := ask(release("1.0", OLD, BACKUP), installs=counts((30, 0.40), (7, 0.18), (0, 0.101)))).uses
    assert use.shares == (0.101, 0.18, 0.40)
    # From 40% to 10.1% in 30 days: from 10.1% to 0.1% in 10.04 more.
    assert (use.until, use.expires, found.can_go) == (TODAY + timedelta(days=11), False, TODAY + timedelta(days=11))


def test_a_share_that_does_not_fall_says_nothing() -> None:
    for shares in (((30, 0.1), (0, 0.1)), ((0, 0.1),), ((30, 0.1), (0, 0.2))):
        assert ask(release("1.0", OLD, BACKUP), installs=counts(*shares)).can_go is None


def test_expiry_ends_a_need_on_the_last_device() -> None:
    found = ask(release("1.0", OLD, BACKUP, expires_on=TODAY + timedelta(days=40)))
    # TrustKit for Android: 0:00 in the zone of the device, so 12:00 UTC in the westernmost one.
    assert (found.uses[0].expires, found.can_go) == (True, TODAY + timedelta(days=41))
    both = ask(release("1.0", OLD, BACKUP, expires_on=TODAY + timedelta(days=40)), release("1.1", OLD, OTHER))
    assert both.can_go is None
    assert [use.release.version for use in both.uses] == ["1.1", "1.0"]
