"""Probes of real TLS servers on loopback: what is served at every address, and what goes wrong."""

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest

from app.hpkp.hosts import Host
from app.hpkp.probe_result import Endpoint, Probe
from app.hpkp.x509.certificate import Certificate
from app.probe import MISSING_PATH, ProbeOptions, probe
from tests.support.authority import make_site, new_key
from tests.support.tls_server import TlsServer, resolve, tls_server

HOST = Host("www.example.test")
FIELD = 'pin-sha256="x"; report-uri="https://reports.example.net/report?a=1;b=%25"'


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """Let the host have two addresses."""
    resolve(monkeypatch, {HOST: ["127.0.0.1", "127.0.0.2"]})
    return "127.0.0.1", "127.0.0.2"


def _look(port: int, host: Host = HOST, *, timeout: float = 5, private_addresses: bool = True) -> Probe:
    return asyncio.run(probe(host, ProbeOptions(port, timeout=timeout, private_addresses=private_addresses)))


def _leaf_pins(endpoint: Endpoint) -> set[str]:
    return {str(chain[0].pin) for chain in endpoint.chains}


def test_every_address_shows_its_chain_and_the_fields_of_every_answer(two_addresses: Sequence[str]) -> None:
    site = make_site(HOST)
    with tls_server(site.leaf, site.intermediate, addresses=two_addresses) as server:
        server.serve_header("Public-Key-Pins-Report-Only", FIELD)
        seen = _look(server.port)
    assert [endpoint.address for endpoint in seen.endpoints] == list(two_addresses)
    for endpoint in seen.endpoints:
        [chain] = endpoint.chains
        assert [element.der for element in chain if isinstance(element, Certificate)] == [
            site.leaf.der,
            site.intermediate.der,
        ]
        assert [(a.path, a.status, a.report_only) for a in endpoint.answers] == [
            ("/", 200, (FIELD,)),
            (MISSING_PATH, 404, (FIELD,)),
        ]
        assert endpoint.faults == ()
    assert set(server.names_asked_for) == {HOST}, "the host is named in every handshake"


def test_fields_are_kept_one_by_one_and_in_order(two_addresses: Sequence[str]) -> None:
    site = make_site(HOST)
    with tls_server(site.leaf, addresses=two_addresses) as server:
        server.replies = {"": (503, [("public-key-pins", "b"), ("PUBLIC-KEY-PINS", "a"), ("X-Other", "c")])}
        answer = _look(server.port).endpoints[0].answers[0]
    assert (answer.status, answer.enforcing, answer.report_only) == (503, ("b", "a"), ())


def test_a_server_with_keys_of_two_kinds_shows_both_chains(two_addresses: Sequence[str]) -> None:
    ec, rsa = make_site(HOST), make_site(HOST, key=new_key("rsa2048"))
    with tls_server(ec.leaf, ec.intermediate, addresses=two_addresses) as server:
        server.deploy(rsa.leaf, rsa.intermediate)
        [first, _] = _look(server.port).endpoints
    assert _leaf_pins(first) == {ec.leaf.pin, rsa.leaf.pin}


def test_one_address_down_leaves_the_other_seen(two_addresses: Sequence[str]) -> None:
    site = make_site(HOST)
    with tls_server(site.leaf, addresses=two_addresses[:1]) as server:
        up, down = _look(server.port).endpoints
    assert _leaf_pins(up) == {site.leaf.pin}
    assert (down.chains, down.answers) == ((), ())
    [fault] = down.faults
    assert "refused" in fault.lower()


def test_nothing_connects_to_an_address_that_is_not_public(two_addresses: Sequence[str]) -> None:
    site = make_site(HOST)
    with tls_server(site.leaf, addresses=two_addresses) as server:
        seen = _look(server.port, private_addresses=False)
    assert {fault for endpoint in seen.endpoints for fault in endpoint.faults} == {
        "not a public address; not connected to"
    }
    assert server.connections == 0


def test_a_name_is_resolved_once_whatever_it_answers_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to a public address first and home afterwards gains nothing (DNS rebinding)."""
    asked: list[str] = []
    resolve(monkeypatch, {HOST: ["127.0.0.1"]})
    real = socket.getaddrinfo

    def lookup(host: str, *arguments: object, **options: object) -> object:
        asked.append(host)
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    site = make_site(HOST)
    with tls_server(site.leaf) as server:
        assert _look(server.port).endpoints[0].answers
    assert asked.count(HOST) == 1


def test_a_name_without_an_address_is_told() -> None:
    seen = _look(443, Host("no-such-name.invalid"))
    assert seen.endpoints == ()
    assert seen.fault is not None
    assert "cannot be resolved" in seen.fault


@pytest.fixture
def one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host have one address."""
    resolve(monkeypatch, {HOST: ["127.0.0.1"]})


def _only_fault(port: int, *, timeout: float = 5) -> str:
    [endpoint] = _look(port, timeout=timeout).endpoints
    return endpoint.faults[0]


@pytest.mark.usefixtures("one_address")
def test_a_server_that_says_nothing_costs_only_the_time_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer within 0.2 seconds" in _only_fault(silent.getsockname()[1], timeout=0.2)


@pytest.mark.usefixtures("one_address")
def test_a_server_without_tls_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        _answer_plainly(plain)
        assert "TLS failed" in _only_fault(plain.getsockname()[1])


def _answer_plainly(listener: socket.socket) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()


@pytest.mark.usefixtures("one_address")
@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ([("X", "y" * 200_000)], "not HTTP/1.1"),
        ([(f"X-{n}", "y" * 60) for n in range(2000)], "not HTTP/1.1"),
        ([("Bad Name", "x")], "not HTTP/1.1"),
    ],
)
def test_an_answer_that_is_none_is_told_and_the_chain_kept(fields: list[tuple[str, str]], fault: str) -> None:
    site = make_site(HOST)
    with tls_server(site.leaf) as server:
        server.replies = {"": (200, fields)}
        [endpoint] = _look(server.port).endpoints
    assert _leaf_pins(endpoint) == {site.leaf.pin}
    assert endpoint.answers == ()
    assert fault in endpoint.faults[0]


@pytest.mark.usefixtures("one_address")
def test_what_is_kept_of_an_answer_is_bounded() -> None:
    site = make_site(HOST)
    with tls_server(site.leaf) as server:
        server.replies = {"": (200, [("Public-Key-Pins", "x" * 9000)] * 6)}
        answer = _look(server.port).endpoints[0].answers[0]
    assert [len(value) for value in answer.enforcing] == [8192] * 4


def test_the_server_helper_serves_what_was_deployed_last(one_address: None) -> None:
    before, after = make_site(HOST), make_site(HOST)
    with tls_server(before.leaf) as server:
        assert _pins_of(server) == {before.leaf.pin}
        server.deploy(after.leaf)
        assert _pins_of(server) == {after.leaf.pin}


def _pins_of(server: TlsServer) -> set[str]:
    return _leaf_pins(_look(server.port).endpoints[0])
