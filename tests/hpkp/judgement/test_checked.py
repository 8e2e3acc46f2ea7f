"""Evidence that cannot be forged: what has it, and what a copier of chains does not get by copying."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.hpkp.hosts import Host
from app.hpkp.judgement.checked import find_checked_leaf, may_have_checked_leaf
from app.hpkp.judgement.judge import judge
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, Chain, read_certificate
from tests.support.authority import NOW, Issued, make_root, self_signed

HOST = "www.example.com"
ROOT = make_root("Public Root")
CA = ROOT.issue("Issuing CA", ca=True)
LEAF = CA.issue(HOST)
WILDCARD = CA.issue("*.example.com", names=["*.example.com"])
EXPIRED = CA.issue(HOST, not_before=NOW - timedelta(days=400), not_after=NOW - timedelta(days=10))
STRANGER = make_root("Nobody's Root")
BY_STRANGER = STRANGER.issue("Nobody's CA", ca=True)
FORGED_CA = STRANGER.issue("Issuing CA", ca=True)


def _chain(*issued: Issued) -> Chain:
    return tuple(read_certificate(one.der) for one in issued)


def _report(chain: Chain, *, hostname: str = HOST, **members: object) -> ViolationReport:
    report = ViolationReport(
        Host(hostname), Sender.CHROMIUM, served_chain=chain, validated_chain=chain, date_time=NOW, port=443
    )
    return replace(report, **members)  # type: ignore[arg-type]


def _certificate(issued: Issued) -> Certificate:
    certificate = read_certificate(issued.der)
    assert isinstance(certificate, Certificate)
    return certificate


def _find(report: ViolationReport, *, after: timedelta = timedelta()) -> Issued | None:
    known = KnownCertificates(public=(_certificate(ROOT),))
    at = NOW + after
    judgement = judge(report, PolicyHistory(()), known, received_at=at, at=at)
    found = find_checked_leaf(report, judgement, received_at=at)
    if found is not None:
        assert may_have_checked_leaf(report, received_at=at)
    return next(
        (one for one in (LEAF, WILDCARD, EXPIRED) if found is not None and found.fingerprint == _sha(one)), None
    )


def _sha(issued: Issued) -> bytes:
    return _certificate(issued).fingerprint


@pytest.mark.parametrize(
    "report",
    [
        _report(_chain(LEAF, CA, ROOT)),
        _report(_chain(LEAF, CA)),
        _report(_chain(LEAF, CA, ROOT), port=8443),
        _report(_chain(LEAF, CA), validated_chain=None),
    ],
)
def test_a_leaf_for_the_host_with_signatures_up_to_a_root(report: ViolationReport) -> None:
    assert _find(report) is LEAF


def test_a_wildcard_covers_what_it_covers() -> None:
    assert _find(_report(_chain(WILDCARD, CA, ROOT), hostname="shop.example.com")) is WILDCARD


@pytest.mark.parametrize(
    "report",
    [
        _report(_chain(LEAF, CA, ROOT), hostname="shop.example.com"),
        _report(_chain(WILDCARD, CA, ROOT), hostname="example.com"),
        _report(_chain(WILDCARD, CA, ROOT), hostname="a.b.example.com"),
        _report(_chain(BY_STRANGER.issue(HOST), BY_STRANGER, STRANGER)),
        _report(_chain(FORGED_CA.issue(HOST), CA, ROOT)),
        _report(_chain(self_signed(HOST))),
        _report(_chain(CA, ROOT)),
        _report(()),
        _report(_chain(EXPIRED, CA, ROOT), date_time=NOW - timedelta(days=30)),
    ],
    ids=[
        "for another host", "wildcard, too high", "wildcard, too deep", "root of nobody", "signed by an impostor",
        "self-signed", "no leaf", "no chain", "expired, with the date of a time when it was not",
    ],
)  # fmt: skip
def test_what_can_be_made_up_or_copied_has_none(report: ViolationReport) -> None:
    assert _find(report) is None


def test_an_old_copy_ends_with_the_validity_of_the_leaf() -> None:
    report = _report(_chain(LEAF, CA, ROOT))
    assert _find(report, after=timedelta(days=60)) is LEAF
    assert _find(report, after=timedelta(days=62)) is None


def test_what_is_worth_judging_is_seen_without_signatures() -> None:
    assert may_have_checked_leaf(_report(_chain(BY_STRANGER.issue(HOST), BY_STRANGER)), received_at=NOW)
    for report in (_report(_chain(BY_STRANGER.issue("other.example"))), _report(_chain(EXPIRED, CA)), _report(())):
        assert not may_have_checked_leaf(report, received_at=NOW)
