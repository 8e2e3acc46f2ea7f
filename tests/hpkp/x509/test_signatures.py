"""Links between two certificates: what is verified, and what is not verified with."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.signatures import Link, check_link, cost_of_link, verify_link
from tests.support.authority import (
    Issued,
    certificate_for_key,
    certificate_with_serial_zero,
    explicit_ec_certificate,
    make_root,
    make_site,
    new_key,
    pss_certificate,
    self_signed,
    sha1_signed,
    sign_again,
    sign_with_md5,
)

SITE = make_site()
_MODULUS = (1 << 3071) + 12345


def _read(issued: Issued | bytes) -> Certificate:
    element = read_certificate(issued if isinstance(issued, bytes) else issued.der)
    assert isinstance(element, Certificate)
    return element


LEAF, INTERMEDIATE, ROOT = map(_read, (SITE.leaf, SITE.intermediate, SITE.root))


@pytest.mark.parametrize(
    "der",
    [
        certificate_with_serial_zero(),
        pss_certificate(),
        explicit_ec_certificate(),
        *(make_root(key=new_key(kind)).der for kind in ("p384", "rsa2048", "ed25519")),
    ],
    ids=["serial number zero", "RSASSA-PSS", "explicit EC", "P-384", "RSA", "Ed25519"],
)
def test_the_usual_and_the_odd_verify_themselves(der: bytes) -> None:
    assert check_link(_read(der), _read(der)) is Link.SIGNED


def test_a_name_alone_is_no_link_and_neither_is_a_key_alone() -> None:
    impostor = make_root().issue("Test Intermediate", ca=True, organization="Test Trust Services")
    renamed = make_root("Renamed", key=SITE.intermediate.key)
    assert check_link(LEAF, INTERMEDIATE) is Link.SIGNED
    assert check_link(LEAF, ROOT) is Link.NOT_SIGNED
    assert check_link(LEAF, _read(impostor)) is Link.NOT_SIGNED
    assert check_link(LEAF, _read(renamed)) is Link.NOT_SIGNED


def test_one_changed_octet_is_enough() -> None:
    for position in (40, len(LEAF.der) // 2, len(LEAF.der) - 1):
        changed = LEAF.der[:position] + bytes((LEAF.der[position] ^ 1,)) + LEAF.der[position + 1 :]
        element = read_certificate(changed)
        assert not isinstance(element, Certificate) or check_link(element, INTERMEDIATE) is not Link.SIGNED


def test_weak_hashes_are_checked_and_told() -> None:
    leaf, root = map(_read, sha1_signed())
    assert (verify_link(leaf, root).link, verify_link(leaf, root).detail) == (Link.SIGNED_WEAKLY, "sha1")
    forged = _read(leaf.der[:-1] + bytes((leaf.der[-1] ^ 1,)))
    assert check_link(forged, root) is Link.NOT_SIGNED
    rsa_root = make_root(key=new_key("rsa2048"))
    md5 = verify_link(_read(sign_with_md5(rsa_root.issue(), rsa_root)), _read(rsa_root))
    assert (md5.link, md5.detail) == (Link.SIGNED_WEAKLY, "md5")


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (rsa.RSAPublicNumbers((1 << 3063) + 1, _MODULUS), "exponent of 3064 bits"),
        (rsa.RSAPublicNumbers((1 << 33) + 1, _MODULUS), "exponent of 34 bits"),
        (rsa.RSAPublicNumbers(3, (1 << 8192) + 3), "RSA of 8193 bits"),
        (rsa.RSAPublicNumbers(3, (1 << 1022) + 3), "RSA of 1023 bits"),
    ],
)
def test_keys_that_are_dear_or_worthless_are_not_verified_with(numbers: rsa.RSAPublicNumbers, reason: str) -> None:
    issuer = _read(certificate_for_key(numbers.public_key(), "Test Root", SITE.root))
    child = _read(make_root("Test Root", organization=None).issue())
    verification = verify_link(child, issuer)
    assert verification.link is Link.NOT_CHECKABLE
    assert reason in verification.detail
    assert cost_of_link(child, issuer) == 0


def test_a_key_made_no_signature_of_another_kind() -> None:
    rsa_issuer = _read(make_root(key=new_key("rsa2048")))
    child = _read(make_root().issue())
    assert verify_link(child, rsa_issuer).link is Link.NOT_SIGNED


def test_a_key_for_pss_alone_verifies_no_other_signature() -> None:
    pss = _read(pss_certificate())
    key = new_key("rsa2048")
    child = _read(self_signed(key=key))
    assert "RSASSA-PSS alone" in verify_link(child, pss).detail


def test_what_is_signed_must_name_the_algorithm_that_is_named_outside() -> None:
    sha256, sha384 = (bytes.fromhex(f"06082a8648ce3d0403{end}") for end in ("02", "03"))
    child = _read(sign_again(SITE.leaf, SITE.intermediate, lambda tbs: tbs.replace(sha256, sha384)))
    assert "not the same" in verify_link(child, INTERMEDIATE).detail


def test_a_child_costs_what_its_issuers_key_and_its_size_cost() -> None:
    small, large = (_read(make_root(key=new_key(kind))) for kind in ("p256", "p384"))
    child = _read(make_root().issue())
    assert 0 < cost_of_link(child, small) < cost_of_link(child, large)
    assert check_link(child, small) is Link.NOT_SIGNED
    assert cost_of_link(child, small) > 0, "the same whether the answer is kept or not"
