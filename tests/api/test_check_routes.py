"""Checks of pins over HTTP: chains checked before they are deployed, and other pins tried on what was reported."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.api.answers import problem_of
from tests.support.application import StartApp, TestClient
from tests.support.authority import Site, make_root, make_site
from tests.support.reports import HOST, report_body, site

pytestmark = pytest.mark.both_databases

URL = f"/api/v1/hosts/{HOST}"
BACKUP, OTHER_ROOT = make_root("Backup"), make_root("Other Root")


@pytest.fixture
def client(start: StartApp, tmp_path: Path) -> TestClient:
    """Return a client of a service that knows the roots of both paths."""
    roots = tmp_path / "roots.pem"
    roots.write_text(site().root.pem + OTHER_ROOT.pem)
    return start(trust_anchors=roots)


def _expect(client: TestClient, *pins: str, host: str = HOST, **members: Any) -> None:
    body = {"pins": [{"sha256": pin} for pin in pins], **members}
    assert client.put(f"/api/v1/hosts/{host}/policy", json=body).status_code == 200


def _check(client: TestClient, *pems: str, host: str = HOST) -> dict[str, Any]:
    response = client.post(f"/api/v1/hosts/{host}/check", content="".join(pems))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_chain_with_a_pinned_key_may_be_deployed_and_another_may_not(client: TestClient) -> None:
    _expect(client, site().leaf.pin, BACKUP.pin)
    good = _check(client, *site().served)
    assert (good["deployable"], good["satisfied"], good["matching"]) == (True, True, [site().leaf.pin])
    bad = _check(client, *make_site(HOST).served)
    assert (bad["deployable"], bad["satisfied"], bad["matching"]) == (False, False, [])


def test_a_chain_that_breaks_remembered_pins_may_not_be_deployed(client: TestClient) -> None:
    """The new pins are satisfied, but clients that met the former ones within their max-age would be locked out."""
    week = datetime.now(UTC) - timedelta(days=7)
    _expect(client, BACKUP.pin, make_root().pin, mode="enforce", max_age=30 * 86400, effective_from=week.isoformat())
    _expect(client, site().leaf.pin, BACKUP.pin, mode="enforce", max_age=300)
    answer = _check(client, *site().served)
    assert (answer["satisfied"], answer["deployable"]) == (True, False)
    assert [(previous["revision"], previous["satisfied"]) for previous in answer["remembered"]] == [(1, False)]


def test_a_subdomain_is_checked_against_the_policy_that_covers_it(client: TestClient) -> None:
    below = make_site(f"shop.{HOST}")
    _expect(client, below.leaf.pin, BACKUP.pin, include_subdomains=True)
    answer = _check(client, *below.served, host=f"shop.{HOST}")
    assert (answer["policy_of"], answer["deployable"]) == (HOST, True)
    problem_of(client.post("/api/v1/hosts/elsewhere.test/check", content=below.leaf.pem), 404)


def _private_key() -> str:
    return BACKUP.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ("", 422, "it is empty"),
        ("hello", 422, "no certificate in PEM, DER or PKCS #7"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", 422, "cannot be read"),
        (site().leaf.pem * 101, 422, "at most 100"),
        (_private_key() + site().leaf.pem, 422, "treat it as compromised"),
        ("x" * 262_145, 413, "262144 bytes"),
    ],
)
def test_what_is_no_chain_is_refused_with_the_reason(client: TestClient, body: str, status: int, detail: str) -> None:
    _expect(client, site().leaf.pin, BACKUP.pin)
    if "cannot be read" in detail:
        assert _check(client, body)["satisfied"] is None
        return
    problem = problem_of(client.post(f"{URL}/check", content=body), status)
    assert detail in problem["detail"]
    assert "BEGIN" not in problem["detail"]


def _what_if(client: TestClient, *pins: str, **members: Any) -> dict[str, Any]:
    response = client.post(f"{URL}/what-if", json={"pins": list(pins), **members})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _changes(answer: dict[str, Any]) -> dict[str, int]:
    return {change: counted["violations"] for change, counted in answer["changes"].items() if counted["violations"]}


@pytest.fixture
def reported(client: TestClient) -> Site:
    """Let a client have met another path to our leaf, on which no pin stands; it reported twice."""
    ours = site()
    _expect(client, ours.root.pin, BACKUP.pin)
    other = OTHER_ROOT.issue(
        "Test Intermediate", ca=True, key=ours.intermediate.key, organization="Test Trust Services"
    )
    for minute in (0, 1):
        body = report_body(
            at=datetime(2026, 6, 1, 12, minute, tzinfo=UTC),
            known_pins=[ours.root.pin, BACKUP.pin],
            validated=[ours.leaf.pem, other.pem, OTHER_ROOT.pem],
        )
        assert client.post("/report", content=body).status_code == 204
    return ours


def test_a_pin_on_the_leaf_would_have_let_the_client_in(client: TestClient, reported: Site) -> None:
    answer = _what_if(client, reported.leaf.pin, BACKUP.pin)
    assert answer["safe"] is True
    assert _changes(answer) == {"avoided": 1}
    assert answer["changes"]["avoided"]["reports"] == 2
    [shown] = answer["violations"]
    assert (shown["locks_out"], shown["locks_out_then"]) == (True, False)


def test_other_pins_that_do_not_help_are_told(client: TestClient, reported: Site) -> None:
    answer = _what_if(client, make_root().pin, BACKUP.pin, own_keys=[reported.leaf.pin])
    assert answer["safe"] is False
    assert _changes(answer) == {"remains": 1}
    assert answer["changes"]["remains"]["reports_by_side"] == {"ours": 2}


def test_taking_away_the_pin_that_lets_a_client_in_would_lock_it_out(client: TestClient, reported: Site) -> None:
    _expect(client, reported.leaf.pin, BACKUP.pin)
    answer = _what_if(client, reported.root.pin, BACKUP.pin)
    assert answer["safe"] is False
    assert _changes(answer) == {"added": 1}


def test_a_key_that_nobody_knows_leaves_it_open(client: TestClient) -> None:
    """It may be an attacker's, or one of ours that nobody told of."""
    _expect(client, BACKUP.pin)
    stranger = OTHER_ROOT.issue(HOST)
    body = report_body(known_pins=[BACKUP.pin], served=[stranger.pem], validated=[stranger.pem, OTHER_ROOT.pem])
    assert client.post("/report", content=body).status_code == 204
    answer = _what_if(client, site().leaf.pin, BACKUP.pin)
    assert (answer["safe"], _changes(answer)) == (None, {"remains": 1})
    assert answer["changes"]["remains"]["reports_by_side"] == {"hostile": 1}


def test_without_reports_nothing_is_said_to_be_safe(client: TestClient) -> None:
    _expect(client, site().root.pin, BACKUP.pin)
    assert _what_if(client, site().leaf.pin)["safe"] is None


@pytest.mark.usefixtures("reported")
def test_closed_violations_and_those_outside_the_window_are_left_out(client: TestClient) -> None:
    after = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    assert _changes(_what_if(client, BACKUP.pin, since=after)) == {}
    client.patch("/api/v1/violations/1", json={"status": "expected"})
    answer = _what_if(client, BACKUP.pin)
    assert (_changes(answer), answer["closed"]["violations"], answer["safe"]) == ({}, 1, None)


@pytest.mark.usefixtures("reported")
def test_replaying_changes_nothing(client: TestClient) -> None:
    before = client.get("/api/v1/violations/1").json(), client.get(f"{URL}/policy/revisions").json()
    _what_if(client, make_root().pin)
    assert (client.get("/api/v1/violations/1").json(), client.get(f"{URL}/policy/revisions").json()) == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"pins": ["no pin"]}, "/pins/0"),
        ({"pins": [BACKUP.pin], "own_keys": ["x"]}, "/own_keys/0"),
        ({"pins": []}, "/pins"),
        ({"pins": [BACKUP.pin], "since": "yesterday"}, "/since"),
        ({}, "/pins"),
    ],
)
def test_a_request_that_cannot_be_read_names_the_place(client: TestClient, body: Any, pointer: str) -> None:
    assert problem_of(client.post(f"{URL}/what-if", json=body), 422)["pointer"] == pointer


def test_a_host_without_a_policy_has_nothing_to_compare_with(client: TestClient) -> None:
    problem_of(client.post(f"{URL}/what-if", json={"pins": [BACKUP.pin]}), 404)
