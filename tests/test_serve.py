"""A real service on a real socket: what it lets through, what it refuses, and how it survives rude senders."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.demo import SampleKind, make_site
from app.hpkp.hosts import Host
from app.store.engine import open_engine
from app.usecases.tokens import Tokens
from tests.support.authority import NOW
from tests.support.server import RunningService, running_service, running_without_token
from tests.support.web.markup import token_of

BODY = make_site(Host("www.example.com"), at=NOW).report(SampleKind.MATCHES_EXPECTED, at=NOW)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


def _connect(service: RunningService) -> socket.socket:
    where = urlsplit(service.url)
    assert where.hostname is not None
    assert where.port is not None
    return socket.create_connection((where.hostname, where.port), timeout=30)


def _counted(service: RunningService, outcome: str) -> float:
    lines = service.client.get("/metrics").text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if f'_total{{outcome="{outcome}"}}' in line)


def test_a_chunked_report_without_content_length_is_taken(service: RunningService) -> None:
    halves = iter((BODY[:1000], BODY[1000:]))
    assert service.client.post("/report", content=halves).status_code == 204


def test_a_megabyte_in_chunks_is_refused_without_being_read_to_the_end(service: RunningService) -> None:
    with _connect(service) as connection:
        connection.sendall(b"POST /report HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 1_048_576:
                connection.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                sent += 0x4000
        except (ConnectionResetError, BrokenPipeError):
            return  # it closed the connection while we were still sending, which is an answer too
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_length_over_the_limit_is_refused_before_the_body(service: RunningService) -> None:
    with _connect(service) as connection:
        connection.sendall(b"POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_sender_that_goes_away_amid_the_body_is_counted_and_nothing_is_stored(service: RunningService) -> None:
    before, violations = _counted(service, "disconnected"), service.client.get("/api/v1/violations").json()
    with _connect(service) as connection:
        head = f"POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        connection.sendall(head + BODY[:500])
    while _counted(service, "disconnected") == before:
        pass
    assert service.client.get("/api/v1/violations").json() == violations


def test_what_is_no_http_is_refused_and_the_service_lives(service: RunningService) -> None:
    with _connect(service) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert service.client.get("/livez").json() == {"status": "alive"}


def test_a_line_break_in_the_hostname_makes_no_line_in_the_log(service: RunningService) -> None:
    forged = BODY.replace(b'"hostname":"www.example.com"', rb'"hostname":"x\r\nERROR: forged"', 1)
    assert service.client.post("/report", content=forged).status_code == 422
    assert "forged" not in service.log.read_text()


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Forwarded-Proto", "X-Real-IP"])
def test_a_proxy_on_the_same_machine_does_not_open_the_api(service: RunningService, header: str) -> None:
    answer = httpx.get(f"{service.url}/api/v1/hosts", headers={header: "127.0.0.1"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost",
        "localhost:8000",
        "127.0.0.1",
        "[::1]:8000",
    ],
)
def test_no_name_of_the_service_opens_the_api(service: RunningService, host: str) -> None:
    assert httpx.get(f"{service.url}/api/v1/hosts", headers={"Host": host}).status_code == 401


_LINK = re.compile(r"http://[^ ]+/login\?link=[\w-]+")


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_service_without_a_token_prints_a_link_that_logs_in_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    with running_without_token(tmp_path, *options) as service:
        assert service.client.get("/livez").status_code == 200  # what it prints at its start stands in the log now
        [link] = _LINK.findall(service.log.read_text())
        assert link.startswith(f"{service.url}/")
        statuses = []
        for _ in range(2):
            with httpx.Client(headers={"accept": "text/html"}, timeout=180) as browser:
                assert browser.get(service.url).status_code == 401
                fields = {"form_token": token_of(browser.get(link)), "link": link.partition("=")[2], "next": "/"}
                statuses.append(browser.post(f"{service.url}/login", data=fields).status_code)
                pages = {browser.get(service.url).status_code for _ in range(10)}  # by either worker
                assert pages == {200 if statuses == [303] else 401}
        assert statuses == [303, 422]
        assert httpx.get(f"{service.url}/api/v1/hosts").status_code == 401
    engine = open_engine(f"sqlite:///{tmp_path}/hpkp.sqlite3")
    assert Tokens(engine).list() == []
    engine.dispose()


@pytest.mark.parametrize("options", [("--intake-only",), ()])
def test_no_link_is_printed_where_there_is_a_token_or_are_no_pages(tmp_path: Path, options: tuple[str, ...]) -> None:
    running = running_without_token if options else running_service
    with running(tmp_path, *options) as service:
        assert service.client.get("/livez").status_code == 200
        assert "login" not in service.log.read_text()


def test_clients_behind_the_proxy_are_told_apart(service: RunningService) -> None:
    body = BODY.replace(b"www.example.com", b"www.example.org")
    for number in range(1, 4):
        forwarded = {"X-Forwarded-For": f"203.0.113.{number}"}
        assert service.client.post("/report", content=body, headers=forwarded).status_code == 204
    summary = service.client.get("/api/v1/hosts/www.example.org/summary").json()
    assert summary["totals"] == {"reports": 3, "violations": 1, "clients": 3}


def test_intake_only_serves_reports_and_health_and_nothing_else(tmp_path: Path) -> None:
    with running_service(tmp_path, "--intake-only", "--host", "0.0.0.0") as service:
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.post(f"{url}/report", content=BODY).status_code == 204
        shown = [httpx.get(f"{url}{path}").status_code for path in ("/livez", "/readyz")]
        hidden = [
            httpx.get(f"{url}{path}").status_code for path in ("/docs", "/openapi.json", "/metrics", "/api/v1/hosts")
        ]
    assert shown == [200, 200]
    assert hidden == [404, 404, 404, 404]
