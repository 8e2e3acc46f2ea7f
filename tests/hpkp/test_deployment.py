"""May a chain be deployed: under the pins expected now, and under those that clients still remember."""

from datetime import datetime, timedelta

import pytest

from app.hpkp.deployment import DeploymentCheck, check_deployment
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from tests.authority import NOW, Issued, make_root, make_site

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


def _check(*revisions: PinningPolicy, chain: tuple[Issued, ...] = SERVED, host: str = HOST) -> DeploymentCheck:
    elements = tuple(read_certificate(issued.der, position=i) for i, issued in enumerate(chain))
    return check_deployment(elements, PolicyHistory.of(revisions), KNOWN, host=host, at=NOW)


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
    former = _revision(OTHER.leaf, BACKUP, mode=mode, max_age=5 * 86_400)
    current = _revision(SITE.leaf, BACKUP, number=2, since=NOW - replaced)
    answer = _check(former, current)
    assert answer.satisfied is True
    assert [(r.policy.revision, r.satisfied) for r in answer.remembered] == ([(1, False)] if remembered else [])


def test_what_speaks_against_the_chain_itself_is_said() -> None:
    policy = _revision(SITE.leaf, BACKUP)
    assert any("order" in caveat for caveat in _check(policy, chain=(SITE.intermediate, SITE.leaf)).caveats)
    assert any("not for other.example" in caveat for caveat in _check(policy, host="other.example").caveats)
    assert any("no root" in caveat for caveat in _check(policy, chain=(OTHER.leaf,)).caveats)
