"""``hpkp probe`` and ``hpkp header lint https://…`` against a real TLS server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.support.authority import make_root, make_site
from tests.support.tls_server import TlsServer, resolve, tls_server

HOST = "www.example.test"
runner = CliRunner()
TODAY = datetime.now(UTC)
SITE = make_site(HOST, not_before=TODAY - timedelta(days=1), not_after=TODAY + timedelta(days=89))
BACKUP = make_root("Backup").pin
FIELD = f'pin-sha256="{SITE.leaf.pin}"; pin-sha256="{BACKUP}"; max-age=300; report-uri="https://r.example.net/report"'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsServer]:
    """Return a server of the host, whose root is trusted, and a store of our own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    roots = tmp_path / "roots.pem"
    roots.write_text(SITE.root.pem)
    monkeypatch.setenv("HPKP_TRUST_ANCHORS", str(roots))
    resolve(monkeypatch, {HOST: ["127.0.0.1"]})
    with tls_server(SITE.leaf, SITE.intermediate) as running:
        monkeypatch.setenv("HPKP_PROBE_PORT", str(running.port))
        yield running


def _run(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def _json(*arguments: str, code: int = 0) -> Any:
    return json.loads(_run(*arguments, "--json", code=code).stdout)


def test_a_host_as_its_policy_says_exits_with_0(server: TlsServer) -> None:
    _run("policy", "set", HOST, "--header", FIELD)
    server.serve_header("Public-Key-Pins-Report-Only", FIELD)
    text = _run("probe", HOST, "--allow-private").stdout
    assert f"{HOST}: as the policy says" in text
    assert f"pinned     {SITE.leaf.pin}  CN={HOST}" in text
    assert f"not pinned {SITE.intermediate.pin}" in text
    seen = _json("probe", HOST, "--allow-private")
    assert (seen["satisfied"], seen["findings"]) == (True, [])
    assert seen["endpoints"][0]["chains"][0][0]["in_expected_pins"] is True


def test_a_host_that_differs_exits_with_1_and_says_what_to_do(server: TlsServer) -> None:
    _run("policy", "set", HOST, "--header", FIELD)
    server.serve_header("Public-Key-Pins-Report-Only", FIELD + "; includeSubDomains")
    text = _run("probe", HOST, "--allow-private", code=1).stdout
    assert "includeSubDomains is set" in text
    assert "hpkp header make" in text


def test_what_cannot_be_seen_exits_with_2(server: TlsServer) -> None:
    assert "policy set" in _run("probe", HOST, code=2).stderr
    _run("policy", "set", HOST, "--header", FIELD)
    assert "not a public address" in _run("probe", HOST, code=2).stdout
    assert "address_not_reached" in _run("probe", HOST, "--allow-private", "--port", "1", code=2).stdout


def test_a_field_is_linted_as_it_is_served_with_the_chain_beside_it(server: TlsServer) -> None:
    url = f"https://{HOST}:{server.port}/"
    server.serve_header("Public-Key-Pins", FIELD)
    good = _json("header", "lint", url)
    assert (good["field"], good["rfc7469"], good["findings"]) == ("Public-Key-Pins", "valid", [])
    server.deploy(make_site(HOST).leaf)
    refused = _run("header", "lint", url, code=1)
    assert "no_matching_pin" in refused.stdout
    assert "not trusted" in refused.stderr


def test_a_host_without_a_field_or_without_tls_is_told(server: TlsServer) -> None:
    assert "serves neither" in _run("header", "lint", f"https://{HOST}:{server.port}/", code=1).stderr
    assert "over TLS alone" in _run("header", "lint", f"http://{HOST}/", code=2).stderr
    assert "did not answer" in _run("header", "lint", f"https://{HOST}:1/", code=2).stderr
    assert "error:" in _run("header", "lint", "https://[::1/", code=2).stderr
    assert "error:" in _run("header", "lint", f"https://{HOST}:99999/", code=2).stderr
