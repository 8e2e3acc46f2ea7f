"""What `hpkp control show` prints, run in real servers: some clients get the control field, the others the usual."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY, Server
from app.hpkp.header.value import PinningHeader, parse_header
from tests.servers.test_served_headers import PINS, _answer
from tests.support.servers.running import running_server

HOST = "www.example.com"
URI = "https://reports.example.net/r?a=100%25"
CHOOSING = (Server.NGINX, Server.HAPROXY, Server.APACHE, Server.CADDY)
CLIENTS = 400
SHARE = 25.0
FEWEST, MOST = 60, 140
"""Of 400 clients with a share of 25 %: 100, and less than one draw in 100,000 lies outside."""


def _run(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def _get(client: int, path: str = "/page") -> bytes:
    lines = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: Client/{client}\r\nConnection: close\r\n\r\n"
    return lines.encode()


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    monkeypatch.setenv("HPKP_LOG_DIR", str(tmp_path / "log"))


def _set_policy(mode: str) -> str:
    pins = [word for pin in PINS for word in ("--pin", pin)]
    words = ["policy", "set", HOST, *pins, "--mode", mode, "--max-age", "300", "--report-uri", URI]
    assert CliRunner().invoke(app, words).exit_code == 0
    return str(
        PinningHeader(tuple(parse_header(f'pin-sha256="{PINS[0]}"; pin-sha256="{PINS[1]}"').pins), 300, report_uri=URI)
    )


@pytest.mark.parametrize("mode", ["report-only", "enforce"])
@pytest.mark.parametrize("server", CHOOSING)
def test_a_share_of_clients_gets_the_control_field_and_every_answer_one_of_each_name(
    server: Server, mode: str, tmp_path: Path
) -> None:
    usual = _set_policy(mode).encode()
    made = _run("control", "make", HOST, "--for", server, "--share", str(SHARE))
    control = made["value"].encode()
    parts = [part["text"] for part in made["configuration"]]
    http, line = parts if len(parts) == 2 else ("", parts[0])
    reported, enforced = Counter[tuple[bytes, ...]](), Counter[tuple[bytes, ...]]()
    with running_server(server, line, directory=tmp_path / "server", http=http) as running:
        for client in range(CLIENTS):
            response = running.ask(_get(client))
            status, fields = _answer(response, REPORT_ONLY)
            assert status == 200
            reported[tuple(fields)] += 1
            enforced[tuple(_answer(response, ENFORCING)[1])] += 1
        errors = {tuple(_answer(running.ask(_get(client, "/missing")))[1]) for client in range(40)}
    others = () if mode == "enforce" else (usual,)
    assert reported.keys() == {(control,), others}
    assert FEWEST <= reported[control,] <= MOST
    assert enforced == {(usual,) if mode == "enforce" else (): CLIENTS}
    assert errors == {(control,), others}


@pytest.mark.parametrize("server", [Server.NGINX, Server.HAPROXY, Server.APACHE])
def test_a_client_stays_in_its_share_for_the_day(server: Server, tmp_path: Path) -> None:
    _set_policy("report-only")
    parts = [p["text"] for p in _run("control", "make", HOST, "--for", server, "--share", "50")["configuration"]]
    http, line = parts if len(parts) == 2 else ("", parts[0])
    with running_server(server, line, directory=tmp_path / "server", http=http) as running:
        for _ in range(2):  # at midnight the share changes, between two rounds at most once
            rounds = [[_answer(running.ask(_get(client)))[1] for client in range(20)] for _ in range(3)]
            if rounds[0] == rounds[1] == rounds[2]:
                break
        else:
            pytest.fail("clients changed their share within a day")


@pytest.mark.parametrize("server", [Server.LIGHTTPD, Server.IIS])
def test_a_server_that_cannot_choose_says_what_to_do_instead(server: Server) -> None:
    _set_policy("report-only")
    assert CliRunner().invoke(app, ["control", "make", HOST]).exit_code == 0
    result = CliRunner().invoke(app, ["control", "show", HOST, "--for", server])
    assert result.exit_code == 2
    assert "--domain" in result.output
