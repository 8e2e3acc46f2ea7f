"""What goes outward meets real servers that want to cost it much: bombs, drips, endless heads, and ways back inside."""

import asyncio
import gzip
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.background_jobs import list_jobs
from app.hpkp.hosts import Host
from app.main import create_app
from app.notifier import Message, MessageKind, Receivers, notify
from app.outbound import Bounds, OutboundError, Reply, fetch
from app.probe import ProbeOptions, probe
from app.upkeep.runner import Job, Runner
from app.usecases.canaries import Canaries
from tests.support.admin import ADMIN
from tests.support.application import TestClient, settings_for
from tests.support.authority import make_site
from tests.support.tls_server import resolve, tls_server
from tests.support.web_server import served

HOST = "www.example.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """A server that does with each connection what a test wants, once it has read a head."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/report"


@contextmanager
def serving(converse: Callable[[socket.socket, Server], None]) -> Iterator[Server]:
    """Serve on loopback until the block ends."""
    server = Server()
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                head += more
            if head:
                server.heads.append(head)
                converse(connection, server)

    def listen() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def saying(*parts: bytes) -> Callable[[socket.socket, Server], None]:
    """Say parts and close."""

    def converse(connection: socket.socket, _server: Server) -> None:
        for part in parts:
            connection.sendall(part)

    return converse


def dripping(head: bytes, drop: bytes) -> Callable[[socket.socket, Server], None]:
    """Say a head, and then ever more of the same, slowly."""

    def converse(connection: socket.socket, server: Server) -> None:
        connection.sendall(head)
        while not server.ending.wait(0.02):
            connection.sendall(drop)

    return converse


def pouring(head: bytes, drop: bytes) -> Callable[[socket.socket, Server], None]:
    """Say a head, and then ever more of the same, as fast as it is read."""

    def converse(connection: socket.socket, server: Server) -> None:
        connection.sendall(head)
        while not server.ending.is_set():
            connection.sendall(drop)

    return converse


def _fetch(url: str, *, seconds: float = 60, body_bytes: int = 0, private: bool = True, method: str = "GET") -> Reply:
    bounds = Bounds(seconds, body_bytes=body_bytes, private_addresses=private)
    return asyncio.run(fetch(method, url, bounds=bounds))


BOMB = gzip.compress(bytes(50_000_000))
BOMB_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB


@pytest.mark.parametrize(
    ("converse", "reason"),
    [
        (saying(BOMB_ANSWER), "compressed"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000), "too long: more than 1000 bytes"),
        (pouring(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), "too long"),
        (pouring(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 9999), "too long"),
        (pouring(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536), "not HTTP/1.1"),
        (pouring(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 999), "not HTTP/1.1"),
        (pouring(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536), "not HTTP/1.1"),
        (pouring(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 999), "not HTTP/1.1"),
        (pouring(b"HTTP/1.1 ", b"1" * 65536), "not HTTP/1.1"),
        (pouring(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 99), "interim answers"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "not HTTP/1.1"),
        (saying(b""), "not HTTP/1.1"),
    ],
    ids=[
        "gzip bomb", "long body", "endless body", "endless chunks", "endless chunk extension", "endless trailers",
        "endless field", "endless fields", "endless status", "endless interim answers", "another protocol", "nothing",
    ],
)  # fmt: skip
def test_an_answer_that_costs_too_much_is_broken_off(
    converse: Callable[[socket.socket, Server], None], reason: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(converse) as server, pytest.raises(OutboundError, match=reason):
        _fetch(server.url, body_bytes=1000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, (
        "kilobytes, of which the bomb has 50,000"
    )


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silence", "head", "body", "chunks"],
)
def test_a_drip_ends_with_the_time_allowed_for_all(head: bytes, drop: bytes) -> None:
    with serving(dripping(head, drop)) as server, pytest.raises(OutboundError, match=r"no answer within 0\.3 seconds"):
        _fetch(server.url, seconds=0.3, body_bytes=10**9)


def test_the_body_of_which_nothing_is_wanted_is_left_unread() -> None:
    with serving(saying(BOMB_ANSWER)) as server:
        assert _fetch(server.url) == Reply(
            200, [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(BOMB))]
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serving(saying(OK)) as inside:
        lead = b"HTTP/1.1 %d Elsewhere\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, inside.url.encode())
        with serving(saying(lead)) as server:
            reply = _fetch(server.url, body_bytes=1000)
        assert (reply.status, reply.is_redirect, reply.is_success) == (status, True, False)
        assert inside.heads == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
     "[fec0::1]", "10.0.0.1", "169.254.169.254", "[2002:7f00:1::]"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_connected_to_in_any_form(address: str) -> None:
    with serving(saying(OK)) as server:
        with pytest.raises(OutboundError, match="not at a public address"):
            _fetch(f"http://{address}:{server.port}/", private=False)
        assert server.heads == []


def test_a_name_that_leads_inside_is_refused_and_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    resolve(monkeypatch, {HOST: ["127.0.0.1", "::1", "10.1.2.3"]})
    real = socket.getaddrinfo

    def lookup(host: str, *arguments: object, **options: object) -> object:
        asked.append(host)
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with serving(saying(OK)) as server:
        with pytest.raises(OutboundError, match="not at a public address"):
            _fetch(f"http://{HOST}:{server.port}/", private=False)
        assert asked == [HOST]
        assert server.heads == []
        assert _fetch(f"http://{HOST}:{server.port}/").status == 200
    assert asked.count(HOST) == 2


@pytest.mark.parametrize(
    "url",
    ["", "http://", "http://[", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[::1%25lo]/", "http://a b/", "//x",
     "http://" + "a" * 300 + "/", "http://127.0.0.1:99999/", "http://x\r\nHost: y/", "unix:///run/docker.sock"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(OutboundError) as refused:
        _fetch(url)
    assert str(refused.value)


def test_the_request_names_the_host_and_asks_for_nothing_compressed() -> None:
    with serving(saying(OK)) as server:
        reply = _fetch(f"http://user:p%40ss@127.0.0.1:{server.port}/a%20b?c=d#e", body_bytes=10)
    assert reply.body == b"ok"
    head = server.heads[0].decode().lower()
    assert head.startswith("get /a%20b?c=d http/1.1\r\n")
    for line in (f"host: 127.0.0.1:{server.port}", "accept-encoding: identity", "authorization: basic dxnlcjpwqhnz"):
        assert f"{line}\r\n" in head


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, {HOST: ["127.0.0.2", "127.0.0.1"]})
    with serving(saying(OK)) as server:
        assert _fetch(f"http://{HOST}:{server.port}/").status == 200


def test_a_certificate_has_to_be_for_the_name_and_from_a_known_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resolve(monkeypatch, {HOST: ["127.0.0.1"], "other.example.test": ["127.0.0.1"]})
    today, day = datetime.now(UTC), timedelta(days=1)
    site = make_site(HOST, not_before=today - day, not_after=today + 89 * day)
    roots = tmp_path / "roots.pem"
    roots.write_text(site.root.pem)
    with tls_server(site.leaf, site.intermediate) as server:
        with pytest.raises(OutboundError, match="TLS failed"):
            _fetch(f"https://{HOST}:{server.port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(roots))
        assert _fetch(f"https://{HOST}:{server.port}/").status == 200
        with pytest.raises(OutboundError, match="TLS failed"):
            _fetch(f"https://other.example.test:{server.port}/")


def test_a_webhook_s_receiver_costs_no_more_than_any_server() -> None:
    with serving(saying(BOMB_ANSWER)) as server:
        receivers = Receivers(webhook=server.url, pause=0.01)
        [delivery] = asyncio.run(notify(receivers, Message(MessageKind.TEST, datetime.now(UTC))))
    assert delivery.fault is None
    assert len(server.heads) == 1


def test_a_probe_reads_no_endless_interim_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, {HOST: ["127.0.0.1"]})
    site = make_site(HOST)
    with tls_server(site.leaf) as server:
        server.replies = {"": (102, [])}
        options = ProbeOptions(server.port, ("/",), private_addresses=True)
        [endpoint] = asyncio.run(probe(Host(HOST), options)).endpoints
    assert len(endpoint.chains) == 1
    assert endpoint.answers == ()
    assert endpoint.faults


def _send_canary(client: TestClient, host: str) -> dict[str, object]:
    answer = client.post(f"/api/v1/hosts/{host}/canary")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _set_policy(client: httpx.Client, host: str, report_uri: str) -> None:
    pins = [{"sha256": "A" * 43 + "="}, {"sha256": "B" * 42 + "A="}]
    answer = client.put(f"/api/v1/hosts/{host}/policy", json={"pins": pins, "report_uri": report_uri})
    assert answer.status_code == 200, answer.text


def test_a_canary_goes_nowhere_inside_unless_allowed(client: TestClient) -> None:
    with serving(saying(OK)) as server:
        _set_policy(client, "www.example.com", server.url)
        assert "not at a public address (HPKP_PROBE_PRIVATE_ADDRESSES)" in str(
            _send_canary(client, "www.example.com")["fault"]
        )
        assert server.heads == []


def test_one_slow_report_uri_does_not_stop_the_canaries_of_others(tmp_path: Path) -> None:
    """Ten report-uris say nothing, and each canary may take 20 seconds; that of the eleventh host arrives meanwhile."""
    app = create_app(settings_for(tmp_path, probe_private_addresses=True, canary_interval_hours=1))

    def silent(_connection: socket.socket, server: Server) -> None:
        server.ending.wait(600)

    with served(app) as url, httpx.Client(base_url=url, headers=ADMIN, timeout=60) as client, serving(silent) as slow:
        canaries: Canaries = app.state.service.canaries
        for number in range(10):
            _set_policy(client, f"a{number}.example.com", slow.url)
        _set_policy(client, "z.example.com", f"{url}/report")
        [job] = [job for job in list_jobs(app.state.service) if job.name == "canaries"]
        sending = threading.Thread(target=lambda: asyncio.run(_run_until(job, slow.ending, tmp_path / "jobs")))
        sending.start()
        deadline = time.monotonic() + 180
        while len(slow.heads) < 10 or canaries.find_last_arrival() is None:  # both before the first ends
            assert time.monotonic() < deadline, "it did not arrive"
            time.sleep(0.05)
        slow.ending.set()
        sending.join()
        assert "canary_missing" not in _codes(client, "z.example.com")
        assert "canary_missing" in _codes(client, "a0.example.com")


async def _run_until(job: Job, ending: threading.Event, directory: Path) -> None:
    """Run a background job until its canaries are answered, and no longer than that."""
    running = asyncio.create_task(Runner([job], directory).run())
    await asyncio.to_thread(ending.wait)
    running.cancel()
    await asyncio.wait([running])


def _codes(client: httpx.Client, host: str) -> set[str]:
    found = client.get(f"/api/v1/hosts/{host}/readiness").json()["findings"]
    return {finding["code"] for finding in found}
