"""Which releases a chain locks out, and which keys lock out none."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hpkp.app_pins.forms import Form, PinKind, PinMode, Scope
from app.hpkp.app_pins.lockout import Outcome, PathsToCheck, Place, check_releases, find_key_sets
from app.hpkp.app_pins.model import CarriedPin, PathKey, PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform, compare_releases, find_installs
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.pins import Pin
from tests.support.app_pins import pin_of

NOW = datetime(2026, 11, 27, 11, tzinfo=UTC)
HOST, APP = "shop.example", "example.shop"
A, B, C, D, FOREIGN, ROOT = map(pin_of, ("A", "B", "C", "D", "foreign", "root"))


def release(version: str, *layers: PinLayer, **said: object) -> AppRelease:
    return AppRelease(APP, version, Platform.IOS, layers, **said)  # type: ignore[arg-type]


def layer(*pins: Pin, form: Form = Form.NSC, **said: object) -> PinLayer:
    return PinLayer(form, (PinEntry(HOST, Scope.NAME_AND_BELOW, pins=carry(pins), **said),))  # type: ignore[arg-type]


def paths(*ways: Iterable[Pin], complete: bool = True, to_root: bool = True) -> PathsToCheck:
    return PathsToCheck(tuple(tuple(PathKey(pin.digest, None) for pin in way) for way in ways), complete, to_root)


def outcome(found: AppRelease, chain: PathsToCheck | None, *, at: datetime = NOW, host: str = HOST) -> Outcome:
    [check] = check_releases([found], [], chain, host=host, at=at)
    return check.outcome


THREE = [release("1.0", layer(A, B)), release("2.0", layer(B, D)), release("3.0", layer(C, D))]


@pytest.mark.parametrize(
    ("key", "locked_out"),
    [(A, {"2.0", "3.0"}), (B, {"3.0"}), (C, {"1.0", "2.0"}), (D, {"1.0"}), (FOREIGN, {"1.0", "2.0", "3.0"})],
)
def test_a_rotation_locks_out_the_releases_without_the_key_and_no_others(key: Pin, locked_out: set[str]) -> None:
    checks = check_releases(THREE, [], paths([key, ROOT]), host=HOST, at=NOW)
    assert {check.release.version for check in checks if check.deployable is False} == locked_out
    assert all(check.outcome is Outcome.MATCHES for check in checks if check.release.version not in locked_out)


def test_all_layers_of_a_release_must_accept_the_chain() -> None:
    both = release("1.0", layer(A), layer(C, form=Form.OKHTTP))
    assert outcome(both, paths([A, ROOT])) is Outcome.LOCKED_OUT
    assert outcome(both, paths([A, C])) is Outcome.MATCHES


@pytest.mark.parametrize(
    ("found", "chain", "expected"),
    [
        (layer(A), paths([A], [A, ROOT]), Outcome.MATCHES),
        (layer(ROOT), paths([A, ROOT], [A, FOREIGN]), Outcome.SOME_PATHS),
        (layer(ROOT), paths([A, FOREIGN], [A, ROOT]), Outcome.SOME_PATHS),
        (layer(A), paths([A], complete=False), Outcome.SOME_PATHS),
        (layer(ROOT), paths([A], to_root=False), Outcome.UNKNOWN),  # the root's pin may be the one
        (layer(ROOT), paths([A], complete=False), Outcome.UNKNOWN),
        (layer(A), None, Outcome.UNKNOWN),
        (layer(A, mode=PinMode.MONITOR, form=Form.TRUSTKIT_PLIST), paths([B]), Outcome.WOULD_BE_LOCKED_OUT),
        (layer(A, expires_on=date(2026, 11, 20)), paths([B]), Outcome.EXPIRED),
        (layer(A, expires_on=date(2026, 11, 27)), paths([B]), Outcome.LOCKED_OUT),  # west of UTC it is not over
        (layer(A, form=Form.CURL), paths([B, A]), Outcome.LOCKED_OUT),  # the leaf alone is compared
    ],
)  # fmt: skip
def test_the_outcome_of_a_layer(found: PinLayer, chain: PathsToCheck | None, expected: Outcome) -> None:
    assert outcome(release("1.0", found), chain) is expected


@pytest.mark.parametrize(
    ("pins", "place"), [([A], Place.LEAF), ([B], Place.INTERMEDIATE), ([ROOT], Place.ROOT), ([FOREIGN], None)]
)
def test_where_a_chain_matches_is_told(pins: list[Pin], place: Place | None) -> None:
    [check] = check_releases([release("1.0", layer(*pins))], [], paths([A, B, ROOT]), host=HOST, at=NOW)
    assert check.layers[0].place is place


def test_a_release_that_does_not_pin_the_host_is_not_asked() -> None:
    assert check_releases(THREE, [], paths([FOREIGN]), host="other.example", at=NOW) == ()
    assert outcome(THREE[0], paths([A]), host="deep.below.shop.example") is Outcome.MATCHES


def count(version: str, total: int, *, day: date = date(2026, 11, 20), **said: object) -> InstallCount:
    return InstallCount(APP, Platform.IOS, day, total, version, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "retired", "in_use"),
    [
        ([], None, True),  # not known is in use
        ([count("1.0", 0)], None, False),
        ([count("1.0", 0, is_lower_bound=True)], None, True),
        ([count("1.0", 5)], None, True),
        ([count("2.0", 5)], None, True),
        ([count("1.0", 5)], NOW - timedelta(days=1), False),
        ([count("1.0", 5)], NOW + timedelta(days=1), True),
        ([count("1.0", 5), count("1.0", 0, day=date(2026, 11, 21))], None, False),
    ],
)
def test_a_release_counts_unless_it_is_retired_or_known_to_have_no_installs(
    counts: list[InstallCount], retired: datetime | None, in_use: bool
) -> None:
    found = release("1.0", layer(A), retired_at=retired)
    [check] = check_releases([found], counts, paths([B]), host=HOST, at=NOW)
    assert check.in_use is in_use
    assert check.deployable is not in_use


def test_installs_are_those_of_the_newest_day_with_the_share_of_all_versions() -> None:
    counts = [
        count("1.0", 900, day=date(2026, 11, 1)),
        count("1.0", 10),
        count("2.0", 90),
        InstallCount("other", Platform.IOS, date(2026, 11, 20), 10**6, "1.0"),
        InstallCount(APP, Platform.ANDROID, date(2026, 11, 20), 10**6, "1.0"),
    ]
    found = find_installs(release("1.0"), counts)
    assert found is not None
    assert (found.day, found.count, found.of, found.share) == (date(2026, 11, 20), 10, 100, 0.1)
    assert find_installs(release("3.0"), counts) is None


def test_builds_of_a_version_add_up_and_are_not_counted_twice_beside_the_version() -> None:
    day = date(2026, 11, 20)
    builds = [
        InstallCount(APP, Platform.IOS, day, total, build=build) for build, total in (("11", 30), ("12", 20), ("9", 50))
    ]
    found = find_installs(release("1.0", builds=("11", "12")), [*builds, count("1.0", 45)])
    assert found is not None
    assert (found.count, found.of) == (50, 100)


def test_the_worst_comes_first_and_what_is_not_in_use_last() -> None:
    releases = [
        release("fine", layer(A)),
        release("unused", layer(B), retired_at=NOW),
        release("few", layer(B)),
        release("many", layer(B)),
        release("unknown", layer(B)),
    ]
    checks = check_releases(releases, [count("few", 1), count("many", 9)], paths([A]), host=HOST, at=NOW)
    assert [check.release.version for check in checks] == ["unknown", "many", "few", "fine", "unused"]


# Keys


def test_the_smallest_sets_of_keys_that_no_release_refuses() -> None:
    found = find_key_sets(THREE, host=HOST, at=NOW)
    assert found.complete
    assert set(found.sets) == {frozenset(pins) for pins in ((B, D), (A, D), (B, C))}


def test_one_key_in_all_releases_is_enough() -> None:
    found = find_key_sets([release("1.0", layer(A, B)), release("2.0", layer(B, C))], host=HOST, at=NOW)
    assert found.sets == (frozenset({B}),)


def test_a_release_that_no_key_can_satisfy_is_named() -> None:
    certificate = PinLayer(
        Form.CERTIFICATE_HASHES, (PinEntry(HOST, pins=(CarriedPin(bytes(32), PinKind.CERTIFICATE),)),)
    )
    broken = PinLayer(Form.OKHTTP, (PinEntry(HOST, pins=(CarriedPin(b"x"),)),))
    lost = [release("1.0", certificate), release("2.0", broken)]
    found = find_key_sets([*lost, release("3.0", layer(A))], host=HOST, at=NOW)
    assert (found.sets, found.unmatched) == ((), tuple(lost))


def test_what_only_reports_has_expired_or_is_retired_asks_for_no_key() -> None:
    found = find_key_sets(
        [
            release("1.0", layer(A)),
            release("2.0", layer(B, form=Form.TRUSTKIT_PLIST, mode=PinMode.MONITOR)),
            release("3.0", layer(C, expires_on=date(2026, 11, 1))),
            release("4.0", layer(D), retired_at=NOW),
        ],
        host=HOST,
        at=NOW,
    )
    assert found.sets == (frozenset({A}),)


LISTS = st.lists(st.sets(st.sampled_from([A, B, C, D, ROOT]), min_size=1, max_size=3), min_size=1, max_size=5)


@settings(deadline=None)
@given(LISTS)
def test_the_sets_are_those_that_trying_all_finds(lists: list[set[Pin]]) -> None:
    releases = [release(str(number), layer(*sorted(pins))) for number, pins in enumerate(lists)]
    found = find_key_sets(releases, host=HOST, at=NOW)
    for size in range(1, 6):
        every = {
            frozenset(keys)
            for keys in combinations((A, B, C, D, ROOT), size)
            if all(pins & set(keys) for pins in lists)
        }
        if every:
            assert set(found.sets) == every
            break
    for keys in found.sets:
        checks = check_releases(releases, [], paths(sorted(keys)), host=HOST, at=NOW)
        assert all(check.outcome is Outcome.MATCHES for check in checks)


def test_a_search_without_end_is_given_up_and_says_so() -> None:
    releases = [release(str(number), layer(*(pin_of(f"{number} {key}") for key in range(20)))) for number in range(20)]
    found = find_key_sets(releases, host=HOST, at=NOW)
    assert (found.sets, found.complete) == ((), False)


# Comparison


def test_two_releases_are_compared_host_by_host() -> None:
    exact = PinLayer(Form.NSC, (PinEntry(HOST, pins=carry([A])),))
    found = compare_releases(release("1.0", layer(A)), release("2.0", exact))
    assert [(difference.host, difference.before, difference.after) for difference in found] == [
        ("a-label.shop.example", PinMode.ENFORCE, None),
        ("two.labels.shop.example", PinMode.ENFORCE, None),
    ]
    assert compare_releases(THREE[0], release("1.1", layer(B, A))) == ()
    monitored = release("1.2", layer(A, B, form=Form.TRUSTKIT_PLIST, mode=PinMode.MONITOR))
    assert {difference.after for difference in compare_releases(THREE[0], monitored)} == {PinMode.MONITOR}


@pytest.mark.parametrize("name", ["", "a\n", "a" * 201, "\ud800"])
def test_a_name_that_no_report_could_give_is_refused(name: str) -> None:
    with pytest.raises(InvalidAppConfig):
        AppRelease(name, "1.0", Platform.IOS)
