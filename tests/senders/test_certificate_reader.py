"""The cache of certificates answers as a fresh read does, keeps only what is whole, and stays small."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.x509.certificate import Certificate, UnreadableCertificate
from app.senders import CertificateReader
from app.senders.wire import MAX_CHAIN, NotAReport
from tests.support.authority import certificate_with_serial_zero, make_site, pem_with

SITE = make_site()
BROKEN = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"
TEXTS = (
    *SITE.validated,
    base64.b64encode(SITE.leaf.der).decode(),
    SITE.leaf.pem + SITE.intermediate.pem,
    SITE.leaf.pem + BROKEN,
    BROKEN + SITE.leaf.pem + BROKEN,
    BROKEN,
    pem_with(certificate_with_serial_zero()),
    pem_with(SITE.leaf.der[:-40]),
    "",
    None,
    7,
)


@given(st.lists(st.lists(st.sampled_from(TEXTS), max_size=6), max_size=6), st.integers(1, 4))
def test_a_reader_that_has_read_before_answers_as_a_fresh_one(chains: list[list[object]], size: int) -> None:
    kept = CertificateReader(max_bytes=size * 8000)
    for chain in chains:
        read = kept.read_chain(chain, "/chain")
        assert read == CertificateReader().read_chain(chain, "/chain")
        assert read is not None
        unreadable = [(at, element) for at, element in enumerate(read) if isinstance(element, UnreadableCertificate)]
        assert all(element.position == at for at, element in unreadable)


def test_a_certificate_read_again_is_the_same_object_so_that_its_parts_are_worked_out_once() -> None:
    reader = CertificateReader()
    first = reader.read_chain(SITE.validated, "/chain")
    second = reader.read_chain(SITE.validated, "/chain")
    assert first is not None
    assert second is not None
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_a_certificate_padded_to_a_great_length_is_read_but_not_kept() -> None:
    reader = CertificateReader()
    padded = SITE.leaf.pem + " " * 10_000
    first = reader.read_chain([padded], "/chain")
    second = reader.read_chain([padded], "/chain")
    assert first == second == CertificateReader().read_chain([SITE.leaf.pem], "/chain")
    assert first is not None
    assert second is not None
    assert first[0] is not second[0]


def test_no_chain_an_empty_chain_and_a_single_text_are_three_things() -> None:
    reader = CertificateReader()
    assert reader.read_chain(None, "/chain") is None
    assert reader.read_chain([], "/chain") == ()
    assert reader.read_chain(SITE.leaf.pem, "/chain") == reader.read_chain([SITE.leaf.pem], "/chain")


def test_a_date_that_cannot_be_read_hides_nothing_else_of_the_certificate() -> None:
    [element] = CertificateReader().read_chain([pem_with(_with_broken_validity(SITE.leaf.der))], "/chain") or ()
    assert isinstance(element, Certificate)
    assert str(element.pin) == SITE.leaf.pin
    assert (element.not_before, element.names) == (None, ("www.example.com",))
    assert [part.part for part in element.unreadable_parts] == ["not_before"]


def _with_broken_validity(der: bytes) -> bytes:
    """Return the certificate with a month 13 in its first date."""
    at = der.index(b"\x17\x0d") + 4
    return der[:at] + b"13" + der[at + 2 :]


def test_unreadable_certificates_in_a_text_of_several_stand_at_their_own_places() -> None:
    chain = CertificateReader().read_chain([SITE.root.pem, BROKEN + SITE.leaf.pem + BROKEN, None], "/chain")
    assert chain is not None
    places = [element.position if isinstance(element, UnreadableCertificate) else None for element in chain]
    assert places == [None, 1, None, 3, 4]
    assert isinstance(chain[2], Certificate)


def test_a_chain_too_long_is_refused_the_second_time_too() -> None:
    reader = CertificateReader()
    for _ in range(2):
        with pytest.raises(NotAReport, match="at most"):
            reader.read_chain([SITE.leaf.pem] * (MAX_CHAIN + 1), "/chain")
        with pytest.raises(NotAReport, match="more than"):
            reader.read_chain([SITE.leaf.pem * 2] * MAX_CHAIN, "/chain")
