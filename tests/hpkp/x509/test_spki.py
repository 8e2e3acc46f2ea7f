"""SubjectPublicKeyInfo bytes as they stand in the DER, compared with openssl for every public root and for odd keys."""

import base64
import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.errors import InvalidCertificate
from app.hpkp.pins import pin_of_spki
from app.hpkp.x509.spki import (
    algorithm_of_private_key,
    certificate_end,
    make_spki,
    spki_of_certificate,
    spki_of_signing_request,
    split_spki,
)
from tests.support.authority import (
    certificate_with_serial_zero,
    explicit_ec_certificate,
    make_root,
    make_site,
    new_key,
    pss_certificate,
    sha1_signed,
)
from tests.support.openssl import run_openssl

LEAF = make_site().leaf.der


def _pin_by_openssl(der: bytes) -> str:
    """Return the pin by the pipeline that the handbooks give."""
    public = run_openssl("x509", "-inform", "der", "-pubkey", "-noout", stdin=der)
    spki = run_openssl("pkey", "-pubin", "-outform", "der", stdin=public)
    return base64.b64encode(run_openssl("dgst", "-sha256", "-binary", stdin=spki)).decode("ascii")


def _pin(der: bytes) -> str:
    return str(pin_of_spki(spki_of_certificate(der)))


def test_every_public_root_has_the_pin_that_openssl_computes() -> None:
    roots = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    ders = [root.public_bytes(Encoding.DER) for root in roots]
    assert len(ders) > 100
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(_pin_by_openssl, ders)) == [_pin(der) for der in ders]


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_the_usual_keys_have_the_pin_that_openssl_computes(kind: str) -> None:
    der = make_root(key=new_key(kind)).der
    assert _pin(der) == _pin_by_openssl(der)


@pytest.mark.parametrize(
    "der",
    [pss_certificate(), explicit_ec_certificate(), certificate_with_serial_zero(), *sha1_signed()],
    ids=["RSASSA-PSS", "explicit EC parameters", "serial number zero", "signed with SHA-1", "root of SHA-1"],
)
def test_odd_certificates_have_the_pin_that_openssl_computes(der: bytes) -> None:
    assert _pin(der) == _pin_by_openssl(der)


def test_encoding_the_key_anew_would_give_other_pins_which_is_why_it_is_sliced() -> None:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    for der in (pss_certificate(), explicit_ec_certificate()):
        anew = x509.load_der_x509_certificate(der).public_key()
        spki = anew.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert spki != spki_of_certificate(der)


def test_a_request_has_the_key_of_its_certificate(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(run_openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"))
    request = run_openssl("req", "-new", "-key", str(key), "-subj", "/CN=a", "-outform", "der")
    spki = run_openssl("pkey", "-in", str(key), "-pubout", "-outform", "der")
    assert spki_of_signing_request(request) == spki
    assert algorithm_of_private_key(run_openssl("pkey", "-in", str(key), "-outform", "der")) == split_spki(spki)[0]


def test_bytes_after_a_certificate_are_no_part_of_it() -> None:
    assert certificate_end(LEAF + b"\n\x00trailing") == len(LEAF)
    assert spki_of_certificate(LEAF + b"trailing") == spki_of_certificate(LEAF)


@pytest.mark.parametrize("length", range(0, len(LEAF), 7))
def test_a_truncated_certificate_is_refused_with_the_place(length: int) -> None:
    with pytest.raises(InvalidCertificate, match=r"byte \d+"):
        spki_of_certificate(LEAF[:length])


@given(st.binary(max_size=400))
def test_random_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    for read in (spki_of_certificate, spki_of_signing_request, certificate_end, split_spki, algorithm_of_private_key):
        with contextlib.suppress(InvalidCertificate):
            read(data)


@given(st.integers(0, len(LEAF) - 1), st.integers(0, 255))
def test_one_wrong_byte_never_gives_another_error(position: int, value: int) -> None:
    mangled = LEAF[:position] + bytes((value,)) + LEAF[position + 1 :]
    try:
        assert len(spki_of_certificate(mangled)) > 0
    except InvalidCertificate:
        assert mangled != LEAF


def test_a_key_taken_apart_and_put_together_is_the_same() -> None:
    for der in (LEAF, pss_certificate(), explicit_ec_certificate(), make_root(key=new_key("rsa2048")).der):
        spki = spki_of_certificate(der)
        assert make_spki(*split_spki(spki)) == spki
        assert hashlib.sha256(spki).digest() == pin_of_spki(spki).digest
