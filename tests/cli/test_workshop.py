"""The pin workshop as its user meets it: backup-key, header make and lint, check."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner, Result

from app.cli import app
from app.store.engine import upgrade
from tests.authority import cross_sign, make_root, make_site
from tests.openssl import run_openssl

runner = CliRunner()
LIVE, BACKUP = make_root("Live").pin, make_root("Backup").pin
PINS = ("--pin", LIVE, "--pin", BACKUP)
V = f'pin-sha256="{LIVE}"; pin-sha256="{BACKUP}"; max-age=300'


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    monkeypatch.setenv("HPKP_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str, code: int = 0, stdin: str = "") -> Result:
    result = runner.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def _json(*arguments: str, code: int = 0) -> Any:
    return json.loads(_run(*arguments, "--json", code=code).stdout)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
def test_a_backup_key_is_secret_its_request_is_for_the_host_and_both_have_its_pin(tmp_path: Path, kind: str) -> None:
    made = _json("backup-key", "WWW.example.com", "--name", "example.com", "--type", kind, "--out", "offline")
    key, request = Path(made["key"]), Path(made["request"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    pins = [item["pin"] for item in _json("pin", str(key), str(request))]
    assert pins == [made["pin"]] * 2
    read = x509.load_pem_x509_csr(request.read_bytes())
    assert read.is_signature_valid
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com", "example.com"]
    run_openssl("req", "-in", str(request), "-verify", "-noout")


def test_nothing_is_overwritten() -> None:
    first = _json("backup-key", "a.example")
    before = Path(first["key"]).read_bytes()
    assert "not overwritten" in _run("backup-key", "a.example", code=2).stderr
    assert Path(first["key"]).read_bytes() == before


def test_a_passphrase_encrypts_the_key() -> None:
    _run("backup-key", "a.example", "--passphrase", stdin="open sesame\nopen sesame\n")
    key = Path("a.example.backup.key").read_bytes()
    assert b"ENCRYPTED" in key
    load_pem_private_key(key, b"open sesame")
    with pytest.raises(TypeError):
        load_pem_private_key(key, None)


@pytest.mark.parametrize(
    ("server", "line"),
    [
        ("text", f'Public-Key-Pins: {V}; report-uri="https://r.example/?a=$x&b=100%25"'),
        (
            "haproxy",
            f"http-after-response set-header Public-Key-Pins '{V}; "
            'report-uri="https://r.example/?a=$x&b=100%%25"\' if { ssl_fc }',
        ),
        ("nginx", f"add_header Public-Key-Pins '{V}; report-uri=\"https://r.example/?a=%24x&b=100%25\"' always;"),
        ("apache", f"Header always set Public-Key-Pins '{V}; report-uri=\"https://r.example/?a=$x&b=100%%25\"'"),
        ("caddy", f'header Public-Key-Pins `{V}; report-uri="https://r.example/?a=$x&b=100%25"`'),
    ],
)  # fmt: skip
def test_each_server_gets_its_own_line(server: str, line: str) -> None:
    made = _json(
        "header", "make", *PINS, "--max-age", "300", "--enforce", "--for", server,
        "--report-uri", "https://r.example/?a=$x&b=100%25",
    )  # fmt: skip
    assert made["line"] == line
    assert made["report_uri_encoded"] == (server == "nginx")


@pytest.mark.parametrize("server", ["lighttpd", "iis"])
def test_quotes_are_escaped_where_quotes_stand_outside(server: str) -> None:
    line = _run("header", "make", *PINS, "--report-uri", "https://r.example/a?b=1&c=2", "--for", server).stdout.strip()
    escaped = {"lighttpd": f'\\"{LIVE}\\"', "iis": f"&quot;{LIVE}&quot;"}[server]
    assert escaped in line
    assert "Public-Key-Pins-Report-Only" in line
    assert ("&amp;c=2" in line) == (server == "iis")


def test_what_no_server_carries_is_encoded_or_refused() -> None:
    made = _json("header", "make", *PINS, "--report-uri", "https://r.example/a b\"'`{}", "--for", "haproxy")
    assert made["value"].endswith('report-uri="https://r.example/a%20b%22%27%60%7B%7D"')
    refused = _run("header", "make", *PINS, "--report-uri", "https://r.example/\n", code=2)
    assert "control character" in refused.stderr


def test_the_policy_of_a_host_makes_its_header_and_harm_is_exit_code_one() -> None:
    _run("policy", "set", "a.example", *PINS, "--max-age", "600", "--mode", "enforce")
    made = _json("header", "make", "--host", "a.example")
    assert (made["field"], made["value"]) == ("Public-Key-Pins", V.replace("300", "600"))
    lone = _json("header", "make", "--pin", LIVE, "--max-age", "300", "--enforce", code=1)
    assert [finding["code"] for finding in lone["findings"]] == ["no_backup_pin"]
    assert "--pin" in _run("header", "make", code=2).stderr


def test_lint_reads_values_files_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "header.txt").write_text(f"Public-Key-Pins: {V}\n")
    said = _json("header", "lint", V)
    assert said == _json("header", "lint", "header.txt")
    assert said == json.loads(_run("header", "lint", "-", "--json", stdin=V + "\n").stdout)
    assert said["rfc7469"] == "valid"
    assert said["browsers"] == {"chromium": True, "firefox": True}
    assert said["parsed"]["pins"] == [LIVE, BACKUP]


def test_lint_says_what_is_wrong_and_exits_with_one(tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_text("".join(make_site().served))
    said = _json("header", "lint", V, "--chain", "chain.pem", code=1)
    assert said["browsers"] == {"chromium": False, "firefox": False}
    assert {"no_matching_pin"} <= {finding["code"] for finding in said["findings"]}
    text = _run("header", "lint", "max-age=5; max-age=6", code=1).stdout
    assert "duplicate_directive" in text
    assert "RFC 7469   invalid" in text
    assert "missing.pem" in _run("header", "lint", V, "--chain", "missing.pem", code=2).stderr


def test_lint_searches_what_curl_prints_and_configuration_and_says_what_it_took(tmp_path: Path) -> None:
    report = 'report-uri="https://r.example/report"'
    response = f"HTTP/2 200 \r\nserver: x\r\npublic-key-pins-report-only: {V}; {report}\r\n\r\n"
    said = json.loads(_run("header", "lint", "-", "--json", stdin=response).stdout)
    assert (said["field"], said["rfc7469"]) == ("Public-Key-Pins-Report-Only", "valid")
    assert said["taken_from"] == "response header in line 3"

    config = f"server {{\n  add_header Public-Key-Pins '{V}';\n  add_header Public-Key-Pins 'max-age=3';\n}}\n"
    (tmp_path / "site.conf").write_text(config)
    good, bad = _json("header", "lint", "site.conf", code=1)
    assert (good["rfc7469"], bad["rfc7469"]) == ("valid", "invalid")
    text = " ".join(_run("header", "lint", "site.conf", code=1).stdout.split())
    assert "Public-Key-Pins, from the nginx add_header in line 2" in text

    nothing = _run("header", "lint", "-", code=1, stdin="HTTP/1.1 200 OK\r\n\r\n").stderr
    assert "the response has neither Public-Key-Pins nor" in nothing


def test_lint_completes_the_root_that_servers_leave_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, served = make_site(), tmp_path / "fullchain.pem"
    served.write_text("".join(site.served))
    (tmp_path / "roots.pem").write_text(site.root.pem)
    value = f'pin-sha256="{site.root.pin}"; pin-sha256="{BACKUP}"; max-age=300'
    codes = {finding["code"] for finding in _json("header", "lint", value, "--chain", str(served), code=1)["findings"]}
    assert "no_matching_pin" in codes
    monkeypatch.setenv("HPKP_TRUST_ANCHORS", str(tmp_path / "roots.pem"))
    assert _json("header", "lint", value, "--chain", str(served))["findings"] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_files_of_windows_tools_are_read(encoding: str, tmp_path: Path) -> None:
    site = make_site()
    (tmp_path / "chain.pem").write_text("".join(site.served), encoding=encoding)
    (tmp_path / "header.txt").write_text(f"Public-Key-Pins: {V}\r\n", encoding=encoding)
    assert _json("header", "lint", "header.txt")["rfc7469"] == "valid"
    assert "no_matching_pin" in json.dumps(_json("header", "lint", V, "--chain", "chain.pem", code=1))
    _run("policy", "set", "www.example.com", "--pin", site.leaf.pin, "--pin", BACKUP)
    assert _json("check", "www.example.com", "chain.pem")["satisfied"] is True


def test_check_tells_that_the_leaf_has_expired(tmp_path: Path) -> None:
    site = make_site(not_after=datetime(2026, 1, 1, tzinfo=UTC), not_before=datetime(2025, 1, 1, tzinfo=UTC))
    (tmp_path / "chain.pem").write_text("".join(site.served))
    _run("policy", "set", "www.example.com", "--pin", site.leaf.pin, "--pin", BACKUP)
    answer = _json("check", "www.example.com", "chain.pem")
    assert answer["satisfied"] is True
    assert answer["caveats"][0].startswith("The leaf expired on 2026-01-01")


def test_check_answers_a_deploy_hook_with_its_exit_code(tmp_path: Path) -> None:
    site, other = make_site(), make_site()
    (tmp_path / "good.pem").write_text("".join(site.served))
    (tmp_path / "bad.pem").write_text("".join(other.served))
    (tmp_path / "none.pem").write_text("hello")
    assert "no policy" in _run("check", "www.example.com", "good.pem", code=2).stderr

    _run("policy", "set", "www.example.com", "--pin", site.leaf.pin, "--pin", BACKUP)
    assert _json("check", "www.example.com", "good.pem")["matching"] == [site.leaf.pin]
    assert _json("check", "www.example.com", "bad.pem", code=1)["satisfied"] is False
    assert "does NOT satisfy" in _run("check", "www.example.com", "bad.pem", code=1).stdout
    assert "no certificate in PEM, DER or PKCS #7" in _run("check", "www.example.com", "none.pem", code=2).stderr
    assert "missing.pem" in _run("check", "www.example.com", "missing.pem", code=2).stderr


def test_check_takes_a_match_on_some_paths_for_unknown_unless_it_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, older = make_site(), make_root("Older Root")
    (tmp_path / "roots.pem").write_text(site.root.pem + older.pem)
    monkeypatch.setenv("HPKP_TRUST_ANCHORS", str(tmp_path / "roots.pem"))
    (tmp_path / "chain.pem").write_text("".join(site.served) + cross_sign(site.root, by=older).pem)
    _run("policy", "set", "www.example.com", "--pin", older.pin, "--pin", BACKUP)
    shown = _run("check", "www.example.com", "chain.pem", code=2).stdout
    assert "Unknown whether it may be deployed: clients may build a path without an expected pin." in shown
    assert "www.example.com - Test Intermediate - Test Root" in shown
    told = _json("check", "www.example.com", "chain.pem", code=2)
    assert (told["deployable"], told["satisfied"], told["on_every_path"]) == (None, True, False)
    accepted = _run("check", "www.example.com", "chain.pem", "--accept-some-paths").stdout
    assert "--accept-some-paths accepts the matches on only some paths" in accepted


def test_check_warns_of_pins_that_clients_still_remember(tmp_path: Path) -> None:
    site, other = make_site(), make_site()
    (tmp_path / "new.pem").write_text("".join(site.served))
    enforced = ("--mode", "enforce", "--max-age", "86400")
    _run("policy", "set", "www.example.com", "--pin", other.leaf.pin, "--pin", BACKUP, *enforced)
    _run("policy", "set", "www.example.com", "--pin", site.leaf.pin, "--pin", BACKUP, *enforced)
    answer = _json("check", "www.example.com", "new.pem", code=1)
    assert answer["satisfied"] is True
    assert [(r["revision"], r["satisfied"]) for r in answer["remembered"]] == [(1, False)]
