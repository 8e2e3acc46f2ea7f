"""Certificates as they are, chains as they were sent, and the paths that signatures make of them."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.x509.certificate import (
    Anchor,
    Certificate,
    Element,
    Link,
    TrustAnchors,
    UnreadableCertificate,
    build_path,
    check_link,
    connected_to_leaf,
    find_leaf,
    outside_validity,
    read_certificate,
)
from tests.authority import (
    NOW,
    Issued,
    certificate_with_serial_zero,
    cross_sign,
    explicit_ec_certificate,
    make_root,
    make_site,
    new_key,
    pss_certificate,
    self_signed,
    sha1_signed,
)

SITE = make_site()
STRANGER = make_root("Stranger")


def _read(*issued: Issued | bytes) -> tuple[Element, ...]:
    ders = [one if isinstance(one, bytes) else one.der for one in issued]
    return tuple(read_certificate(der, position=position) for position, der in enumerate(ders))


def _certificate(issued: Issued | bytes) -> Certificate:
    element = _read(issued)[0]
    assert isinstance(element, Certificate)
    return element


LEAF, INTERMEDIATE, ROOT = (_certificate(issued) for issued in (SITE.leaf, SITE.intermediate, SITE.root))
PUBLIC = TrustAnchors(public=(ROOT,))


def test_a_certificate_tells_what_stands_in_it() -> None:
    assert LEAF.subject == "CN=www.example.com"
    assert LEAF.issuer == INTERMEDIATE.subject
    assert LEAF.names == ("www.example.com",)
    assert LEAF.issuer_common_name == "Test Intermediate"
    assert LEAF.issuer_organizations == ("Test Trust Services",)
    assert LEAF.fingerprint == hashlib.sha256(SITE.leaf.der).digest()
    assert str(LEAF.pin) == SITE.leaf.pin
    assert LEAF.signature_hash == "sha256"
    assert (LEAF.self_issued, ROOT.self_issued) == (False, True)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("p256", "EC secp256r1"), ("p384", "EC secp384r1"), ("rsa2048", "RSA 2048"), ("ed25519", "Ed25519")],
)
def test_a_certificate_tells_the_kind_of_its_key(kind: str, told: str) -> None:
    assert _certificate(self_signed(key=new_key(kind))).key_kind == told


def test_a_key_that_the_library_knows_not_has_no_kind() -> None:
    ec_public_key, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209")
    assert _certificate(self_signed().der.replace(ec_public_key, unknown)).key_kind is None


@pytest.mark.parametrize(
    "der",
    [
        certificate_with_serial_zero(),
        pss_certificate(),
        explicit_ec_certificate(),
        make_root(key=new_key("ed25519")).der,
    ],
    ids=["serial zero", "RSASSA-PSS", "explicit EC", "Ed25519"],
)
def test_odd_certificates_are_read_and_verify_themselves(der: bytes) -> None:
    certificate = _certificate(der)
    assert check_link(certificate, certificate) is Link.SIGNED
    assert certificate.subject


def test_what_cannot_be_read_is_a_value_with_place_and_reason() -> None:
    element = read_certificate(b"no certificate", position=3)
    assert isinstance(element, UnreadableCertificate)
    assert (element.position, element.pin) == (3, None)
    assert "byte" in element.reason
    assert element.fingerprint == hashlib.sha256(b"no certificate").digest()
    assert UnreadableCertificate(0, "the text is empty").fingerprint is None


def test_a_date_that_cannot_be_read_hides_nothing_else() -> None:
    refused = _certificate(SITE.leaf.der.replace(b"\x17\x0d26", b"\x17\x0d2x", 1))  # a year that is none
    assert (refused.not_before, refused.not_after) == (None, LEAF.not_after)
    assert (refused.pin, refused.names, refused.subject) == (LEAF.pin, LEAF.names, LEAF.subject)
    [part] = refused.unreadable_parts
    assert part.part == "not_before"
    assert "2x" in part.reason


def test_an_extension_that_cannot_be_read_costs_only_itself() -> None:
    broken = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x03\x82\x05a")
    certificate = _certificate(make_root().issue("www.example.com", extensions=[broken]))
    assert certificate.names == ()
    assert certificate.common_name == "www.example.com"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_certificate_or_a_reason(data: bytes) -> None:
    element = read_certificate(data)
    assert isinstance(element, Certificate) or element.reason


@given(st.integers(0, len(SITE.leaf.der) - 1), st.integers(0, 255))
def test_one_wrong_byte_never_raises_anywhere(position: int, value: int) -> None:
    element = read_certificate(SITE.leaf.der[:position] + bytes((value,)) + SITE.leaf.der[position + 1 :])
    chain = (element, INTERMEDIATE, ROOT)
    assert build_path(chain, PUBLIC).positions in ((), (0,), (0, 1), (0, 1, 2))
    if isinstance(element, Certificate):
        assert (element.subject, element.issuer, element.names, element.covers("www.example.com")) is not None


@pytest.mark.parametrize(
    ("host", "names", "covered"),
    [
        ("www.example.com", ["www.example.com"], True),
        ("www.example.com", ["*.example.com"], True),
        ("www.example.com", ["example.com"], False),
        ("www.example.com", [], True),
        ("other.example.com", [], False),
    ],
)
def test_the_common_name_counts_only_without_a_subject_alternative_name(
    host: str, names: list[str], covered: bool
) -> None:
    assert _certificate(make_root().issue("www.example.com", names=names)).covers(host) is covered


def test_a_signature_joins_two_certificates_and_a_name_alone_does_not() -> None:
    impostor = make_root().issue("Test Intermediate", ca=True, organization="Test Trust Services")
    assert check_link(LEAF, INTERMEDIATE) is Link.SIGNED
    assert check_link(LEAF, ROOT) is Link.NOT_SIGNED
    assert check_link(LEAF, _certificate(impostor)) is Link.NOT_SIGNED


def test_a_sha1_signature_is_not_checkable_and_not_called_forged() -> None:
    leaf, root = map(_certificate, sha1_signed())
    assert check_link(leaf, root) is Link.NOT_CHECKABLE
    path = build_path((leaf, root), TrustAnchors(public=(root,)))
    assert (path.anchor, path.checkable) == (Anchor.PUBLIC, False)
    assert connected_to_leaf((leaf, root)) == {0}


@pytest.mark.parametrize(
    ("chain", "anchors", "positions", "anchor"),
    [
        ((SITE.leaf, SITE.intermediate, SITE.root), PUBLIC, (0, 1, 2), Anchor.PUBLIC),
        ((SITE.leaf, SITE.intermediate), PUBLIC, (0, 1), Anchor.PUBLIC),
        ((SITE.leaf, SITE.root, SITE.intermediate), PUBLIC, (0, 2, 1), Anchor.PUBLIC),
        ((SITE.leaf, STRANGER, SITE.intermediate), PUBLIC, (0, 2), Anchor.PUBLIC),
        ((SITE.leaf, SITE.intermediate, SITE.root), TrustAnchors(operator=(ROOT,)), (0, 1, 2), Anchor.OPERATOR),
        ((SITE.leaf, SITE.intermediate, SITE.root), TrustAnchors(), (0, 1, 2), Anchor.PRIVATE),
        ((SITE.leaf, SITE.intermediate), TrustAnchors(), (0, 1), Anchor.UNKNOWN),
        ((SITE.leaf,), PUBLIC, (0,), Anchor.UNKNOWN),
        ((SITE.leaf, SITE.root), PUBLIC, (0,), Anchor.UNKNOWN),
        ((self_signed(),), PUBLIC, (0,), Anchor.PRIVATE),
        ((), PUBLIC, (), Anchor.UNKNOWN),
        ((b"unreadable", SITE.intermediate), PUBLIC, (), Anchor.UNKNOWN),
    ],
)
def test_a_path_follows_signatures_to_where_they_end(
    chain: tuple[Issued | bytes, ...], anchors: TrustAnchors, positions: tuple[int, ...], anchor: Anchor
) -> None:
    path = build_path(_read(*chain), anchors)
    assert (path.positions, path.anchor) == (positions, anchor)


def test_the_anchor_that_was_not_sent_still_has_a_pin() -> None:
    path = build_path(_read(SITE.leaf, SITE.intermediate), PUBLIC)
    assert path.anchor_pin == ROOT.pin
    assert path.anchor_subject == ROOT.subject


def test_a_cross_signed_root_is_another_certificate_with_the_same_pin() -> None:
    other = make_root("Older Root")
    crossed = _certificate(cross_sign(SITE.root, other))
    assert crossed.pin == ROOT.pin
    assert crossed != ROOT
    assert crossed.fingerprint != ROOT.fingerprint
    assert PUBLIC.kind_of(crossed) is Anchor.PUBLIC
    path = build_path((LEAF, INTERMEDIATE, crossed, _certificate(other)), PUBLIC)
    assert path.positions == (0, 1, 2), "the path ends at the key that is trusted"


def test_signatures_that_go_round_in_a_circle_end() -> None:
    one, two = make_root("One"), make_root("Two")
    circle = _read(cross_sign(one, two), cross_sign(two, one))
    assert build_path(circle, TrustAnchors()).positions == (0, 1)
    assert connected_to_leaf(circle) == {0, 1}


def test_what_is_merely_appended_is_not_joined_to_the_leaf() -> None:
    assert connected_to_leaf(_read(SITE.leaf, SITE.intermediate, STRANGER, SITE.root)) == {0, 1, 3}


@pytest.mark.parametrize(
    ("chain", "leaf"),
    [
        ((SITE.leaf, SITE.intermediate, SITE.root), 0),
        ((SITE.root, SITE.intermediate, SITE.leaf), 2),
        ((SITE.intermediate, SITE.leaf), 1),
        ((SITE.intermediate, STRANGER, SITE.leaf), 2),
        ((STRANGER, SITE.leaf), 0),
        ((b"unreadable", SITE.leaf), 0),
        ((), 0),
    ],
)
def test_the_leaf_is_first_unless_the_first_signed_another(chain: tuple[Issued | bytes, ...], leaf: int) -> None:
    assert find_leaf(_read(*chain), "www.example.com") == leaf


def test_validity_is_asked_of_an_instant() -> None:
    chain = _read(SITE.leaf, SITE.intermediate)
    assert outside_validity(chain, (0, 1), NOW) == ()
    assert outside_validity(chain, (0, 1), NOW + timedelta(days=100)) == (0,)
    assert outside_validity(chain, (1,), NOW + timedelta(days=100)) == ()
    assert outside_validity(chain, (0, 1), NOW - timedelta(days=10_000)) == (0, 1)
    assert replace(PUBLIC, operator=(INTERMEDIATE,)).kind_of(INTERMEDIATE) is Anchor.OPERATOR
