"""Files with keys as they lie on disks: revocation lists among them, broken blocks, texts of Windows."""

import codecs
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.errors import InvalidKey
from app.hpkp.x509.keys import HeldKey, find_keys, read_keys
from app.hpkp.x509.pem import decode_text
from tests.support.authority import NOW, make_site

SITE = make_site()
LEAF, ISSUER = SITE.leaf, SITE.intermediate
BROKEN = "-----BEGIN CERTIFICATE-----\nMIIB!broken\n-----END CERTIFICATE-----\n"


def _no_passphrase() -> bytes:
    raise AssertionError("nothing here is encrypted")


def _find(data: bytes) -> tuple[HeldKey | InvalidKey, ...]:
    return find_keys(data, passphrase=_no_passphrase)


def _revocations(*, revoked: int) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ISSUER.certificate.subject)
    builder = builder.last_update(NOW).next_update(NOW + timedelta(days=7))
    for number in range(1, revoked + 1):
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(ISSUER.key, hashes.SHA256())


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
@pytest.mark.parametrize("revoked", [0, 3])
def test_a_revocation_list_has_no_pin(revoked: int, encoding: Encoding) -> None:
    with pytest.raises(InvalidKey, match=r"\(CRL\) has no key"):
        _find(_revocations(revoked=revoked).public_bytes(encoding))


def test_a_revocation_list_under_the_label_of_a_request_has_no_pin() -> None:
    pem = _revocations(revoked=1).public_bytes(Encoding.PEM).decode()
    for label in ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "CERTIFICATE", "PUBLIC KEY"):
        [fault] = _find(pem.replace("X509 CRL", label).encode())
        assert isinstance(fault, InvalidKey)


def test_a_revocation_list_beside_certificates_is_passed_over() -> None:
    pem = LEAF.pem + _revocations(revoked=1).public_bytes(Encoding.PEM).decode() + ISSUER.pem
    assert [str(key.pin) for key in read_keys(pem.encode(), passphrase=_no_passphrase)] == [LEAF.pin, ISSUER.pin]


def test_a_broken_block_stands_in_its_place_among_the_good_ones() -> None:
    data = (LEAF.pem + BROKEN + ISSUER.pem).encode()
    first, fault, last = _find(data)
    assert isinstance(first, HeldKey)
    assert isinstance(last, HeldKey)
    assert (str(first.pin), str(last.pin)) == (LEAF.pin, ISSUER.pin)
    assert isinstance(fault, InvalidKey)
    assert str(fault).startswith("block 2 of 3: ")
    with pytest.raises(InvalidKey, match="block 2 of 3"):
        read_keys(data, passphrase=_no_passphrase)


ENCODINGS = [
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
    ("utf-32-le", codecs.BOM_UTF32_LE),
    ("utf-32-be", codecs.BOM_UTF32_BE),
    ("utf-8", codecs.BOM_UTF8),
    ("utf-8", b""),
]


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS, ids=[f"{name} {mark.hex()}" for name, mark in ENCODINGS])
def test_a_text_is_read_by_its_byte_order_mark(encoding: str, mark: bytes) -> None:
    data = mark + LEAF.pem.replace("\n", "\r\n").encode(encoding)
    assert decode_text(data) == LEAF.pem.replace("\n", "\r\n")
    [key] = read_keys(data, passphrase=_no_passphrase)
    assert str(key.pin) == LEAF.pin


@given(st.binary(max_size=200))
def test_whatever_the_bytes_there_is_a_text(data: bytes) -> None:
    for mark in dict(ENCODINGS).values():
        assert isinstance(decode_text(mark + data), str)
