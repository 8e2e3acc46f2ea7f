"""Certificates, part by part."""

import hashlib

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.x509.certificate import Certificate, Element, UnreadableCertificate, pins_of, read_certificate
from tests.support.authority import (
    Issued,
    certificate_with_serial,
    explicit_ec_certificate,
    make_root,
    make_site,
    new_key,
    pss_certificate,
    self_signed,
)

SITE = make_site()


def _read(*issued: Issued | bytes) -> tuple[Element, ...]:
    ders = [one if isinstance(one, bytes) else one.der for one in issued]
    return tuple(read_certificate(der, position=position) for position, der in enumerate(ders))


def _certificate(issued: Issued | bytes) -> Certificate:
    element = _read(issued)[0]
    assert isinstance(element, Certificate)
    return element


LEAF, INTERMEDIATE, ROOT = (_certificate(issued) for issued in (SITE.leaf, SITE.intermediate, SITE.root))


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


@pytest.mark.parametrize("serial", [0, -1, 2**159, 2**500])
def test_a_serial_number_is_told_as_it_is(serial: int) -> None:
    assert _certificate(certificate_with_serial(serial)).serial_number == serial


def test_a_serial_number_beyond_all_measure_hides_nothing_else() -> None:
    certificate = _certificate(certificate_with_serial(2**600))
    assert certificate.serial_number is None
    assert [part.part for part in certificate.unreadable_parts] == ["serial_number"]
    assert certificate.names == ("www.example.com",)


@pytest.mark.parametrize("der", [pss_certificate(), explicit_ec_certificate()], ids=["RSASSA-PSS", "explicit EC"])
def test_odd_keys_hide_nothing(der: bytes) -> None:
    certificate = _certificate(der)
    assert certificate.unreadable_parts == ()
    assert certificate.key_kind in ("RSA 2048", "EC secp256r1")


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


def test_the_pins_of_a_chain_are_those_of_all_that_have_one() -> None:
    pinned = UnreadableCertificate(1, "odd", b"\x30", ROOT.pin)
    assert pins_of((LEAF, pinned, UnreadableCertificate(2, "nothing"))) == {LEAF.pin, ROOT.pin}
    assert pins_of(()) == frozenset()


@pytest.mark.parametrize(
    ("year", "part"), [(b"\x18\x0f00000101000000Z", "year 0"), (b"\x17\x0d260231000000Z", "day is out of range")]
)
def test_a_day_that_is_in_no_calendar_is_a_reason(year: bytes, part: str) -> None:
    start = LEAF.der.index(b"\x17\x0d")
    changed = LEAF.der[:start] + year + LEAF.der[start + 15 :]
    lengths = len(year) - 15
    if lengths:  # the validity, the signed part and the whole grow by two bytes
        changed = _lengthen(changed, start, lengths)
    certificate = _certificate(changed)
    assert certificate.not_before is None
    assert part in certificate.unreadable_parts[0].reason
    assert certificate.not_after == LEAF.not_after
    assert certificate.validity_text.startswith("an unreadable date to 20")


def _lengthen(der: bytes, validity: int, by: int) -> bytes:
    changed = bytearray(der)
    changed[validity - 1] += by
    for at in (2, 6):
        changed[at : at + 2] = (int.from_bytes(changed[at : at + 2], "big") + by).to_bytes(2, "big")
    return bytes(changed)
