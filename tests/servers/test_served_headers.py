"""What `hpkp header make` prints, run in the real servers and compared octet for octet with what arrives."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import fromstring

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY, Server, server_line
from app.hpkp.header.value import PinningHeader
from app.hpkp.pins import parse_pin
from tests.support.debian import debian_program
from tests.support.servers.running import RUNNABLE, RefusedToStart, running_server

DOCUMENTS = Path(__file__).parents[2]
PINS = ("A" * 43 + "=", "B" * 42 + "A=")

PLAIN = "https://reports.example.net/report"
NASTY = (
    r"""https://reports.example.net/r;v=1/%25?a=$host&b=100%&c=%[src]%{Host}i${HOME}&d=it's"#!*()`~,@{host}<\>^| ü"""
)
ENCODED_FOR_ALL = '"`{}<\\>^| ü'
ENCODED_FOR = {
    Server.HAPROXY: "'",
    Server.NGINX: "'$",
    Server.APACHE: "'",
    Server.CADDY: "",
    Server.LIGHTTPD: "",
}

ERROR_OF_ITS_OWN = {
    Server.HAPROXY: 503,
    Server.NGINX: 502,
    Server.APACHE: 503,
    Server.CADDY: 502,
    Server.LIGHTTPD: 503,
}
SENT_WITH_BAD_REQUEST = {Server.NGINX, Server.APACHE}


def _make(server: Server, report_uri: str, *, field: str = REPORT_ONLY, pins: tuple[str, ...] = PINS) -> dict[str, Any]:
    """Return what the command says."""
    words = [word for pin in pins for word in ("--pin", pin)]
    mode = "--enforce" if field == ENFORCING else "--report-only"
    words += ["--max-age", "300", mode, "--report-uri", report_uri, "--for", server, "--json"]
    made: dict[str, Any] = json.loads(CliRunner().invoke(app, ["header", "make", *words]).stdout)
    return made


def _value(report_uri: str) -> str:
    return f'pin-sha256="{PINS[0]}"; pin-sha256="{PINS[1]}"; max-age=300; report-uri="{report_uri}"'


def _unprepared_line(server: Server, report_uri: str) -> tuple[str, bytes]:
    """Return the line and the value as they would be if nothing were encoded or refused."""
    header = PinningHeader(tuple(map(parse_pin, PINS)), 300, report_uri=report_uri)
    return server_line(header, server, report_only=True), str(header).encode()


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n".encode()


def _answer(response: bytes, field: str = REPORT_ONLY) -> tuple[int, list[bytes]]:
    """Return a response's status and the octets behind each field of that name, its colon and one space."""
    status, *lines = re.split(rb"\r?\n", response.partition(b"\r\n\r\n")[0])  # RFC 9112 section 2.2: LF may end a line
    start = f"{field}: ".lower().encode()  # HAProxy writes all names in lower case
    return int(status.split()[1]), [line[len(start) :] for line in lines if line.lower().startswith(start)]


def _arriving(server: Server, line: str, directory: Path) -> list[bytes]:
    """Return what arrives with the page; nothing where the server refuses the line."""
    try:
        with running_server(server, line, directory=directory) as running:
            return _answer(running.ask(_get("/page")))[1]
    except RefusedToStart:
        return []


@pytest.mark.parametrize("report_uri", [PLAIN, NASTY], ids=["plain", "nasty"])
@pytest.mark.parametrize("field", [ENFORCING, REPORT_ONLY])
@pytest.mark.parametrize("server", RUNNABLE)
def test_the_field_arrives_octet_for_octet_once_in_each_answer(
    server: Server, field: str, report_uri: str, tmp_path: Path
) -> None:
    made = _make(server, report_uri, field=field)
    unfit = ENCODED_FOR_ALL + ENCODED_FOR[server]
    value = _value("".join(quote(c, safe="") if c in unfit else c for c in report_uri))
    assert made["value"] == value
    with running_server(server, made["line"], directory=tmp_path) as running:
        answers = {path: _answer(running.ask(_get(path)), field) for path in ("/page", "/missing", "/down")}
    assert answers == {
        "/page": (200, [value.encode()]),
        "/missing": (404, [value.encode()]),
        "/down": (ERROR_OF_ITS_OWN[server], [value.encode()]),
    }


@pytest.mark.parametrize("server", RUNNABLE)
def test_what_is_no_request_is_answered_before_some_servers_look_at_the_line(server: Server, tmp_path: Path) -> None:
    made = _make(server, PLAIN)
    with running_server(server, made["line"], directory=tmp_path) as running:
        answer = _answer(running.ask(b"rubbish\r\n\r\n"))
    assert answer == (400, [made["value"].encode()] if server in SENT_WITH_BAD_REQUEST else [])


def test_haproxy_sends_it_over_tls_alone(tmp_path: Path) -> None:
    made = _make(Server.HAPROXY, PLAIN)
    with running_server(Server.HAPROXY, made["line"], directory=tmp_path) as running:
        assert _answer(running.ask(_get("/page"))) == (200, [made["value"].encode()])
        assert _answer(running.ask_without_tls(_get("/page"))) == (200, [])


def test_a_location_of_nginx_with_a_field_of_its_own_needs_the_line_again(tmp_path: Path) -> None:
    line = _make(Server.NGINX, PLAIN)["line"]
    lines = f"""{line}
        location = /without {{ add_header X-Own yes; return 200; }}
        location = /with {{ add_header X-Own yes; {line} return 200; }}"""
    with running_server(Server.NGINX, lines, directory=tmp_path) as running:
        assert _answer(running.ask(_get("/without"))) == (200, [])
        assert _answer(running.ask(_get("/with"))) == (200, [_value(PLAIN).encode()])


def test_haproxy_has_no_room_for_a_long_field_beside_a_large_response_until_it_is_given(tmp_path: Path) -> None:
    pins = tuple(f"{number:02}" + "A" * 41 + "=" for number in range(20))
    made = _make(Server.HAPROXY, PLAIN, pins=pins)
    assert "tune.maxrewrite" in made["caution"]
    assert _make(Server.HAPROXY, PLAIN)["caution"] is None
    assert _make(Server.NGINX, PLAIN, pins=pins)["caution"] is None
    (tmp_path / "large").write_bytes(b"-" * 15_000)
    lines = f"{made['line']}\n    http-request return status 200 content-type text/plain file {tmp_path}/large"
    with running_server(Server.HAPROXY, lines, directory=tmp_path / "default") as running:
        assert _answer(running.ask(_get("/")))[0] == 500
    (tmp_path / "large").write_bytes(b"-" * 12_000)
    preface = "global\n    tune.maxrewrite 4096\n"
    with running_server(Server.HAPROXY, lines, directory=tmp_path / "more", preface=preface) as running:
        assert _answer(running.ask(_get("/"))) == (200, [made["value"].encode()])


@pytest.mark.parametrize(
    ("server", "report_uri"),
    [
        (Server.HAPROXY, "https://r.example/it's"),
        (Server.NGINX, "https://r.example/it's"),
        (Server.APACHE, "https://r.example/it's"),
        (Server.NGINX, "https://r.example/?a=$host"),
        (Server.NGINX, "https://r.example/?a=$unknown"),
        (Server.APACHE, "https://r.example/${HOME}"),
        (Server.CADDY, "https://r.example/`"),
        (Server.CADDY, "https://r.example/{http.request.host}"),
        *((server, "https://r.example/\n") for server in RUNNABLE),
    ],
)
def test_what_is_encoded_or_refused_would_not_have_arrived(server: Server, report_uri: str, tmp_path: Path) -> None:
    line, value = _unprepared_line(server, report_uri)
    assert value not in _arriving(server, line, tmp_path / "unprepared")
    if report_uri.isprintable():
        made = _make(server, report_uri)
        assert made["report_uri_encoded"]
        assert _arriving(server, made["line"], tmp_path / "encoded") == [made["value"].encode()]


@pytest.mark.parametrize("server", [Server.HAPROXY, Server.APACHE])
def test_a_lone_percent_sign_would_not_have_arrived(server: Server, tmp_path: Path) -> None:
    made = _make(server, "https://r.example/?a=%25")
    lone = made["line"].replace("%%", "%")
    assert lone != made["line"]
    with pytest.raises(RefusedToStart, match="%"), running_server(server, lone, directory=tmp_path):
        pass


def test_the_line_for_iis_which_runs_nowhere_here_is_xml_that_holds_the_value() -> None:
    made = _make(Server.IIS, NASTY)
    assert "never run" in made["place"]
    assert fromstring(made["line"]).attrib == {"name": REPORT_ONLY, "value": made["value"]}


@pytest.mark.parametrize("server", [Server.HAPROXY, Server.NGINX, Server.APACHE])
def test_the_lines_of_the_readme_are_those_of_the_command(server: Server) -> None:
    readme = (DOCUMENTS / "README.md").read_text()
    match = re.search(rf"## Serve the header.*?```{server}\n(.*?)\n```", readme, re.DOTALL)
    assert match is not None
    words = ["--pin", PINS[0], "--pin", PINS[1], "--report-uri", PLAIN, "--for", server]
    made = CliRunner().invoke(app, ["header", "make", *words]).stdout
    assert made.splitlines() == [match[1].replace("B" * 43 + "=", PINS[1])]  # the same pin, written with its zero bits


def test_what_cannot_be_had_is_said_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt-get install no-such-package"):
        debian_program("no-such-command", package="no-such-package")
