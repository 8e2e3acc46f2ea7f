"""What ``hpkp pin`` says besides the pin."""

import json
from pathlib import Path
from typing import Any

import certifi
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.hpkp.x509.pem import pem_blocks
from tests.support.authority import make_site, pem_with
from tests.support.openssl import run_openssl

runner = CliRunner()


def _run(*arguments: str) -> str:
    result = runner.invoke(app, ["pin", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def _items(*arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(_run("--json", *arguments))
    return items


@pytest.fixture
def chain(tmp_path: Path) -> str:
    path = tmp_path / "chain.pem"
    path.write_text("".join(make_site(names=["www.example.com", "example.com"]).validated))
    return str(path)


def test_a_chain_is_told_with_roles_names_and_a_warning_at_the_intermediate(chain: str) -> None:
    leaf, intermediate, root = _run(chain).split("pin-sha256=")[1:]
    assert "role     leaf" in leaf
    assert "names    www.example.com, example.com" in leaf
    assert "issuer   CN=Test Intermediate,O=Test Trust Services" in leaf
    assert "role     intermediate" in intermediate
    assert "warning" in intermediate
    assert "may replace at any renewal" in intermediate
    assert "role     trust anchor" in root
    assert "warning" not in leaf + root


def test_json_carries_the_same(chain: str) -> None:
    leaf, intermediate, root = _items(chain)
    assert [item["role"] for item in (leaf, intermediate, root)] == ["leaf", "intermediate", "trust anchor"]
    assert leaf["names"] == ["www.example.com", "example.com"]
    assert leaf["issuer"] == intermediate["subject"]
    assert leaf["not_before"].endswith("Z")
    assert [item["public_root"] for item in (leaf, intermediate, root)] == [False] * 3
    assert [finding["code"] for finding in intermediate["findings"]] == ["intermediate_key"]
    assert leaf["findings"] == root["findings"] == []


def test_a_public_root_is_named_and_said_to_be_one(tmp_path: Path) -> None:
    first = next(pem_blocks(Path(certifi.where()).read_text(encoding="utf-8"))).decode()
    path = tmp_path / "root.pem"
    path.write_text(pem_with(first))
    assert "root     in the public store" in _run(str(path))
    [item] = _items(str(path))
    assert item["public_root"] is True
    assert [name.endswith("(root)") for name in item["ca_names"]] == [True]


def test_roots_and_ca_names_of_one_s_own_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    roots, catalog, intermediate = (tmp_path / name for name in ("roots.pem", "catalog.toml", "intermediate.pem"))
    roots.write_text(site.root.pem)
    intermediate.write_text(site.intermediate.pem)
    catalog.write_text(
        f'[[ca_names]]\nname = "House CA 3"\npin = "{site.intermediate.pin}"\nstate = "retired"\n'
        'source = "our wiki"\ncollected = 2026-06-01\n'
    )
    monkeypatch.setenv("HPKP_TRUST_ANCHORS", str(roots))
    monkeypatch.setenv("HPKP_CATALOG", str(catalog))
    assert "root     among your own" in _run(str(roots))
    assert _items(str(roots))[0]["public_root"] is False
    told = _run(str(intermediate))
    assert "CA       House CA 3 (retired)" in told
    assert "error" in told
    assert "which no longer issues certificates" in told
    catalog.write_text("nonsense")
    assert runner.invoke(app, ["pin", str(intermediate)]).exit_code == 2


def test_a_request_is_told_with_its_subject_and_the_names_it_asks_for(tmp_path: Path) -> None:
    key, request = tmp_path / "key.pem", tmp_path / "request.csr"
    key.write_bytes(run_openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    names = ("-addext", "subjectAltName=DNS:www.example.com,DNS:example.com,IP:192.0.2.1")
    request.write_bytes(run_openssl("req", "-new", "-key", str(key), "-subj", "/CN=www.example.com", *names))
    [asked, held] = _items(str(request), str(key))
    assert (asked["subject"], asked["names"]) == ("CN=www.example.com", ["www.example.com", "example.com"])
    assert asked["kind"] == "certification request"
    assert asked["pin"] == held["pin"]
    assert "subject" not in held


def test_an_expired_certificate_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "old.pem"
    site = make_site()
    old = site.intermediate.issue(not_after=site.intermediate.certificate.not_valid_before_utc)
    path.write_text(old.pem)
    assert "EXPIRED" in _run(str(path))
    assert _items(str(path))[0]["validity"] == "expired"


def test_a_broken_block_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    site = make_site()
    path.write_text(site.leaf.pem + pem_with(b"0\x03no") + site.intermediate.pem)
    result = runner.invoke(app, ["pin", str(path)])
    assert result.exit_code == 2
    assert "chain.pem: block 2 of 3: the PEM block CERTIFICATE cannot be read" in result.stderr


def test_an_encrypted_key_says_for_which_kinds_its_pin_would_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(run_openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "2048"))
    result = runner.invoke(app, ["pin", "--json", str(path)], input="open sesame\n")
    [item] = json.loads(result.stdout)
    assert "for RSASSA-PSS or explicit parameters use the certificate or public key" in item["note"]
