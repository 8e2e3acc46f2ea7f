"""``hpkp pin`` against what openssl says of the same file."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.support.authority import make_site
from tests.support.openssl import run_openssl

runner = CliRunner()

_RSA_BITS = ("-pkeyopt", "rsa_keygen_bits:2048")
_CURVE = ("-pkeyopt", "ec_paramgen_curve:P-256")
_GENERATE = {
    "rsa": ("genpkey", "-algorithm", "RSA", *_RSA_BITS),
    "rsa-traditional": ("genrsa", "-traditional", "2048"),
    "pss": ("genpkey", "-algorithm", "RSA-PSS", *_RSA_BITS, "-pkeyopt", "rsa_pss_keygen_md:sha256"),
    "p256": ("genpkey", "-algorithm", "EC", *_CURVE),
    "p384-traditional": ("ecparam", "-name", "secp384r1", "-genkey", "-noout"),
    "explicit": ("genpkey", "-algorithm", "EC", *_CURVE, "-pkeyopt", "ec_param_enc:explicit"),
    "explicit-traditional": ("ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-genkey", "-noout"),
    "ed25519": ("genpkey", "-algorithm", "ed25519"),
}  # fmt: skip


def _expected(key: Path, *options: str) -> str:
    """Return the pin that openssl computes for a private key."""
    spki = run_openssl("pkey", "-in", str(key), "-pubout", "-outform", "der", *options)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")


def _pins(*arguments: str, stdin: str | bytes = "") -> list[str]:
    result = runner.invoke(app, ["pin", "--json", *arguments], input=stdin)
    assert result.exit_code == 0, result.stderr
    return [item["pin"] for item in json.loads(result.stdout)]


@pytest.fixture(params=_GENERATE)
def key(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(run_openssl(*_GENERATE[request.param]))
    return path


def test_every_form_of_one_key_has_the_pin_that_openssl_computes(key: Path, tmp_path: Path) -> None:
    expected = _expected(key)
    named, der = ("-new", "-key", str(key), "-subj", "/CN=www.example.com"), ("-outform", "der")
    forms = {
        "key.der": ("pkey", *der),
        "public.pem": ("pkey", "-pubout"),
        "public.der": ("pkey", "-pubout", *der),
        "request.pem": ("req", *named),
        "request.der": ("req", *named, *der),
        "certificate.pem": ("req", "-x509", *named),
        "certificate.der": ("req", "-x509", *named, *der),
    }
    files = [key]
    for name, (command, *options) in forms.items():
        source = ("-in", str(key)) if command == "pkey" else ()
        (tmp_path / name).write_bytes(run_openssl(command, *source, *options))
        files.append(tmp_path / name)
    assert _pins(*map(str, files)) == [expected] * len(files)


def test_an_encrypted_key_asks_for_its_passphrase(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(run_openssl(*_GENERATE["p256"], "-aes256", "-pass", "pass:open sesame"))
    expected = _expected(key, "-passin", "pass:open sesame")
    assert _pins(str(key), stdin="open sesame\n") == [expected]

    wrong = runner.invoke(app, ["pin", str(key)], input="wrong\n")
    assert wrong.exit_code == 2
    assert "cannot be read" in wrong.stderr


def test_a_chain_on_standard_input_gives_each_certificate_with_its_names(tmp_path: Path) -> None:
    site = make_site()
    result = runner.invoke(app, ["pin", "-"], input="".join(site.validated))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("pin-sha256")] == [
        f'pin-sha256="{issued.pin}"' for issued in (site.leaf, site.intermediate, site.root)
    ]
    assert "  subject  CN=www.example.com" in lines


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello", "neither PEM nor DER"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "CERTIFICATE cannot be read"),
        (b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", "no key that can be pinned"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "PRIVATE KEY cannot be read"),
    ],
)
def test_a_file_without_a_key_is_named_and_the_others_are_still_read(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "bad.pem").write_bytes(content)
    (tmp_path / "good.pem").write_text(make_site().leaf.pem)
    result = runner.invoke(app, ["pin", str(tmp_path / "bad.pem"), str(tmp_path / "good.pem")])
    assert result.exit_code == 2
    assert "bad.pem" in result.stderr
    assert reason in result.stderr
    assert "good.pem" in result.stdout


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = runner.invoke(app, ["pin", str(tmp_path / "missing.pem")])
    assert result.exit_code == 2
    assert "missing.pem: No such file" in result.stderr
