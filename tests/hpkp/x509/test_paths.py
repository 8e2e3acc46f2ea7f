"""Every path from a leaf: where it ends, what is wrong with it at a moment, and on which paths a pin is."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hpkp.x509.anchors import Anchor, KnownCertificates, RootDeparture, StoredRoot
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.path_defects import DATES, DefectKind, PathClass
from app.hpkp.x509.paths import AssessedPath, PathsAt, Presence, complete_paths
from tests.support.authority import (
    NOW,
    Issued,
    cross_certificate,
    make_root,
    make_site,
    new_key,
    self_signed,
    sha1_signed,
    sign_again,
    sign_with_md5,
)

HOST = "www.example.com"
USABLE, POSSIBLE, UNVERIFIED, BROKEN = PathClass


def read(issued: Issued | bytes) -> Certificate:
    element = read_certificate(issued if isinstance(issued, bytes) else issued.der)
    assert isinstance(element, Certificate)
    return element


SITE = make_site()
LEAF, INTERMEDIATE, ROOT = read(SITE.leaf), read(SITE.intermediate), read(SITE.root)
PUBLIC = KnownCertificates(public=(ROOT,))
STRANGER = read(make_root("Stranger"))
OLDER = make_root("Older Root")
CROSS = read(cross_certificate(SITE.root, OLDER))
EXPIRED_CROSS = read(cross_certificate(SITE.root, OLDER, not_after=NOW - timedelta(days=1)))


def paths_of(
    leaf: Issued | bytes | Certificate,
    sent: Iterable[Issued | bytes | Certificate] = (INTERMEDIATE,),
    known: KnownCertificates = PUBLIC,
    *,
    at: datetime = NOW,
    host: str | None = None,
) -> PathsAt:
    leaf, *rest = (one if isinstance(one, Certificate) else read(one) for one in (leaf, *sent))
    return complete_paths(leaf, rest, known).at(at, host=host)


def best_of(*arguments: object, **more: object) -> AssessedPath:
    return paths_of(*arguments, **more).best  # type: ignore[arg-type]


def kinds_of(path: AssessedPath) -> list[DefectKind]:
    return [defect.kind for defect in path.defects]


# Where paths end


def test_a_root_that_was_not_sent_is_completed() -> None:
    [path] = paths_of(LEAF).paths
    assert path.certificates == (LEAF, INTERMEDIATE, ROOT)
    assert (path.anchor, path.path_class, path.defects) == (Anchor.PUBLIC, USABLE, ())
    assert path.pins == {LEAF.pin, INTERMEDIATE.pin, ROOT.pin}


def test_an_intermediate_that_was_not_sent_is_completed_from_what_is_known() -> None:
    known = KnownCertificates(public=(ROOT,), intermediates=(INTERMEDIATE,))
    assert best_of(LEAF, (), known).certificates == (LEAF, INTERMEDIATE, ROOT)
    path = best_of(LEAF, ())
    assert (path.certificates, path.anchor, path.path_class) == ((LEAF,), Anchor.UNKNOWN, UNVERIFIED)


@given(st.permutations([LEAF, INTERMEDIATE, ROOT, STRANGER, INTERMEDIATE, CROSS]), st.integers(0, 6))
@settings(max_examples=30)
def test_order_duplicates_and_superfluous_certificates_change_nothing(sent: list[Certificate], cut: int) -> None:
    paths = paths_of(LEAF, (*sent[:cut], *sent, INTERMEDIATE))
    assert paths.best.certificates == (LEAF, INTERMEDIATE, ROOT)
    [path] = paths.paths
    assert (path.path_class, path.anchor) == (USABLE, Anchor.PUBLIC)


def test_a_cross_signed_root_makes_a_second_path_for_clients_without_the_root() -> None:
    known = KnownCertificates(public=(ROOT, read(OLDER)))
    paths = paths_of(LEAF, (INTERMEDIATE, CROSS), known)
    assert [path.certificates for path in paths.paths] == [
        (LEAF, INTERMEDIATE, ROOT),
        (LEAF, INTERMEDIATE, CROSS, read(OLDER)),
    ]
    assert {path.path_class for path in paths.paths} == {USABLE}
    assert paths.presence([ROOT.pin]) is Presence.EVERY
    assert paths.presence([read(OLDER).pin]) is Presence.SOME
    assert paths.presence([STRANGER.pin]) is Presence.NONE


def test_an_expired_superfluous_cross_certificate_is_a_broken_path_beside_a_usable_one() -> None:
    known = KnownCertificates(public=(ROOT, read(OLDER)))
    usable, broken = paths_of(LEAF, (INTERMEDIATE, EXPIRED_CROSS), known).paths
    assert (usable.certificates, usable.path_class) == ((LEAF, INTERMEDIATE, ROOT), USABLE)
    assert (kinds_of(broken), broken.path_class) == ([DefectKind.EXPIRED], BROKEN)
    assert broken.class_without(DATES) is USABLE


def test_of_two_certificates_of_one_name_and_key_the_one_valid_then_speaks() -> None:
    renewed = read(cross_certificate(SITE.root, OLDER))
    known = KnownCertificates(public=(read(OLDER),))
    for sent in itertools.permutations((INTERMEDIATE, EXPIRED_CROSS, renewed)):
        best = best_of(LEAF, sent, known)
        assert (best.certificates[2], best.path_class) == (renewed, USABLE)


def test_a_path_may_end_at_an_intermediate_that_the_operator_names() -> None:
    known = KnownCertificates(operator=(INTERMEDIATE,), public=(ROOT,))
    short, long = sorted(paths_of(LEAF, (), known).paths, key=lambda path: len(path.certificates))
    assert (short.certificates, short.anchor, short.path_class) == ((LEAF, INTERMEDIATE), Anchor.OPERATOR, USABLE)
    assert (long.certificates, long.anchor) == ((LEAF, INTERMEDIATE, ROOT), Anchor.PUBLIC)


def test_a_leaf_is_an_anchor_only_if_the_operator_names_it() -> None:
    leaf = read(self_signed())
    assert best_of(leaf, (), KnownCertificates(operator=(leaf,))).anchor is Anchor.OPERATOR
    assert best_of(leaf, (), KnownCertificates(public=(leaf,))).anchor is Anchor.PRIVATE


def test_a_self_signed_root_in_no_store_is_private() -> None:
    path = best_of(LEAF, (INTERMEDIATE, ROOT), KnownCertificates())
    assert (path.certificates, path.anchor, path.path_class) == ((LEAF, INTERMEDIATE, ROOT), Anchor.PRIVATE, UNVERIFIED)


def test_a_certificate_that_only_says_that_it_signed_itself_is_not_private_but_unknown() -> None:
    forged = ROOT.der[:-1] + bytes((ROOT.der[-1] ^ 1,))
    assert best_of(LEAF, (INTERMEDIATE, forged), KnownCertificates()).anchor is Anchor.UNKNOWN


def test_an_anchor_is_a_name_and_a_key_whatever_its_certificate_says() -> None:
    odd = make_root("Odd Root", key=SITE.root.key)
    no_ca = read(sign_again(self_signed("Odd Root", key=SITE.root.key), SITE.root))
    leaf = make_root("Odd Root", organization=None, key=SITE.root.key).issue(HOST)
    assert best_of(leaf, (), KnownCertificates(public=(no_ca,))).path_class is USABLE
    assert best_of(leaf, (), KnownCertificates(public=(read(odd),))).path_class is UNVERIFIED, "another name"


def test_a_forged_link_is_no_link() -> None:
    forged = SITE.leaf.der[:-2] + b"\x00\x01"
    path = best_of(forged, (INTERMEDIATE,))
    assert (path.certificates, path.anchor) == ((read(forged),), Anchor.UNKNOWN)


def test_a_leaf_that_only_names_a_public_root_gets_no_trust_from_it() -> None:
    forger = make_root("Test Root")
    path = best_of(forger.issue(HOST), (ROOT,))
    assert (path.anchor, path.path_class, len(path.certificates)) == (Anchor.UNKNOWN, UNVERIFIED, 1)


# Moments


def test_a_root_is_public_for_the_time_that_it_was_in_the_store() -> None:
    departure = RootDeparture(date(2026, 4, 9), "removed", "no longer audited", 2017453)
    known = KnownCertificates(former=(StoredRoot(ROOT, date(2015, 1, 1), departure),))
    before, after = (best_of(LEAF, known=known, at=at) for at in (datetime(2026, 4, 8, tzinfo=UTC), NOW))
    assert (before.anchor, kinds_of(before)) == (Anchor.PUBLIC, [DefectKind.NOT_YET_VALID])
    assert (after.anchor, after.path_class, after.departure) == (Anchor.FORMER_PUBLIC, POSSIBLE, departure)
    assert kinds_of(after) == [DefectKind.FORMER_ANCHOR]


def test_a_root_that_the_operator_names_is_an_anchor_after_it_left_the_store() -> None:
    span = StoredRoot(ROOT, None, RootDeparture(date(2020, 1, 1), "removed", "weak key"))
    known = KnownCertificates(former=(span,), operator=(ROOT,))
    assert (best_of(LEAF, known=known).anchor, best_of(LEAF, known=known).path_class) == (Anchor.OPERATOR, USABLE)


def test_an_anchor_that_was_no_longer_trusted_for_new_leaves_makes_a_possible_path() -> None:
    departure = RootDeparture(date(2030, 1, 1), "removed", "late", 1, distrust_after=datetime(2026, 1, 1, tzinfo=UTC))
    known = KnownCertificates(former=(StoredRoot(ROOT, None, departure),))
    new, old = (best_of(leaf, known=known) for leaf in (LEAF, _issue(not_before=datetime(2025, 12, 1, tzinfo=UTC))))
    assert (kinds_of(new), new.path_class) == ([DefectKind.DISTRUSTED_AFTER], POSSIBLE)
    assert (kinds_of(old), old.path_class) == ([], USABLE)


def test_an_expired_anchor_makes_a_possible_path() -> None:
    root = make_root(not_after=NOW - timedelta(days=1))
    path = best_of(root.issue(HOST), (), KnownCertificates(public=(read(root),)))
    assert (kinds_of(path), path.path_class) == ([DefectKind.ANCHOR_EXPIRED], POSSIBLE)


def test_the_last_second_of_the_validity_counts_to_its_end() -> None:
    end = LEAF.not_after
    assert end is not None
    assert best_of(LEAF, at=end + timedelta(microseconds=999_999)).path_class is USABLE
    assert kinds_of(best_of(LEAF, at=end + timedelta(seconds=1))) == [DefectKind.EXPIRED]


def test_a_leaf_of_the_future_is_not_yet_valid() -> None:
    begin = LEAF.not_before
    assert begin is not None
    assert kinds_of(best_of(LEAF, at=begin - timedelta(seconds=1))) == [DefectKind.NOT_YET_VALID]


def test_a_date_that_cannot_be_read_leaves_the_path_unverified() -> None:
    leaf = sign_again(SITE.leaf, SITE.intermediate, lambda tbs: tbs.replace(b"\x17\x0d26", b"\x17\x0d2x", 1))
    path = best_of(leaf)
    assert (kinds_of(path), path.path_class) == ([DefectKind.UNREADABLE], UNVERIFIED)


# Defects


def _issue(by: Issued = SITE.intermediate, **kwargs: object) -> Certificate:
    return read(by.issue(HOST, **kwargs))  # type: ignore[arg-type]


def _through(**kwargs: object) -> AssessedPath:
    """Assess a leaf below a CA of its own, that the usual intermediate issued."""
    ca = SITE.intermediate.issue("Sub CA", ca=bool(kwargs.pop("ca", True)), **kwargs)  # type: ignore[arg-type]
    return best_of(ca.issue(HOST), (ca, INTERMEDIATE))


UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
NO_CERT_SIGN = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
UNREADABLE_CONSTRAINTS = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\x30\x05")


@pytest.mark.parametrize(
    ("make", "kind", "path_class"),
    [
        (lambda: _through(), None, USABLE),
        (lambda: _through(ca=False), DefectKind.NOT_A_CA, BROKEN),
        (lambda: _through(extensions=[NO_CERT_SIGN]), DefectKind.MAY_NOT_SIGN, BROKEN),
        (
            lambda: _through(extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])]),
            DefectKind.NOT_FOR_SERVERS,
            BROKEN,
        ),
        (lambda: _through(extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]), None, USABLE),
        (lambda: _through(extensions=[UNKNOWN_EXTENSION]), None, USABLE),
        (lambda: _through(extensions=[UNKNOWN_EXTENSION], critical=True), DefectKind.CRITICAL_EXTENSION, BROKEN),
        (lambda: _through(extensions=[UNREADABLE_CONSTRAINTS]), DefectKind.UNREADABLE, UNVERIFIED),
        (lambda: _through(not_after=NOW - timedelta(days=1)), DefectKind.EXPIRED, BROKEN),
        (lambda: best_of(_issue(extensions=[UNKNOWN_EXTENSION], critical=True)), DefectKind.CRITICAL_EXTENSION, BROKEN),
    ],
)
def test_a_certificate_that_may_not_stand_there_breaks_the_path(
    make: Callable[[], AssessedPath], kind: DefectKind | None, path_class: PathClass
) -> None:
    path = make()
    assert path.path_class is path_class
    assert kind is None or kind in kinds_of(path)
    assert (kind is None) == (path.defects == ())
    assert path.top == ROOT, "the path is found all the same"


def test_an_extension_that_stands_twice_breaks_the_path() -> None:
    twice = [UNKNOWN_EXTENSION, x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"\x05\x00")]
    leaf = SITE.intermediate.issue(HOST, extensions=twice)
    der = sign_again(leaf, SITE.intermediate, lambda tbs: tbs.replace(b"\x06\x03\x2a\x03\x05", b"\x06\x03\x2a\x03\x04"))
    path = best_of(der)
    assert [(defect.kind, defect.detail) for defect in path.defects] == [(DefectKind.DUPLICATE_EXTENSION, "1.2.3.4")]


@pytest.mark.parametrize(
    ("allowed", "cas", "path_class"), [(0, 0, USABLE), (0, 1, BROKEN), (1, 1, USABLE), (1, 2, BROKEN)]
)
def test_a_path_longer_than_a_ca_allows_is_broken(allowed: int, cas: int, path_class: PathClass) -> None:
    ca = SITE.root.issue("Limited", ca=True, path_length=allowed)
    sent = [ca]
    for number in range(cas):
        sent.append(sent[-1].issue(f"CA {number}", ca=True))
    path = best_of(sent[-1].issue(HOST), sent)
    assert path.path_class is path_class
    assert path_class is USABLE or kinds_of(path) == [DefectKind.PATH_TOO_LONG]


def test_a_self_issued_ca_does_not_count_for_the_length() -> None:
    ca = SITE.root.issue("Limited", ca=True, path_length=0)
    rolled = ca.issue("Limited", ca=True)
    assert best_of(rolled.issue(HOST), (rolled, ca)).path_class is USABLE


def test_a_weak_hash_makes_a_possible_path_and_a_broken_one_an_unverified_path() -> None:
    leaf, root = map(read, sha1_signed())
    path = best_of(leaf, (), KnownCertificates(public=(root,)))
    assert (kinds_of(path), path.path_class) == ([DefectKind.SIGNED_WEAKLY], POSSIBLE)
    rsa_root = make_root("RSA Root", key=new_key("rsa2048"))
    md5 = sign_with_md5(rsa_root.issue(HOST), rsa_root)
    path = best_of(md5, (), KnownCertificates(public=(read(rsa_root),)))
    assert (kinds_of(path), path.path_class) == ([DefectKind.BROKEN_HASH], UNVERIFIED)


def test_an_algorithm_that_differs_inside_and_outside_confers_no_trust() -> None:
    inside = sign_again(
        SITE.leaf,
        SITE.intermediate,
        lambda tbs: tbs.replace(
            b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"
        ),
    )
    path = best_of(inside)
    assert (kinds_of(path), path.path_class, path.anchor) == ([DefectKind.NOT_CHECKABLE], UNVERIFIED, Anchor.PUBLIC)


def test_a_name_in_another_string_type_makes_a_possible_path() -> None:
    printable = sign_again(SITE.leaf, SITE.intermediate, lambda tbs: tbs.replace(b"\x0c\x11Test I", b"\x13\x11Test I"))
    path = best_of(printable)
    assert (kinds_of(path), path.path_class) == ([DefectKind.NAME_NORMALIZED], POSSIBLE)
    assert path.certificates[1:] == (INTERMEDIATE, ROOT)


def test_a_host_is_asked_of_the_leaf_alone() -> None:
    assert best_of(LEAF, host=HOST).path_class is USABLE
    assert kinds_of(best_of(LEAF, host="other.example.com")) == [DefectKind.HOST_NOT_COVERED]
    broken = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x03\x82\x05a")
    path = best_of(_issue(extensions=[broken]), host=HOST)
    assert (kinds_of(path), path.path_class) == ([DefectKind.HOST_UNREADABLE], UNVERIFIED)


def test_a_known_bad_key_anywhere_on_the_path_is_what_the_path_ends_at() -> None:
    known = KnownCertificates(public=(ROOT,), known_bad=frozenset({INTERMEDIATE.pin}))
    path = best_of(LEAF, known=known)
    assert (path.anchor, path.stored_as, path.path_class) == (Anchor.KNOWN_BAD, Anchor.PUBLIC, USABLE)
    assert known.anchor_kind(INTERMEDIATE, NOW) is Anchor.KNOWN_BAD


# Name constraints

ANY = (None, None)
Trees = tuple[list[str] | None, list[str] | None]


@pytest.mark.parametrize(
    ("trees", "names", "forbidden"),
    [
        ((["example.com"], None), ["www.example.com"], False),
        ((["example.com"], None), ["example.com"], False),
        ((["example.com"], None), ["*.example.com"], False),
        ((["www.example.com"], None), ["*.example.com"], True),
        ((["example.com"], None), ["www.example.com", "example.org"], True),
        ((["example.com"], None), ["badexample.com"], True),
        ((["EXAMPLE.com"], None), ["www.Example.COM"], False),
        ((["10.0.0.0/8"], None), ["www.example.com"], False),
        ((["10.0.0.0/8"], None), ["10.1.2.3"], False),
        ((["10.0.0.0/8"], None), ["192.0.2.1"], True),
        ((["10.0.0.0/8"], None), ["2001:db8::1"], True),
        ((None, ["example.com"]), ["www.example.com"], True),
        ((None, ["example.com"]), ["www.example.org"], False),
        ((None, ["mail.example.com"]), ["*.example.com"], True),
        ((None, ["a.mail.example.com"]), ["*.example.com"], False),
        ((None, ["2001:db8::/32"]), ["2001:db8::1"], True),
        ((["example.com"], ["bad.example.com"]), ["x.bad.example.com"], True),
        ((["example.com"], ["bad.example.com"]), ["good.example.com"], False),
    ],
)
def test_names_are_held_against_the_constraints_above_them(trees: Trees, names: list[str], forbidden: bool) -> None:
    constraints = x509.NameConstraints(*(None if tree is None else list(map(_general_name, tree)) for tree in trees))
    ca = SITE.root.issue("Constrained", ca=True, extensions=[constraints])
    leaf = ca.issue(HOST, extensions=[x509.SubjectAlternativeName(map(_general_name, names))])
    path = best_of(leaf, (ca,))
    assert kinds_of(path) == ([DefectKind.NAME_FORBIDDEN] if forbidden else [])
    assert path.path_class is (BROKEN if forbidden else USABLE)


def _general_name(text: str) -> x509.GeneralName:
    try:
        network = ip_network(text)
    except ValueError:
        return x509.DNSName(text)
    return x509.IPAddress(network if "/" in text else network.network_address)


def test_constraints_of_an_anchor_count_as_well() -> None:
    constraints = x509.NameConstraints([x509.DNSName("example.org")], None)
    anchor = make_root().issue("Anchor", ca=True, extensions=[constraints])
    path = best_of(anchor.issue(HOST), (), KnownCertificates(operator=(read(anchor),)))
    assert kinds_of(path) == [DefectKind.NAME_FORBIDDEN]


def test_constraints_that_cannot_be_read_make_a_possible_path() -> None:
    broken = x509.UnrecognizedExtension(
        x509.oid.ExtensionOID.NAME_CONSTRAINTS, bytes.fromhex("300aa0083006870401020304")
    )
    ca = SITE.root.issue("Constrained", ca=True, extensions=[broken])
    path = best_of(ca.issue(HOST), (ca,))
    assert (kinds_of(path), path.path_class) == ([DefectKind.CONSTRAINTS_NOT_EVALUATED], POSSIBLE)


# What is joined to the leaf, and presence


def test_sent_certificates_are_joined_by_verified_links_alone() -> None:
    paths = complete_paths(LEAF, (LEAF, STRANGER, INTERMEDIATE, ROOT), PUBLIC)
    assert paths.joined == {one.fingerprint for one in (LEAF, INTERMEDIATE, ROOT)}


def test_a_root_is_joined_through_an_intermediate_that_was_not_sent() -> None:
    known = KnownCertificates(public=(ROOT,), intermediates=(INTERMEDIATE,))
    assert complete_paths(LEAF, (ROOT,), known).joined == {LEAF.fingerprint, ROOT.fingerprint}


def test_the_leafs_own_pin_is_on_every_path_whatever_else_is_known() -> None:
    for known in (PUBLIC, KnownCertificates()):
        assert paths_of(LEAF, (), known).presence([LEAF.pin]) is Presence.EVERY
    assert paths_of(LEAF, (), KnownCertificates()).presence([ROOT.pin]) is Presence.UNKNOWN, "no usable path"


def test_presence_is_asked_of_classes() -> None:
    span = StoredRoot(read(OLDER), None, RootDeparture(date(2020, 1, 1), "removed", "old"))
    paths = paths_of(LEAF, (INTERMEDIATE, CROSS), KnownCertificates(public=(ROOT,), former=(span,)))
    assert paths.presence([read(OLDER).pin]) is Presence.NONE
    assert paths.presence([read(OLDER).pin], (USABLE, POSSIBLE)) is Presence.SOME
    assert paths.presence([INTERMEDIATE.pin], (USABLE, POSSIBLE)) is Presence.EVERY


def test_signatures_that_go_round_in_a_circle_end() -> None:
    one, two = make_root("One"), make_root("Two")
    circle = (cross_certificate(one, two), cross_certificate(two, one))
    [path] = paths_of(one.issue(HOST), circle, KnownCertificates()).paths
    assert (len(path.certificates), path.anchor) == (3, Anchor.UNKNOWN)
