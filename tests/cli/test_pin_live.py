"""``hpkp pin HOST``: the chains of a real TLS server, at all its addresses."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli.live_items import read_target
from tests.support.authority import make_site, new_key
from tests.support.openssl import run_openssl
from tests.support.tls_server import resolve, tls_server

HOST = "www.example.test"
runner = CliRunner()
SITE = make_site(HOST)


def _pin(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, ["pin", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def _items(*arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(_pin("--json", *arguments).stdout)
    return items


def test_a_live_chain_is_told_once_for_all_addresses_that_serve_it(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, {HOST: ["127.0.0.1", "127.0.0.2"]})
    with tls_server(SITE.leaf, SITE.intermediate, addresses=["127.0.0.1", "127.0.0.2"]) as server:
        items = _items(f"{HOST}:{server.port}")
    assert [(item["pin"], item["role"]) for item in items] == [
        (SITE.leaf.pin, "leaf"),
        (SITE.intermediate.pin, "intermediate"),
    ]
    assert {item["file"] for item in items} == {f"{HOST}:{server.port} at 127.0.0.1, 127.0.0.2"}
    assert set(server.names_asked_for) == {HOST}


def test_both_certificates_of_a_server_with_two_kinds_of_keys_are_told() -> None:
    local, rsa = make_site("localhost"), make_site("localhost", key=new_key("rsa2048"))
    with tls_server(local.leaf) as server:
        server.deploy(rsa.leaf)
        pins = [item["pin"] for item in _items(f"https://127.0.0.1:{server.port}")]
    assert set(pins) == {local.leaf.pin, rsa.leaf.pin}


def test_the_live_pin_is_that_of_the_file(tmp_path: Path) -> None:
    with tls_server(SITE.leaf) as server:
        text = run_openssl("s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", HOST)
        (tmp_path / "leaf.pem").write_bytes(run_openssl("x509", stdin=text))
        assert _items(f"127.0.0.1:{server.port}")[0]["pin"] == _items(str(tmp_path / "leaf.pem"))[0]["pin"]


def test_an_address_that_shows_no_chain_is_told_beside_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, {HOST: ["127.0.0.1", "127.0.0.2"]})
    with tls_server(SITE.leaf) as server:
        result = _pin(f"{HOST}:{server.port}", code=2)
    assert SITE.leaf.pin in result.stdout
    assert "127.0.0.2: connecting: Connection refused" in result.stderr


@pytest.mark.parametrize(
    ("argument", "target"),
    [
        ("www.example.com", ("www.example.com", 443)),
        ("www.example.com:8443", ("www.example.com", 8443)),
        ("https://www.example.com/", ("www.example.com", 443)),
        ("localhost:443", ("localhost", 443)),
        ("[::1]:443", ("[::1]", 443)),
        ("cert.pem", None),
        ("privkey", None),
        ("dir/www.example.com", None),
        ("www.example.com:99999", None),
        ("www.example.com:0", None),
    ],
)
def test_what_is_taken_for_a_host(argument: str, target: tuple[str, int] | None) -> None:
    assert read_target(argument) == target


def test_a_file_goes_before_a_host_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("www.example.com").write_text(SITE.leaf.pem)
    assert _items("www.example.com")[0]["file"] == "www.example.com"


def test_neither_file_nor_host_is_told() -> None:
    assert "No such file" in _pin("missing.pem", code=2).stderr
    assert "cannot be resolved" in _pin("no-such-name.invalid", code=2).stderr
