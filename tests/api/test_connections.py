"""Limits of connections, on real sockets: what is too slow, too long or too many ends, and takes nobody's place."""

import re
import resource
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.open_files import make_room_for_connections
from app.outcomes import Outcome
from tests.support.admin import ADMIN
from tests.support.debian import debian_program
from tests.support.protocol_server import Connection, HeldLog, chunked, post, serving, split, statuses_of, wait_until
from tests.support.reports import distinct_bodies
from tests.support.server import RunningService, running_service

BODIES = distinct_bodies(80)
BODY = BODIES[0]
GET = post(path="/livez", method="GET", length=False)
HALF_HEAD = post(BODY)[:40]
HALF_BODY = post(BODY)[:-40]
STRANGER, OTHER = "127.0.0.2", "127.0.0.3"
"""Addresses that are no trusted proxy's."""

both_protocols = pytest.mark.parametrize("whole_requests", [True, False])


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldLog]:
    """Keep requests from being answered."""
    held = HeldLog(monkeypatch)
    yield held
    held.go.set()


# How long one may take.


@both_protocols
@pytest.mark.parametrize(
    ("said", "reason"),
    [(b"", "head_too_slow"), (HALF_HEAD, "head_too_slow"), (post(BODY) + HALF_HEAD, "head_too_slow")],
)
def test_a_head_that_is_not_complete_in_time_ends_the_connection(
    tmp_path: Path, whole_requests: bool, said: bytes, reason: str
) -> None:
    limits: dict[str, Any] = {"max_head_seconds": 0.5, "max_idle_seconds": 600}
    with serving(tmp_path, whole_requests=whole_requests, **limits) as served, served.connect() as connection:
        connection.send(said)
        told = connection.read_to_the_end()
        assert statuses_of(told) == ([204] if said.startswith(post(BODY)) else []) + ([408] if said else [])
        assert (b"A head has to be complete within 0.5 seconds." in told) == bool(said)
        assert served.closed() == {reason: 1}


@both_protocols
@pytest.mark.parametrize("drop", [b"x", b"\r\n"], ids=["letters", "empty lines"])
def test_a_head_that_drips_for_ever_ends_too(tmp_path: Path, whole_requests: bool, drop: bytes) -> None:
    with serving(tmp_path, whole_requests=whole_requests, max_head_seconds=0.5) as served, served.connect() as slow:
        slow.send(b"POST /report HTTP/1.1\r\nX: " if drop == b"x" else b"")
        ended = threading.Event()

        def drip() -> None:
            while not ended.wait(0.05):
                try:
                    slow.socket.sendall(drop)
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        slow.read_to_the_end()
        ended.set()
        dripping.join()
        assert served.closed() == {"head_too_slow": 1}


@both_protocols
def test_a_report_whose_body_does_not_come_is_answered_by_the_endpoint(tmp_path: Path, whole_requests: bool) -> None:
    with serving(tmp_path, whole_requests=whole_requests, max_body_seconds=0.5) as served, served.connect() as slow:
        slow.send(HALF_BODY)
        assert statuses_of(slow.read_to_the_end()) == [408]
        assert +served.outcomes() == {Outcome.TOO_SLOW: 1}
        assert served.closed() == {}


@both_protocols
@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/hosts/www.example.com/policy", 408), ("/login", 415), ("/no-such-page", 404)]
)
def test_any_other_body_that_does_not_come_ends_too_also_behind_its_answer(
    tmp_path: Path, whole_requests: bool, path: str, status: int
) -> None:
    request = post(b"x" * 100, path, method="PUT" if "policy" in path else "POST")[:-1]
    limits: dict[str, Any] = {"max_body_seconds": 0.1, "max_idle_seconds": 600}
    with serving(tmp_path, whole_requests=whole_requests, **limits) as served, served.connect() as slow:
        slow.send(request)
        assert statuses_of(slow.read_to_the_end()) == [status]
        assert served.closed() == {"body_too_slow": 1}


@both_protocols
def test_an_answer_that_nobody_reads_ends_the_connection(tmp_path: Path, whole_requests: bool) -> None:
    wanted = post(path="/openapi.json", method="GET", length=False)
    limits: dict[str, Any] = {"max_body_seconds": 0.5, "max_idle_seconds": 600, "max_head_seconds": 600}
    with serving(tmp_path, whole_requests=whole_requests, **limits) as served, served.connect() as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _send_until_refused(deaf, wanted, reads=False)  # more and more answers wait for it
        assert served.closed() == {"answer_not_read": 1}


# How much one may send.


@both_protocols
@pytest.mark.parametrize("line", [b"x", b"X-A: b\r\n"], ids=["one long header", "many headers"])
def test_a_head_without_end_is_refused(tmp_path: Path, whole_requests: bool, line: bytes) -> None:
    with serving(tmp_path, whole_requests=whole_requests) as served, served.connect() as connection:
        connection.send(b"POST /report HTTP/1.1\r\nX: ")
        _send_until_refused(connection, line)
        assert statuses_of(connection.told) in ([431], [])
        assert served.closed() == {"head_too_long": 1}


@both_protocols
@pytest.mark.parametrize("trailers", [True, False])
def test_a_request_without_end_is_refused(tmp_path: Path, whole_requests: bool, trailers: bool) -> None:
    begun = post(b"", "/api/v1/hosts/www.example.com/policy", "Transfer-Encoding: chunked", method="PUT", length=False)
    chunk = b"X-A: b\r\n" if trailers else b"1000\r\n" + b" " * 4096 + b"\r\n"
    with serving(tmp_path, whole_requests=whole_requests) as served, served.connect() as connection:
        connection.send(begun + (b"0\r\n" if trailers else b""))
        _send_until_refused(connection, chunk)
        assert statuses_of(connection.told) in ([413], [])
        assert served.closed() == {"request_too_long": 1}


def _too_long(form: str, size: int) -> bytes:
    """Make a report of a size that is over the limit of bodies, with its length or in chunks."""
    if form == "length":
        return post(b" " * size)
    return post(b"", "/report", "Transfer-Encoding: chunked", length=False) + chunked(b" " * size)


@both_protocols
@pytest.mark.parametrize("form", ["length", "chunks"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_sender_that_writes_all_before_it_reads_gets_the_answer(
    tmp_path: Path, whole_requests: bool, form: str, pieces: int
) -> None:
    """Its socket holds less than the body, so the answer is there long before it has written everything."""
    request = _too_long(form, 900_000)
    with serving(tmp_path, whole_requests=whole_requests) as served:
        for _ in range(10):
            with served.connect(STRANGER) as connection:
                connection.send(*split(request, *(len(request) * part // pieces for part in range(1, pieces))))
                answer = b"".join(iter(lambda: connection.socket.recv(65536), b""))
            assert statuses_of(answer) == [413]
            assert b"connection: close" in answer
        assert served.outcomes()[Outcome.TOO_LARGE] == 10
        assert served.closed() == {}


@both_protocols
def test_who_waits_to_be_asked_for_too_long_a_body_is_refused_at_once(tmp_path: Path, whole_requests: bool) -> None:
    head = _too_long("length", 900_000)[:-900_000].replace(b"Host", b"Expect: 100-continue\r\nHost")
    limits: dict[str, Any] = {"max_idle_seconds": 600}
    with serving(tmp_path, whole_requests=whole_requests, **limits) as served, served.connect() as connection:
        connection.send(head)
        assert statuses_of(connection.read_to_the_end()) == [413]
        wait_until(lambda: not served.server.server_state.connections)


@both_protocols
@pytest.mark.parametrize("limit", ["max_idle_seconds", "max_body_seconds"])
def test_who_does_not_end_what_was_refused_is_not_waited_for(tmp_path: Path, whole_requests: bool, limit: str) -> None:
    limits: dict[str, Any] = {"max_idle_seconds": 600, "max_body_seconds": 600} | {limit: 0.5}
    with serving(tmp_path, whole_requests=whole_requests, **limits) as served, served.connect() as connection:
        connection.send(_too_long("length", 900_000)[:500_000])
        assert statuses_of(connection.read_to_the_end()) == [413]
        wait_until(lambda: not served.server.server_state.connections)


@both_protocols
def test_what_follows_a_refused_body_is_no_request(tmp_path: Path, whole_requests: bool) -> None:
    """The answer says that the connection is closed."""
    begun, rest = _too_long("length", 900_000)[:500_000], b" " * 400_000 + post(BODY)
    with serving(tmp_path, whole_requests=whole_requests) as served, served.connect() as connection:
        connection.send(begun)
        assert connection.await_answers(1) == [413]
        connection.send(rest)
        assert statuses_of(connection.read_to_the_end()) == [413]
        assert served.given == []


@both_protocols
def test_who_sends_a_refused_body_without_end_is_cut_off(tmp_path: Path, whole_requests: bool) -> None:
    begun = post(b"", "/report", "Transfer-Encoding: chunked", length=False)
    with serving(tmp_path, whole_requests=whole_requests) as served, served.connect() as connection:
        connection.send(begun)
        _send_until_refused(connection, b"1000\r\n" + b" " * 4096 + b"\r\n")
        assert served.outcomes()[Outcome.TOO_LARGE] == 1
        wait_until(lambda: not served.server.server_state.connections)


def _send_until_refused(connection: Connection, part: bytes, *, reads: bool = True) -> None:
    """Send ever more; the answer may get lost, because the server closes with something unread."""
    with pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012
        for _ in range(100_000):
            connection.send(part * (65_536 // len(part)))
        pytest.fail("it took 6 GB")
    if reads:
        connection.read_to_the_end()


# How many there may be.


@both_protocols
def test_beyond_the_limit_of_an_address_its_own_connections_give_way(tmp_path: Path, whole_requests: bool) -> None:
    with ExitStack() as stack:
        limits: dict[str, Any] = {"max_connections_per_address": 5, "max_idle_seconds": 600, "max_head_seconds": 600}
        served = stack.enter_context(serving(tmp_path, whole_requests=whole_requests, **limits))
        others = [stack.enter_context(served.connect(OTHER)) for _ in range(3)]
        own = [stack.enter_context(served.connect(STRANGER)) for _ in range(5)]
        wait_until(lambda: len(served.server.server_state.connections) == 8)
        own[0].send(post(BODY))  # it has waited for the shortest time then
        own[0].await_answers(1)
        with served.connect(STRANGER) as sixth:
            sixth.send(post(BODY))
            assert sixth.await_answers(1) == [204]
        assert own[1].read_to_the_end() == b""
        assert served.closed() == {"too_many_from_address": 1}
        for connection in (own[0], *own[2:], *others):
            connection.send(post(BODY))
            connection.await_answers(2 if connection is own[0] else 1)


@both_protocols
def test_what_is_being_answered_never_gives_way(tmp_path: Path, log: HeldLog, whole_requests: bool) -> None:
    with ExitStack() as stack:
        served = stack.enter_context(serving(tmp_path, whole_requests=whole_requests, max_connections_per_address=3))
        busy = [stack.enter_context(served.connect(STRANGER)) for _ in range(3)]
        for number, connection in enumerate(busy):
            connection.send(post(BODIES[number]))
        wait_until(lambda: len(served.given) == 3)
        with served.connect(STRANGER) as fourth:
            told = fourth.read_to_the_end()
            assert statuses_of(told) == [503]
            assert b"Too many connections" in told
        with served.connect(OTHER) as other:
            other.send(GET)
            assert other.await_answers(1) == [200]
        log.go.set()
        assert [connection.await_answers(1) for connection in busy] == [[204]] * 3
        assert served.closed() == {"too_many_from_address": 1}


def test_trusted_proxies_have_no_limit_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        served = stack.enter_context(serving(tmp_path, max_connections_per_address=2, max_head_seconds=600))
        proxied = [stack.enter_context(served.connect()) for _ in range(30)]
        for connection, body in zip(proxied, BODIES, strict=False):
            connection.send(post(body, "/report", "X-Forwarded-For: 203.0.113.7"))
        for connection in proxied:
            assert connection.await_answers(1) == [204]
        assert served.closed() == {}


def test_whoever_is_gone_counts_no_more(tmp_path: Path) -> None:
    with serving(tmp_path, max_connections_per_address=2, max_connections=2) as served:
        for body in BODIES[:20]:
            with served.connect(STRANGER) as connection:
                connection.send(post(body))
                connection.await_answers(1)
            wait_until(lambda: not served.server.server_state.connections)
        assert served.closed() == {}


def test_the_open_connections_are_shown(tmp_path: Path) -> None:
    with serving(tmp_path, max_head_seconds=600) as served, served.connect(), served.connect():
        wait_until(lambda: b"hpkp_connections 2.0" in served.app.state.metrics.exposition())


@contextmanager
def _files_allowed(count: int) -> Iterator[None]:
    """Let this process, which is the other end, have so many open files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert make_room_for_connections(count) == count
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


IDLE = 1100
PATIENT = dict.fromkeys(("HPKP_MAX_HEAD_SECONDS", "HPKP_MAX_BODY_SECONDS", "HPKP_MAX_IDLE_SECONDS"), "600")
"""What ends connections is their number."""


@pytest.mark.parametrize("options", [(), ("--no-whole-requests",)])
def test_a_thousand_idle_sockets_keep_no_report_out(tmp_path: Path, options: tuple[str, ...]) -> None:
    """They say nothing, half a head or half a body, or were answered; the service may have 1,024 open files."""
    scarce = ("sh", "-c", 'ulimit -n 1024 && exec "$@"', "sh")
    with (
        _files_allowed(IDLE + 50),
        running_service(tmp_path, *options, within=scarce, **PATIENT) as service,
        ExitStack() as stack,
    ):
        for number in range(IDLE):
            idle = stack.enter_context(_connect(service))
            idle.send((b"", HALF_HEAD, HALF_BODY, GET)[number % 4])
        for number, body in enumerate(BODIES[:20]):
            with _connect(service) as sender:  # every other one is forwarded by a proxy
                sender.send(post(body, "/report", *(["X-Forwarded-For: 203.0.113.7"] if number % 2 else [])))
                assert sender.await_answers(1) == [204]
        assert _closed(service)["too_many"] >= IDLE + 20 - 1024
        assert (
            "HPKP_MAX_CONNECTIONS is 1000, but the limit of open files leaves room for 896." in service.log.read_text()
        )
        assert "Too many open files" not in service.log.read_text()


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(tmp_path: Path) -> None:
    low = ("sh", "-c", 'ulimit -Sn 200 && exec "$@"', "sh")
    with _files_allowed(500), running_service(tmp_path, within=low, **PATIENT) as service, ExitStack() as stack:
        idle = [stack.enter_context(_connect(service)) for _ in range(400)]
        with _connect(service) as sender:
            sender.send(post(BODY))
            assert sender.await_answers(1) == [204]
        assert _closed(service) == {}
        idle[0].send(GET)
        assert idle[0].await_answers(1) == [200]


def test_a_proxy_is_not_strangled(tmp_path: Path) -> None:
    with (
        running_service(tmp_path, HPKP_MAX_CONNECTIONS_PER_ADDRESS="2") as service,
        _haproxy(tmp_path, service) as port,
    ):
        url = f"http://127.0.0.1:{port}/report"
        with ThreadPoolExecutor(40) as clients:
            answers = clients.map(lambda body: httpx.post(url, content=body, timeout=60).status_code, BODIES)
        assert Counter(answers) == {204: len(BODIES)}


def test_no_address_is_logged_whatever_is_sent(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        before = service.log.read_text()
        for request in HOSTILE:
            with _connect(service, "127.9.8.7") as stranger:
                stranger.send(request.replace(b"Host:", b"X-Forwarded-For: 203.0.113.99\r\nHost:", 1))
                stranger.socket.shutdown(socket.SHUT_WR)
                stranger.read_to_the_end()
        assert httpx.get(f"{service.url}/livez", timeout=60).status_code == 200
        assert service.log.read_text() == before


@pytest.mark.parametrize("options", [(), ("--no-whole-requests",)])
def test_senders_that_go_before_their_pipelined_answers_leave_nothing_in_the_log(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A reset while one of several requests is answered: uvicorn's class knows of the newest alone that it is over."""
    refused = post(b"{}", "/report?mode=nothing")
    with running_service(tmp_path, *options) as service:
        before = service.log.read_text()
        for number in range(200):
            with _connect(service) as sender:
                sender.send((GET, refused, post(BODY), post(path="/hosts", method="GET", length=False))[number % 4] * 6)
                sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if number % 3:
                    time.sleep(0.001 * (number % 3))
        assert httpx.get(f"{service.url}/livez", timeout=60).status_code == 200
        assert service.log.read_text() == before


@pytest.mark.parametrize(
    "begun",
    [
        post(b"x=" + b"y" * 500, "/login", "Content-Type: application/x-www-form-urlencoded")[:-100],
        post(b"x" * 500, "/hosts/a.example/policy", "Content-Type: application/x-www-form-urlencoded")[:-100],
        post(b"x" * 500, "/api/v1/hosts/a.example/check", *(f"{name}: {value}" for name, value in ADMIN.items()))[
            :-100
        ],
        post(BODY)[:-100],
    ],
)
def test_a_sender_that_leaves_in_the_middle_of_a_body_leaves_nothing_in_the_log(tmp_path: Path, begun: bytes) -> None:
    with running_service(tmp_path) as service:
        before = service.log.read_text()
        with _connect(service) as sender:
            sender.send(begun)
            time.sleep(0.3)  # the application waits for the rest
        assert httpx.get(f"{service.url}/livez", timeout=60).status_code == 200
        time.sleep(0.3)
        assert service.log.read_text() == before


WEBSOCKET = post(
    b"", "/report", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13", method="GET", length=False,
)  # fmt: skip
HOSTILE = [
    WEBSOCKET,
    WEBSOCKET.replace(b"/report", b"/"),
    WEBSOCKET.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\nsomething"),
    WEBSOCKET.replace(b"websocket", b"h2c"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    post(BODY, "/report/\xff"),
    post(BODY, "/report", "Content-Length: 5"),
    post(BODY, "/report", "Transfer-Encoding: chunked"),
    post(b"", "/report", "Transfer-Encoding: chunked", length=False) + b"zz\r\n",
    post(b"", "/report", "Transfer-Encoding: chunked", length=False) + chunked(b"{}"),
    post(b"{}", "//[::1", method="GET"),
    post(b"{}", "http://[/report"),
    post(b"{}", "/login", "Origin: http://["),
    HALF_HEAD,
    HALF_BODY,
]  # fmt: skip


def _connect(service: RunningService, source: str = "127.0.0.1") -> Connection:
    where = urlsplit(service.url)
    assert where.hostname
    assert where.port
    return Connection(socket.create_connection((where.hostname, where.port), timeout=60, source_address=(source, 0)))


def _closed(service: RunningService) -> Counter[str]:
    text = service.client.get("/metrics").text
    found = re.findall(r'hpkp_connections_closed_total\{reason="(\w+)"\} (\S+)', text)
    return +Counter({reason: int(float(value)) for reason, value in found})


@contextmanager
def _haproxy(directory: Path, service: RunningService) -> Iterator[int]:
    """Run HAProxy in front of the service, as docs/operating.md says, without TLS; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    configuration = directory / "haproxy.cfg"
    configuration.write_text(f"""\
defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend reports
    bind 127.0.0.1:{port}
    http-request del-header X-Forwarded-For
    option forwardfor
    default_backend hpkp
backend hpkp
    server hpkp {service.url.removeprefix("http://")}
""")
    program = debian_program("haproxy", package="haproxy")
    command = [str(program.path), "-db", "-f", str(configuration)]
    with (directory / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(command, env=program.environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (directory / "haproxy.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
