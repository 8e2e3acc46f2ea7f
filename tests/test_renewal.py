"""A renewal played through against a real TLS server: pinned, probed, renewed wrongly, mended with the backup key."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.api.answers import problem_of
from tests.support.application import StartApp, TestClient, service_of
from tests.support.authority import Issued, make_root, new_key
from tests.support.reports import report_body
from tests.support.tls_server import TlsServer, resolve, tls_server

HOST = "www.example.test"
URL = f"/api/v1/hosts/{HOST}"
TODAY = datetime.now(UTC)

ROOT = make_root()
CA = ROOT.issue("Test Intermediate", ca=True)
LIVE_KEY, BACKUP_KEY = new_key(), new_key()


def _leaf(**options: Any) -> Issued:
    return CA.issue(HOST, not_before=TODAY - timedelta(days=1), not_after=TODAY + timedelta(days=89), **options)


LIVE, BACKUP = _leaf(key=LIVE_KEY), _leaf(key=BACKUP_KEY)
POLICY = {
    "pins": [{"sha256": LIVE.pin, "label": "live"}, {"sha256": BACKUP.pin, "label": "backup"}],
    "max_age": 3600,
    "report_uri": "https://reports.example.net/report",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsServer]:
    """Return a server that serves the live key."""
    resolve(monkeypatch, {HOST: ["127.0.0.1", "127.0.0.2"]})
    with tls_server(LIVE, CA, addresses=["127.0.0.1", "127.0.0.2"]) as running:
        yield running


@pytest.fixture
def client(start: StartApp, server: TlsServer, tmp_path: Path) -> TestClient:
    """Return a client of a service that trusts our root and may look at loopback."""
    anchors = tmp_path / "roots.pem"
    anchors.write_text(ROOT.pem)
    return start(trust_anchors=anchors, probe_private_addresses=True, probe_port=server.port)


def _probe(client: TestClient) -> dict[str, Any]:
    response = client.post(f"{URL}/probe")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _codes(answer: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in answer["findings"]}


def _readiness(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"{URL}/readiness").json()
    return answer


def _events(client: TestClient) -> list[str]:
    return [event["kind"] for event in reversed(client.get("/api/v1/events", params={"host": HOST}).json()["items"])]


def test_a_renewal_from_the_first_pin_to_the_backup_key(client: TestClient, server: TlsServer) -> None:
    field = client.put(f"{URL}/policy", json=POLICY).json()["header"]
    assert "live_chain_not_seen" in _codes(_readiness(client))

    server.serve_header("Public-Key-Pins-Report-Only", field)
    first = _probe(client)
    assert (first["satisfied"], first["findings"]) == (True, [])
    assert [endpoint["address"] for endpoint in first["endpoints"]] == ["127.0.0.1", "127.0.0.2"]
    assert "live_chain_not_seen" not in _codes(_readiness(client))

    server.deploy(_leaf(), CA)  # renewed as certbot does without --reuse-key
    renewed = _probe(client)
    assert renewed["satisfied"] is False
    assert "no_pin_in_live_chain" in _codes(renewed)
    told = _readiness(client)
    assert told["verdict"] == "not_ready"
    assert "no_pin_in_live_chain" in _codes(told)

    server.deploy(BACKUP, CA)
    mended = _probe(client)
    assert (mended["satisfied"], mended["findings"]) == (True, [])
    assert "no_pin_in_live_chain" not in _codes(_readiness(client))
    assert _events(client) == [
        "policy_changed",
        "verdict_changed",  # the first
        "served_chain_changed",
        "served_header_changed",
        "served_chain_changed",
        "served_chain_changed",
    ]


def test_what_the_host_was_seen_to_serve_is_its_own_key(client: TestClient, server: TlsServer) -> None:
    """The same report is an alarm before the probe, and our own mistake after it."""
    client.put(f"{URL}/policy", json=POLICY)
    unpinned = _leaf()
    body = report_body(
        host=HOST,
        at=TODAY,
        known_pins=[LIVE.pin, BACKUP.pin],
        served=[unpinned.pem, CA.pem],
        validated=[unpinned.pem, CA.pem, ROOT.pem],
    )
    assert client.post("/report", content=body).status_code == 204
    assert _cause(client) == "unknown_key_public_ca"
    server.deploy(unpinned, CA)
    _probe(client)
    assert _cause(client) == "own_key_not_pinned"


def _cause(client: TestClient) -> str:
    return str(client.get("/api/v1/violations/1").json()["cause"])


def test_looks_that_see_the_same_are_one_row_and_no_further_event(client: TestClient) -> None:
    client.put(f"{URL}/policy", json=POLICY)
    for _ in range(3):
        _probe(client)
    with service_of(client).engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT looks, first_at < last_at FROM probes").all()
    assert [tuple(row) for row in rows] == [(3, 1)]
    assert _events(client).count("served_chain_changed") == 1


def test_the_last_look_is_kept_for_reading(client: TestClient) -> None:
    client.put(f"{URL}/policy", json=POLICY)
    assert problem_of(client.get(f"{URL}/probe"), 404)["detail"] == f"Probe of {HOST} not found."
    assert _probe(client) == client.get(f"{URL}/probe").json()


def test_a_server_that_went_away_and_came_back_is_told_by_events(client: TestClient, server: TlsServer) -> None:
    client.put(f"{URL}/policy", json=POLICY)
    _probe(client)
    away = client.post(f"{URL}/probe", json={"port": 1}).json()
    assert away["satisfied"] is None
    assert {"address_not_reached"} == _codes(away)
    _probe(client)
    assert _events(client)[-2:] == ["probe_failed", "probe_recovered"]


def test_only_a_host_with_a_policy_is_connected_to(client: TestClient, server: TlsServer) -> None:
    problem_of(client.post(f"{URL}/probe"), 404)
    client.put(f"{URL}/policy", json=POLICY)
    client.delete(f"{URL}/policy")
    problem_of(client.post(f"{URL}/probe"), 404)
    assert server.connections == 0


def test_private_addresses_are_refused_unless_allowed(start: StartApp, server: TlsServer) -> None:
    client = start(probe_port=server.port)
    client.put(f"{URL}/policy", json=POLICY)
    answer = _probe(client)
    assert answer["satisfied"] is None
    assert [endpoint["faults"] for endpoint in answer["endpoints"]] == [["not a public address; not connected to"]] * 2
    assert server.connections == 0
