"""``hpkp pin`` against openssl: the whole public bundle, rare kinds of key, and files of odd shapes."""

import base64
import hashlib
import json
from pathlib import Path

import certifi
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.hpkp.x509.pem import pem_blocks
from tests.support.authority import certificate_with_serial, make_site, pem_with, sha1_signed
from tests.support.openssl import openssl_pin_of_certificate, run_openssl

runner = CliRunner()


def items_of(*files: Path | str) -> list[dict[str, str]]:
    result = runner.invoke(app, ["pin", "--json", *map(str, files)])
    assert result.exit_code == 0, result.stderr
    items: list[dict[str, str]] = json.loads(result.stdout)
    return items


def pins_of(*files: Path | str) -> list[str]:
    return [item["pin"] for item in items_of(*files)]


def test_the_whole_mozilla_bundle_has_the_pins_that_openssl_computes() -> None:
    bundle = Path(certifi.where())
    ders = [block.decode() for block in pem_blocks(bundle.read_text(encoding="utf-8"))]
    assert len(ders) > 100
    assert pins_of(bundle) == [openssl_pin_of_certificate(der) for der in ders]


_CURVES = {name: ("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{name}") for name in (
    "P-521", "secp256k1", "brainpoolP256r1",
)}  # fmt: skip
_RARE = {
    "ed448": ("genpkey", "-algorithm", "ed448"),
    "pss-unrestricted": ("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "rsa-exponent-3": ("genrsa", "-3", "2048"),
    "p384-explicit": (
        "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt", "ec_param_enc:explicit",
    ),
    **_CURVES,
}  # fmt: skip


def _all_forms(key: Path) -> list[Path]:
    """Let openssl write a key's public half, a request and a certificate, in PEM and in DER."""
    forms = []
    for form in ("pem", "der"):
        for name, command in {
            "private": ("pkey", "-in", str(key)),
            "public": ("pkey", "-in", str(key), "-pubout"),
            "request": ("req", "-new", "-key", str(key), "-subj", "/CN=www.example.com"),
            "certificate": ("req", "-x509", "-key", str(key), "-subj", "/CN=www.example.com"),
        }.items():
            path = key.with_name(f"{name}.{form}")
            path.write_bytes(run_openssl(*command, "-outform", form))
            forms.append(path)
    return forms


def _pin_of_key(key: Path) -> str:
    spki = run_openssl("pkey", "-in", str(key), "-pubout", "-outform", "der")
    return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")


@pytest.mark.parametrize("kind", _RARE)
def test_rare_keys_have_one_pin_in_every_form(kind: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(run_openssl(*_RARE[kind]))
    forms = _all_forms(key)
    assert pins_of(*forms) == [_pin_of_key(key)] * len(forms)


def test_a_dsa_key_has_one_pin_in_every_form(tmp_path: Path) -> None:
    parameters, key, traditional = (tmp_path / name for name in ("parameters.pem", "key.pem", "traditional.pem"))
    size = ("-pkeyopt", "dsa_paramgen_bits:2048", "-pkeyopt", "dsa_paramgen_q_bits:256")
    parameters.write_bytes(run_openssl("genpkey", "-genparam", "-algorithm", "DSA", *size))
    key.write_bytes(run_openssl("genpkey", "-paramfile", str(parameters)))
    traditional.write_bytes(run_openssl("pkey", "-in", str(key), "-traditional"))
    forms = [*_all_forms(key), traditional]
    assert pins_of(*forms) == [_pin_of_key(key)] * len(forms)


@pytest.mark.parametrize("form", ["pem", "der"])
def test_an_rsa_public_key_without_its_algorithm_is_taken_as_plain_rsa(form: str, tmp_path: Path) -> None:
    key, bare = tmp_path / "key.pem", tmp_path / f"bare.{form}"
    key.write_bytes(run_openssl("genrsa", "2048"))
    bare.write_bytes(run_openssl("rsa", "-in", str(key), "-RSAPublicKey_out", "-outform", form))
    assert pins_of(bare) == [_pin_of_key(key)]


@pytest.mark.parametrize("serial", [0, -1, -128, -(2**63)])
def test_a_serial_number_that_is_not_positive_does_not_keep_a_certificate_from_its_pin(
    serial: int, tmp_path: Path
) -> None:
    der = certificate_with_serial(serial)
    path = tmp_path / "odd.der"
    path.write_bytes(der)
    [item] = items_of(path)
    assert item["pin"] == openssl_pin_of_certificate(der)
    assert item["subject"] == "CN=www.example.com"
    assert "note" not in item


def test_certificates_signed_using_sha1_have_their_pins(tmp_path: Path) -> None:
    path = tmp_path / "old.pem"
    leaf, root = sha1_signed()
    path.write_text(pem_with(leaf) + pem_with(root))
    assert pins_of(path) == [openssl_pin_of_certificate(leaf), openssl_pin_of_certificate(root)]


_LEAF = make_site().leaf


@pytest.mark.parametrize(
    "text",
    [
        pem_with(_LEAF.der, final_newline=False),
        _LEAF.pem + "\n\n\n",
        pem_with(_LEAF.der, newline="\r\n"),
        pem_with(_LEAF.der, newline="\r"),
        pem_with(_LEAF.der, columns=76),
        pem_with(_LEAF.der, columns=10_000),
        "\ufeff" + _LEAF.pem,
        "subject=CN = www.example.com\nissuer=CN = Größe\n\n" + _LEAF.pem,
        run_openssl("x509", "-text", stdin=_LEAF.pem.encode()).decode(),
        "Bag Attributes\n    localKeyID: 01 02\nsubject=/CN=a\n" + _LEAF.pem + "Bag Attributes: <Empty>\n",
        "".join(f"    {line}\n" for line in _LEAF.pem.splitlines()),
    ],
    ids=[
        "no final newline", "blank lines after", "CRLF", "CR alone", "76 columns", "one line", "byte order mark",
        "text before", "openssl x509 -text", "openssl pkcs12 -nokeys", "indented",
    ],
)  # fmt: skip
def test_a_pem_file_of_any_shape_gives_the_same_pin(text: str, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_bytes(text.encode())
    assert pins_of(path) == [_LEAF.pin]


def test_bytes_after_a_certificate_in_der_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "certificate.der"
    path.write_bytes(_LEAF.der + b"\r\n")
    assert pins_of(path) == [_LEAF.pin]
