"""``hpkp pin`` on PKCS #7: every certificate, in the order of the file, with the pin of its own bytes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.support.authority import (
    certificate_with_serial_zero,
    explicit_ec_certificate,
    make_site,
    pem_with,
    pss_certificate,
    sha1_signed,
)
from tests.support.openssl import openssl_pin_of_certificate, run_openssl

runner = CliRunner()


def bundle(*ders: bytes, directory: Path, form: str = "der") -> bytes:
    """Let openssl make a PKCS #7 of certificates."""
    source = directory / "certificates.pem"
    source.write_text("".join(pem_with(der) for der in ders))
    return run_openssl("crl2pkcs7", "-nocrl", "-certfile", str(source), "-outform", form)


def pins_of(path: Path) -> list[str]:
    result = runner.invoke(app, ["pin", "--json", str(path)])
    assert result.exit_code == 0, result.stderr
    return [item["pin"] for item in json.loads(result.stdout)]


@pytest.mark.parametrize("form", ["der", "pem"])
def test_every_certificate_comes_in_the_order_of_the_file(tmp_path: Path, form: str) -> None:
    site = make_site()
    unsorted = [site.root.der, site.leaf.der, site.intermediate.der]
    for ders in (unsorted, unsorted[::-1]):
        path = tmp_path / "chain.p7b"
        path.write_bytes(bundle(*ders, directory=tmp_path, form=form))
        assert pins_of(path) == [openssl_pin_of_certificate(der) for der in ders]


def test_odd_certificates_keep_the_pins_of_their_own_bytes(tmp_path: Path) -> None:
    ders = [pss_certificate(), explicit_ec_certificate(), certificate_with_serial_zero(), *sha1_signed()]
    path = tmp_path / "odd.p7c"
    path.write_bytes(bundle(*ders, directory=tmp_path))
    assert pins_of(path) == [openssl_pin_of_certificate(der) for der in ders]


def test_a_bundle_under_the_label_of_a_certificate_is_read_as_what_it_is(tmp_path: Path) -> None:
    site = make_site()
    ders = [site.leaf.der, site.intermediate.der]
    path = tmp_path / "windows.p7b"
    path.write_text(pem_with(bundle(*ders, directory=tmp_path), newline="\r\n"), newline="")
    assert pins_of(path) == [site.leaf.pin, site.intermediate.pin]


def test_a_bundle_in_ber_with_indefinite_lengths_is_read(tmp_path: Path) -> None:
    site = make_site()
    der = bundle(site.leaf.der, directory=tmp_path)
    path = tmp_path / "ber.p7b"
    path.write_bytes(b"\x30\x80" + der[4:] + b"\x00\x00")
    assert der[:2] == b"\x30\x82"
    assert pins_of(path) == [site.leaf.pin]


def _with_version(der: bytes, version: int) -> bytes:
    """Make a certificate of a version that does not exist; nobody asks its signature."""
    return der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a0030201") + bytes((version,)), 1)


def test_a_certificate_that_the_library_refuses_is_told_with_a_way_out(tmp_path: Path) -> None:
    site = make_site()
    odd = bundle(site.leaf.der, directory=tmp_path).replace(site.leaf.der, _with_version(site.leaf.der, 7))
    path = tmp_path / "odd.p7b"
    path.write_bytes(odd)
    result = runner.invoke(app, ["pin", str(path)])
    assert result.exit_code == 2
    assert "odd.p7b: the library cannot read this PKCS #7" in result.stderr
    assert "openssl pkcs7 -print_certs" in result.stderr


def test_a_certificate_that_the_library_would_encode_anew_is_told(tmp_path: Path) -> None:
    site = make_site()
    inner = site.leaf.der[4:]
    indefinite = b"\x30\x80" + inner + b"\x00\x00"
    assert len(indefinite) == len(site.leaf.der)
    path = tmp_path / "ber.p7b"
    path.write_bytes(bundle(site.leaf.der, directory=tmp_path).replace(site.leaf.der, indefinite))
    result = runner.invoke(app, ["pin", str(path)])
    assert result.exit_code == 2
    assert "certificate 0 of the PKCS #7 in another encoding" in result.stderr


def test_a_bundle_without_a_certificate_and_a_torn_one_are_told(tmp_path: Path) -> None:
    empty, torn, named = tmp_path / "empty.p7b", tmp_path / "torn.p7b", tmp_path / "named.p7b"
    empty.write_bytes(run_openssl("crl2pkcs7", "-nocrl", "-outform", "der"))
    torn.write_bytes(bundle(make_site().leaf.der, directory=tmp_path)[:-40])
    named.write_text("-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n")
    result = runner.invoke(app, ["pin", str(empty), str(torn), str(named)])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.partition(".p7b: ")[2][:40] for line in result.stderr.splitlines()] == [
        "the library cannot read this PKCS #7, or",
        "the library cannot read this PKCS #7, or",
        "not PKCS #7 SignedData",
    ]


def test_a_server_s_file_with_parameters_between_its_keys_is_read(tmp_path: Path) -> None:
    site = make_site()
    path = tmp_path / "haproxy.pem"
    parameters = "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"
    path.write_text(site.leaf.pem + parameters + site.intermediate.pem)
    assert pins_of(path) == [site.leaf.pin, site.intermediate.pin]
