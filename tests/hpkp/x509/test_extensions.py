"""Extensions, each read on its own and as leniently as clients do."""

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.extensions import BasicConstraints, UnreadablePart
from tests.support.authority import make_root, make_site

BASIC, SAN = ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.SUBJECT_ALTERNATIVE_NAME


def _with(oid: x509.ObjectIdentifier, value: str) -> Certificate:
    extension = x509.UnrecognizedExtension(oid, bytes.fromhex(value))
    element = read_certificate(make_root().issue(extensions=[extension]).der)
    assert isinstance(element, Certificate)
    return element


@pytest.mark.parametrize(
    ("value", "constraints"),
    [
        ("3000", BasicConstraints(ca=False)),
        ("3003010100", BasicConstraints(ca=False)),
        ("30030101ff", BasicConstraints(ca=True)),
        ("3003010101", BasicConstraints(ca=True)),
        ("30060101ff020103", BasicConstraints(ca=True, path_length=3)),
        ("3003020100", BasicConstraints(ca=False, path_length=0)),
        ("300d0101ff02087fffffffffffffff", BasicConstraints(ca=True, path_length=255)),
        ("30060101ff0201ff", None),
        ("30050101ff0200", None),
        ("30040402ffff", None),
        ("3000aa", None),
        ("", None),
    ],
)
def test_basic_constraints_are_read_as_clients_read_them(value: str, constraints: BasicConstraints | None) -> None:
    read = _with(BASIC, value).basic_constraints
    assert read == constraints if constraints else isinstance(read, UnreadablePart)


@pytest.mark.parametrize(
    ("value", "signs"),
    [
        ("03020204", True),
        ("03020106", True),
        ("030205a0", False),
        ("030100", False),
        ("0300", None),
        ("03020804", None),
    ],
)
def test_the_right_to_sign_certificates_is_the_sixth_bit(value: str, signs: bool | None) -> None:
    read = _with(ExtensionOID.KEY_USAGE, value).may_sign_certificates
    assert read is signs if signs is not None else isinstance(read, UnreadablePart)


def test_one_malformed_name_hides_no_other() -> None:
    certificate = _with(SAN, "3014" + "8203612e62" + "8202c3a4" + "870101" + "8704c0000201" + "a000")
    assert certificate.names == ("a.b", "192.0.2.1")
    assert [part.reason for part in certificate.unreadable_parts] == [
        "malformed dNSName at byte 9",
        "malformed iPAddress at byte 13",
    ]
    assert certificate.covers("a.b") is True
    assert certificate.covers("other") is None


def test_a_name_that_runs_over_hides_only_what_follows() -> None:
    certificate = _with(SAN, "300a" + "8203612e62" + "827f612e62")
    assert certificate.names == ("a.b",)
    assert certificate.covers("x.y") is None


def test_no_more_names_are_read_than_anybody_has() -> None:
    names = b"\x82\x01a" * 5001
    size = len(names)
    certificate = _with(SAN, (b"\x30\x82" + size.to_bytes(2, "big") + names).hex())
    assert len(certificate.names) == 5000
    assert [part.reason for part in certificate.unreadable_parts] == ["more than 5000 names"]


def test_a_malformed_extension_is_listed_and_the_others_are_read() -> None:
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"")
    der = make_site(extensions=[broken]).leaf.der
    mangled = der.replace(b"\x30\x07\x06\x03\x2a\x03\x04\x04\x00", b"\x30\x07\x04\x03\x2a\x03\x04\x04\x00")
    certificate = read_certificate(mangled)
    assert isinstance(certificate, Certificate)
    [part] = certificate.unreadable_parts
    assert part.part.startswith("extension at position")
    assert certificate.names == ("www.example.com",)
    assert certificate.covers("www.example.com")
