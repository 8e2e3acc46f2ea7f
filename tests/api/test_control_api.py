"""Control pins over HTTP: made, served, counted, and what the verdict makes of them; the same on the page."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.hpkp.pins import Pin
from tests.support.api.answers import problem_of
from tests.support.application import TestClient
from tests.support.authority import make_root
from tests.support.reports import HOST, report_body, site

pytestmark = pytest.mark.both_databases

BASE = f"/api/v1/hosts/{HOST}"
CONTROL = f"{BASE}/control"
URI = "https://reports.example.net/report"
GIVEN = [str(Pin(bytes((number,)) * 32)) for number in (201, 202)]


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _set_policy(client: TestClient, **members: Any) -> None:
    pins = [{"sha256": pin} for pin in (site().root.pin, make_root("Backup").pin)]
    assert client.put(f"{BASE}/policy", json={"pins": pins, "report_uri": URI} | members).status_code == 200


def _make(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post(CONTROL, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _report(client: TestClient, pins: list[str], **members: Any) -> None:
    assert client.post("/report", content=report_body(known_pins=pins, **members)).status_code == 204


def _causes(client: TestClient) -> list[str]:
    return [item["cause"] for item in client.get("/api/v1/violations").json()["items"]]


def test_pins_are_made_once_and_again_only_when_asked(client: TestClient) -> None:
    _set_policy(client)
    first = _make(client)
    pins = [pin["sha256"] for pin in first["pins"]]
    assert len(pins) == 2
    assert first["value"] == "; ".join([*(f'pin-sha256="{pin}"' for pin in pins), f'report-uri="{URI}"'])
    assert first["field"] == "Public-Key-Pins-Report-Only"
    assert _make(client)["pins"] == first["pins"]
    renewed = _make(client, renew=True)
    assert len(renewed["pins"]) == 4
    assert not set(pins) & {pin["sha256"] for pin in renewed["pins"][:2]}
    assert renewed["pins"][0]["sha256"] in renewed["value"]


def test_a_rate_is_measured_and_the_verdict_divides_by_it(client: TestClient) -> None:
    _set_policy(client)
    pins = [pin["sha256"] for pin in _make(client)["pins"]]
    before = client.get(f"{BASE}/readiness").json()["estimate"]
    assert before["delivery"] is None
    counted = client.put(f"{BASE}/exposure/{_today()}", json={"clients": 4, "control": True})
    assert (counted.json()["control"], counted.json()["clients"]) == (True, 4)
    _report(client, pins)
    assert _causes(client) == ["control"]
    found = client.get(CONTROL).json()
    assert (found["delivery"]["received"], found["delivery"]["reported"], found["reports"]) == (4, 1, 1)
    assert found["exposure"] == [{"date": _today(), "clients": 4, "app": "", "app_version": ""}]
    assert client.get(f"{BASE}/exposure").json()["items"] == []
    answer = client.get(f"{BASE}/readiness").json()
    assert answer["estimate"]["delivery"] == found["delivery"]
    assert "open_control" not in {finding["code"] for finding in answer["findings"]}
    page = client.get(f"/hosts/{HOST}").text
    assert "1 of 4 reported control pins" in page
    assert "split_clients" in page


def test_given_pins_are_recognized_in_what_was_reported_before(client: TestClient) -> None:
    _set_policy(client)
    _report(client, GIVEN)
    assert _causes(client) == ["foreign_pins"]
    _make(client, pins=GIVEN)
    assert _causes(client) == ["control"]
    _report(client, [*GIVEN, site().root.pin])
    assert sorted(_causes(client)) != ["control", "control"]


def test_reports_of_a_control_domain_are_counted_with_the_host(client: TestClient) -> None:
    _set_policy(client)
    _make(client, pins=GIVEN, domain=f"control.{HOST}")
    _report(client, GIVEN, host=f"control.{HOST}")
    items = client.get("/api/v1/violations").json()["items"]
    assert [(item["cause"], item["host"]) for item in items] == [("control", HOST)]


@pytest.mark.parametrize("server", ["nginx", "haproxy", "apache", "caddy"])
def test_the_share_is_written_for_each_server_that_can_choose(client: TestClient, server: str) -> None:
    _set_policy(client)
    value = _make(client)["value"]
    found = client.get(CONTROL, params={"server": server, "percent": 2.5}).json()
    assert value in "".join(part["text"] for part in found["configuration"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("POST", CONTROL, {"pins": ["no pin"]}, 422, "/pins/0"),
        ("POST", CONTROL, {"pins": GIVEN[:1]}, 422, "/pins"),
        ("POST", CONTROL, {"pins": [GIVEN[0], site().root.pin]}, 422, "/pins"),
        ("POST", CONTROL, {"domain": "control.other.test"}, 422, "/domain"),
        ("POST", CONTROL, {"domain": ""}, 422, "/domain"),
        ("POST", CONTROL, {"domain": HOST}, 422, "/domain"),
        ("GET", f"{CONTROL}?server=iis", None, 422, "/query/server"),
        ("GET", f"{CONTROL}?percent=0", None, 422, "/query/percent"),
        ("PUT", f"{BASE}/exposure/2026-01-01", {"sessions": 5, "control": True}, 422, "/clients"),
        ("PUT", f"{BASE}/exposure/2026-01-01", {"sessions": 5, "clients": 5, "control": True}, 422, "/clients"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    client: TestClient, method: str, path: str, body: dict[str, Any] | None, status: int, pointer: str
) -> None:
    _set_policy(client)
    _make(client)
    response = client.request(method, path, json=body)
    assert response.status_code == status, response.text
    assert pointer in response.text


def test_a_host_without_a_policy_has_no_control_pins(client: TestClient) -> None:
    assert problem_of(client.get(CONTROL), 404)
    assert problem_of(client.post(CONTROL, json={}), 404)


def test_a_policy_without_a_report_uri_gives_no_field(client: TestClient) -> None:
    _set_policy(client, report_uri=None)
    assert _make(client)["value"] is None
    assert client.get(f"/hosts/{HOST}").status_code == 200
