"""Roles by basic constraints."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from app.catalog import load_known_certificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.certificate_role import Role, role_of
from tests.support.authority import cross_sign, make_root, make_site, self_signed, sha1_signed
from tests.support.openssl import run_openssl


def _read(der: bytes) -> Certificate:
    element = read_certificate(der)
    assert isinstance(element, Certificate)
    return element


def _version_1(directory: Path) -> bytes:
    """Make a self-signed certificate as they were before extensions."""
    key = directory / "key.pem"
    key.write_bytes(run_openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    request = run_openssl("req", "-new", "-key", str(key), "-subj", "/CN=Old Root")
    return run_openssl("x509", "-req", "-signkey", str(key), "-outform", "der", stdin=request)


def _of_unreadable_extensions() -> bytes:
    """Make a leaf with basic constraints that are no DER inside."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\x30\x05")
    return make_site(extensions=[broken]).leaf.der


@pytest.mark.parametrize(
    ("make", "role"),
    [
        (lambda: make_site().leaf.der, Role.LEAF),
        (lambda: make_site().intermediate.der, Role.INTERMEDIATE),
        (lambda: make_site().root.der, Role.TRUST_ANCHOR),
        (lambda: self_signed().der, Role.LEAF),
        (lambda: cross_sign(make_root("New Root"), by=make_root("Old Root")).der, Role.INTERMEDIATE),
        (lambda: sha1_signed()[1], Role.TRUST_ANCHOR),
        (_of_unreadable_extensions, Role.UNKNOWN),
    ],
    ids=["leaf", "intermediate", "root", "self-signed leaf", "cross-signed root", "SHA-1 root", "unreadable"],
)
def test_a_certificate_has_the_role_of_its_basic_constraints(make: Callable[[], bytes], role: Role) -> None:
    assert role_of(_read(make())) is role


def test_a_self_signed_certificate_of_version_1_is_a_trust_anchor(tmp_path: Path) -> None:
    certificate = _read(_version_1(tmp_path))
    assert certificate.version == 1
    assert role_of(certificate) is Role.TRUST_ANCHOR


def test_a_ca_that_only_takes_the_name_of_its_issuer_is_no_trust_anchor() -> None:
    root = make_root("Test Root")
    renamed = make_root("Test Root").issue("Test Root", ca=True, organization="Test Trust Services")
    assert root.certificate.subject == renamed.certificate.issuer == renamed.certificate.subject
    assert role_of(_read(renamed.der)) is Role.INTERMEDIATE


def test_every_root_of_the_public_bundle_is_a_trust_anchor() -> None:
    roots = load_known_certificates().public
    assert [root.subject for root in roots if role_of(root) is not Role.TRUST_ANCHOR] == []
