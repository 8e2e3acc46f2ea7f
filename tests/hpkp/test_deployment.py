"""May a chain be deployed: under the pins expected now, and under those that clients still remember."""

from datetime import datetime, timedelta

import pytest

from app.hpkp.deployment import DeploymentCheck, check_deployment
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.hpkp.x509.anchors import KnownCertificates, RootDeparture, StoredRoot
from app.hpkp.x509.certificate import Certificate, read_certificate
from tests.support.authority import NOW, Issued, cross_sign, make_root, make_site

SITE, OTHER, BACKUP = make_site(), make_site(), make_root("Backup")
HOST = Host("www.example.com")
ROOT = read_certificate(SITE.root.der)
assert isinstance(ROOT, Certificate)
KNOWN = KnownCertificates(public=(ROOT,))
SERVED = (SITE.leaf, SITE.intermediate)


def _revision(
    *keys: Issued,
    number: int = 1,
    since: datetime = NOW - timedelta(days=30),
    mode: Mode = Mode.ENFORCE,
    max_age: int = 0,
) -> PinningPolicy:
    pins = tuple(ExpectedPin(parse_pin(key.pin)) for key in keys)
    return PinningPolicy(HOST, pins, revision=number, mode=mode, max_age=max_age, effective_from=since)


def _check(
    *revisions: PinningPolicy,
    chain: tuple[Issued, ...] = SERVED,
    host: str = HOST,
    known: KnownCertificates = KNOWN,
    at: datetime = NOW,
) -> DeploymentCheck:
    elements = tuple(read_certificate(issued.der, position=i) for i, issued in enumerate(chain))
    return check_deployment(elements, PolicyHistory.of(revisions), known, host=host, at=at)


def _read(*issued: Issued) -> tuple[Certificate, ...]:
    elements = tuple(read_certificate(one.der) for one in issued)
    assert all(isinstance(element, Certificate) for element in elements)
    return tuple(element for element in elements if isinstance(element, Certificate))


@pytest.mark.parametrize("key", [SITE.leaf, SITE.intermediate, SITE.root])
def test_any_pinned_key_on_the_path_satisfies_even_the_root_that_is_not_sent(key: Issued) -> None:
    answer = _check(_revision(key, BACKUP))
    assert answer.satisfied is True
    assert [str(pin) for pin in answer.matching] == [key.pin]
    assert answer.caveats == ()


def test_a_chain_without_an_expected_pin_does_not() -> None:
    assert _check(_revision(OTHER.leaf, BACKUP)).satisfied is False


def test_a_pinned_certificate_merely_appended_does_not() -> None:
    assert _check(_revision(OTHER.root, BACKUP), chain=(*SERVED, OTHER.root)).satisfied is False


def test_without_a_policy_or_a_leaf_it_cannot_tell() -> None:
    assert _check().satisfied is None
    assert check_deployment((), PolicyHistory.of([_revision(SITE.leaf)]), KNOWN, host=HOST, at=NOW).satisfied is None


@pytest.mark.parametrize(
    ("replaced", "mode", "remembered"),
    [
        (timedelta(days=1), Mode.ENFORCE, True),
        (timedelta(days=10), Mode.ENFORCE, False),
        (timedelta(days=1), Mode.REPORT_ONLY, False),
    ],
    ids=["within max-age", "after max-age", "never enforced"],
)
def test_pins_of_a_former_revision_hold_until_its_max_age_has_run_out(
    replaced: timedelta, mode: Mode, remembered: bool
) -> None:
    previous = _revision(OTHER.leaf, BACKUP, mode=mode, max_age=5 * 86_400)
    current = _revision(SITE.leaf, BACKUP, number=2, since=NOW - replaced)
    answer = _check(previous, current)
    assert answer.satisfied is True
    assert [(r.policy.revision, r.satisfied) for r in answer.remembered] == ([(1, False)] if remembered else [])


def test_what_speaks_against_the_chain_itself_is_said() -> None:
    policy = _revision(SITE.leaf, BACKUP)
    assert any("order" in caveat for caveat in _check(policy, chain=(SITE.intermediate, SITE.leaf)).caveats)
    assert any("not for other.example" in caveat for caveat in _check(policy, host="other.example").caveats)
    assert any("no root" in caveat for caveat in _check(policy, chain=(OTHER.leaf,)).caveats)


OLDER = make_root("Older Root")
CROSS = cross_sign(SITE.root, by=OLDER)
"""The site's root once more, as an older root certified it."""
BOTH = KnownCertificates(public=_read(SITE.root, OLDER), intermediates=_read(CROSS))


@pytest.mark.parametrize("chain", [SERVED, (*SERVED, CROSS)], ids=["known here", "sent"])
def test_a_root_pin_that_is_on_some_paths_satisfies_with_a_caveat_that_names_another(chain: tuple[Issued, ...]) -> None:
    answer = _check(_revision(OLDER, BACKUP), chain=chain, known=BOTH)
    assert answer.satisfied is True
    assert "some of its paths" in answer.why
    assert [str(pin) for pin in answer.matching] == [OLDER.pin]
    assert answer.caveats == (
        "A client may build another path, without an expected pin: www.example.com - Test Intermediate - Test Root.",
    )


@pytest.mark.parametrize("key", [SITE.leaf, SITE.intermediate, SITE.root])
def test_a_pin_that_is_on_every_path_has_no_caveat(key: Issued) -> None:
    answer = _check(_revision(key, BACKUP), known=BOTH)
    assert (answer.satisfied, answer.caveats) == (True, ())


def test_an_expired_cross_certificate_makes_no_path() -> None:
    old = OLDER.issue(
        "Test Intermediate",
        ca=True,
        organization="Test Trust Services",
        key=SITE.intermediate.key,
        not_after=NOW - timedelta(days=1),
    )
    answer = _check(_revision(SITE.root, BACKUP), chain=(SITE.leaf, old, SITE.intermediate), known=BOTH)
    assert (answer.satisfied, answer.caveats) == (True, ())
    alone = _check(_revision(OLDER, BACKUP), chain=(SITE.leaf, old), known=KnownCertificates(_read(OLDER)))
    assert alone.satisfied is None
    assert alone.caveats == ("Test Intermediate: expired (expired 2026-05-31).",)


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ({"not_after": NOW - timedelta(hours=1)}, "The leaf expired on 2026-06-01 11:00 UTC"),
        ({"not_before": NOW + timedelta(hours=1)}, "The leaf is not valid before 2026-06-01 13:00 UTC"),
    ],
    ids=["expired", "not yet valid"],
)
@pytest.mark.parametrize("pinned", [True, False])
def test_a_leaf_out_of_its_validity_is_told_whatever_its_pins(
    dates: dict[str, datetime], told: str, pinned: bool
) -> None:
    leaf = SITE.intermediate.issue(**dates)  # type: ignore[arg-type]
    answer = _check(_revision(leaf if pinned else OTHER.leaf, BACKUP), chain=(leaf, SITE.intermediate))
    assert answer.satisfied is pinned
    assert [caveat for caveat in answer.caveats if caveat.startswith(told)] == [answer.caveats[0]]


def test_a_root_that_left_the_store_is_told_with_its_reason() -> None:
    departure = RootDeparture(NOW.date() - timedelta(days=9), "removed", "removed by Mozilla, bug 7", 7)
    known = KnownCertificates(former=(StoredRoot(_read(SITE.root)[0], None, departure),))
    answer = _check(_revision(SITE.root, BACKUP), known=known)
    assert answer.satisfied is True
    assert any("no longer in the public store (removed by Mozilla, bug 7)" in caveat for caveat in answer.caveats)


def test_a_certificate_that_is_no_ca_joins_nothing() -> None:
    forged = SITE.leaf.issue("www.example.com")
    answer = _check(_revision(SITE.root, BACKUP), chain=(forged, SITE.leaf, SITE.intermediate))
    assert answer.satisfied is None
    assert "No client accepts this chain" in answer.why
    assert any("not a ca" in caveat for caveat in answer.caveats)
