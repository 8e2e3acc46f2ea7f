"""The limits: what the certificates of anybody may cost, and that nothing is taken for granted beyond."""

import itertools
from collections.abc import Callable
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from app.hpkp.x509 import signatures
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.budget import Budget
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.path_defects import DefectKind, PathClass
from app.hpkp.x509.paths import Presence, complete_paths, find_leaf
from tests.support.authority import NOW, Issued, certificate_for_key, cross_certificate, make_root, make_site, new_key

HOST = "www.example.com"
SITE = make_site()


def _read(issued: Issued | bytes) -> Certificate:
    element = read_certificate(issued if isinstance(issued, bytes) else issued.der)
    assert isinstance(element, Certificate)
    return element


LEAF, INTERMEDIATE, ROOT = map(_read, (SITE.leaf, SITE.intermediate, SITE.root))
PUBLIC = KnownCertificates(public=(ROOT,))


@cache
def _namesakes(count: int) -> tuple[Certificate, ...]:
    """Make CAs of one name, each with a key of its own, that name themselves as their issuer."""
    return tuple(_read(make_root("Namesake")) for _ in range(count))


@cache
def _clique(size: int) -> tuple[Issued, tuple[Certificate, ...]]:
    """Make CAs of which each signed a certificate for every other."""
    roots = [make_root(f"CA {number}") for number in range(size)]
    return roots[0], tuple(_read(cross_certificate(one, other)) for one, other in itertools.permutations(roots, 2))


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the list to which every signature that is really verified is added."""
    seen, verify = list[bytes](), signatures._verify_by_key

    def count(key: object, signed: object, algorithm: object) -> bool:
        seen.append(b"")
        return verify(key, signed, algorithm)  # type: ignore[arg-type]

    monkeypatch.setattr(signatures, "_verify_by_key", count)
    signatures._KEPT.clear()
    return seen


def test_keys_with_huge_exponents_are_never_verified_with(verified: list[bytes]) -> None:
    keys = [rsa.RSAPublicNumbers((1 << 3063) + 2 * n + 1, (1 << 3071) + 12345).public_key() for n in range(40)]
    issuer = make_root("Huge", organization=None)
    huge = [_read(certificate_for_key(key, "Huge", issuer)) for key in keys]
    paths = complete_paths(_read(issuer.issue(HOST)), huge, PUBLIC)
    assert (paths.checks, verified) == (0, [])
    best = paths.at(NOW).best
    assert (best.path_class, best.anchor) == (PathClass.UNVERIFIED, Anchor.UNKNOWN)


def test_no_more_than_100_signatures_are_verified_and_the_limit_is_told(verified: list[bytes]) -> None:
    leaf = _read(make_root("Namesake").issue(HOST))
    paths = complete_paths(leaf, _namesakes(120), PUBLIC)
    assert paths.checks == len(verified) == 100
    [limit] = paths.limits_reached
    assert "signature checks" in limit
    assert not paths.complete


def test_namesakes_that_signed_each_other_are_paid_for_once_each(verified: list[bytes]) -> None:
    issuer = make_root("Namesake")
    sent = (*_namesakes(8), _read(issuer))
    paths = complete_paths(_read(issuer.issue(HOST)), (*sent, *sent), PUBLIC)
    assert paths.limits_reached == ()
    assert paths.checks == len(verified) == 18, "the leaf by nine keys, and its issuer by nine"


def test_dear_keys_spend_the_time_before_the_number() -> None:
    issuer = make_root("Dear", key=new_key("p384"))
    sent = [_read(make_root("Dear", key=new_key("p384"))) for _ in range(100)]
    budget = Budget()
    paths = complete_paths(_read(issuer.issue(HOST)), sent, PUBLIC, budget=budget)
    assert paths.checks < 70
    assert budget.microseconds >= 0
    assert "signature checks" in paths.limits_reached[0]


def test_what_was_not_checked_is_not_followed() -> None:
    paths = complete_paths(LEAF, (INTERMEDIATE,), PUBLIC, budget=Budget(checks=1))
    assert paths.at(NOW).best.certificates == (LEAF, INTERMEDIATE)
    assert paths.at(NOW).best.anchor is Anchor.UNKNOWN
    assert not paths.complete


def test_with_a_limit_reached_every_and_none_become_unknown_and_the_leaf_stays() -> None:
    older = make_root("Older")
    sent = (INTERMEDIATE, _read(cross_certificate(SITE.root, older)))
    known = KnownCertificates(public=(ROOT, _read(older)))
    cut = complete_paths(LEAF, sent, known, budget=Budget(paths=1)).at(NOW)
    assert not cut.complete
    assert cut.presence([ROOT.pin]) is cut.presence([_read(older).pin]) is Presence.UNKNOWN
    assert cut.presence([LEAF.pin]) is Presence.EVERY
    full = complete_paths(LEAF, sent, known).at(NOW)
    assert full.presence([ROOT.pin]) is Presence.EVERY
    assert full.presence([_read(older).pin]) is Presence.SOME


@pytest.mark.parametrize("anchored", [False, True])
def test_a_clique_ends_after_the_steps_whether_or_not_it_has_an_anchor(anchored: bool) -> None:
    root, crosses = _clique(9)
    known = KnownCertificates(public=(_read(root),) if anchored else ())
    budget = Budget()
    paths = complete_paths(_read(root.issue(HOST)), crosses, known, budget=budget)
    assert paths.limits_reached
    assert not paths.complete
    assert len(paths.candidates) <= 40
    assert budget.checks >= 0
    assert min(budget.steps, budget.paths) == 0, "the search ended because its budget did"


def test_a_path_has_at_most_ten_certificates() -> None:
    cas = [make_root()]
    for number in range(11):
        cas.append(cas[-1].issue(f"CA {number}", ca=True))
    known = KnownCertificates(public=(_read(cas[0]),))
    for top, complete in ((8, True), (9, False)):
        paths = complete_paths(_read(cas[top].issue(HOST)), map(_read, cas[1 : top + 1]), known)
        assert paths.complete is complete
        assert (paths.at(NOW).best.anchor is Anchor.PUBLIC) is complete


def test_two_chains_of_a_report_share_one_budget_and_pay_once_for_what_both_have() -> None:
    budget = Budget()
    first = complete_paths(LEAF, (INTERMEDIATE,), PUBLIC, budget=budget)
    second = complete_paths(LEAF, (INTERMEDIATE, ROOT), PUBLIC, budget=budget)
    assert (first.checks, second.checks) == (2, 0)
    assert second.at(NOW).best.path_class is PathClass.USABLE
    assert budget.checks == 98


def test_the_same_report_gets_the_same_answer_whatever_was_verified_before() -> None:
    leaf = _read(make_root("Namesake").issue(HOST))
    once, again = (complete_paths(leaf, _namesakes(120), PUBLIC) for _ in range(2))
    assert (once.checks, once.limits_reached) == (again.checks, again.limits_reached)


def test_links_between_known_certificates_cost_nothing() -> None:
    known = KnownCertificates(public=(ROOT,), intermediates=(INTERMEDIATE,))
    paths = complete_paths(LEAF, (ROOT, INTERMEDIATE), known, budget=Budget(checks=1))
    assert (paths.checks, paths.at(NOW).best.path_class) == (1, PathClass.USABLE)


def _names(count: int) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(f"{number}.{'a.' * 40}example.com") for number in range(count)])


@pytest.mark.parametrize(("time", "kind"), [(20_000, None), (2000, DefectKind.CONSTRAINTS_NOT_EVALUATED)])
def test_constraints_that_are_not_paid_for_are_not_evaluated(time: int, kind: DefectKind | None) -> None:
    constraints = x509.NameConstraints([x509.DNSName("example.com")], None)
    ca = SITE.root.issue("Constrained", ca=True, extensions=[constraints])
    paths = complete_paths(
        _read(ca.issue(HOST, extensions=[_names(200)])), (_read(ca),), PUBLIC, budget=Budget(microseconds=time)
    )
    best = paths.at(NOW).best
    assert [defect.kind for defect in best.defects] == ([kind] if kind else [])
    assert best.path_class is (PathClass.POSSIBLE if kind else PathClass.USABLE)
    assert bool(paths.limits_reached) is bool(kind)
    assert paths.complete, "no path was left out"


# Which certificate is the leaf

STRANGER = _read(make_root("Stranger"))


@pytest.mark.parametrize(
    ("chain", "leaf"),
    [
        ((LEAF, INTERMEDIATE, ROOT), 0),
        ((ROOT, INTERMEDIATE, LEAF), 2),
        ((INTERMEDIATE, LEAF), 1),
        ((INTERMEDIATE, STRANGER, LEAF), 2),
        ((STRANGER, LEAF), 0),
        ((read_certificate(b"unreadable"), LEAF), 0),
        ((), 0),
    ],
)
def test_the_leaf_is_first_unless_the_first_signed_another(chain: tuple[Certificate, ...], leaf: int) -> None:
    assert find_leaf(chain, HOST) == leaf


def test_looking_for_the_leaf_is_paid_for_as_well(verified: list[bytes]) -> None:
    budget = Budget()
    assert find_leaf(_namesakes(40), HOST, budget=budget) == 0
    assert len(verified) == 100 - budget.checks <= 100


LIMITS: tuple[tuple[str, Callable[[Budget], int], int], ...] = (
    ("checks", lambda budget: budget.checks, 100),
    ("microseconds", lambda budget: budget.microseconds, 20_000),
    ("steps", lambda budget: budget.steps, 300),
    ("paths", lambda budget: budget.paths, 40),
    ("depth", lambda budget: budget.depth, 10),
)


@pytest.mark.parametrize(("_", "limit", "most"), LIMITS, ids=[name for name, *_ in LIMITS])
def test_the_limits_are_no_higher_than_what_was_measured_to_be_quick(
    _: str, limit: Callable[[Budget], int], most: int
) -> None:
    assert 0 < limit(Budget()) <= most
