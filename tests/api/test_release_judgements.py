"""Reports of apps, judged by the registry of releases: over HTTP, with both databases."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.app_configs.writers import write_config
from app.demo.forms import FORMS
from app.demo.incident import Incident, SampleApp
from app.demo.rollout import make_keys
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.report import Sender
from app.service import now
from tests.support.app_pins import BACKUP, OTHER, pin_of
from tests.support.application import StartApp, TestClient, service_of

HOST, APP = "www.example.com", "example.shop"
KEYS = make_keys(Host(HOST), at=now())
KEY = KEYS.leaf[0].pin
OLD, STRAY = map(pin_of, ("the old key", "a stray key"))


@pytest.fixture
def client(start: StartApp, tmp_path: Path) -> TestClient:
    """Return a client of an application that trusts the roots of the sample host."""
    (tmp_path / "roots.pem").write_text(KEYS.roots_pem)
    return start(trust_anchors=tmp_path / "roots.pem")


def plist(*pins: Pin) -> str:
    entry = PinEntry(
        HOST, Scope.NAME_AND_BELOW, PinMode.ENFORCE, carry(pins), report_uris=("https://collect.test/report/ios",)
    )
    return write_config(PinLayer(Form.TRUSTKIT_PLIST, (entry,)), Form.TRUSTKIT_PLIST)


def register(client: TestClient, version: str, *pins: Pin, builds: list[str] | None = None) -> None:
    body = {"platform": "ios", "files": [plist(*pins)], "builds": builds or []}
    response = client.put(f"/api/v1/apps/{APP}/releases/{version}", json=body)
    assert response.status_code == 200, response.text


def body_of(known: tuple[Pin, ...], version: str, *, app: str = APP, install: int = 1) -> bytes:
    incident = Incident(
        hostname=HOST,
        noted_hostname=HOST,
        known_pins=known,
        served=[issued.der for issued in KEYS.leaf],
        validated=[issued.der for issued in (*KEYS.leaf, KEYS.old_root)],
        at=datetime.now(UTC) - timedelta(minutes=1),
        enforced=True,
        app=SampleApp(app, version, f"0B5A2C1E-7C39-4E57-9C55-{install:012}"),
    )
    return FORMS[Sender.TRUSTKIT_APPLE].sample(incident).body


def set_policy(client: TestClient, *pins: Pin) -> None:
    body = {"pins": [{"sha256": str(pin)} for pin in pins], "mode": "report-only"}
    response = client.put(f"/api/v1/hosts/{HOST}/policy", json=body)
    assert response.status_code in (200, 201), response.text


def post(client: TestClient, *bodies: bytes) -> None:
    for body in bodies:
        assert client.post("/report", content=body, headers={"Content-Type": "application/json"}).status_code == 204


def causes(client: TestClient) -> dict[str, str]:
    """Return the causes by the first known pin."""
    items: list[dict[str, Any]] = client.get("/api/v1/violations").json()["items"]
    details = [client.get(f"/api/v1/violations/{item['id']}").json() for item in items]
    return {detail["known_pins"][0]: detail["cause"] for detail in details}


def finish(client: TestClient) -> None:
    service = service_of(client)
    while service.rejudging.go_on(at=now()) is not None:
        pass


@pytest.mark.both_databases
def test_registering_and_retiring_judge_what_was_reported_again(client: TestClient) -> None:
    set_policy(client, KEY, BACKUP)
    post(client, body_of((OLD, OTHER), "1.0"), body_of((OLD, OTHER), "1.0", app="com.example.other"))
    items = client.get("/api/v1/violations").json()["items"]
    assert [item["cause"] for item in items] == ["foreign_pins", "foreign_pins"]

    register(client, "1.0", OLD, OTHER)
    finish(client)
    items = client.get("/api/v1/violations").json()["items"]
    assert sorted((item["cause"], item["locks_out"]) for item in items) == [
        ("foreign_pins", False),
        ("release_left_behind", True),
    ]
    events = client.get("/api/v1/events", params={"host": HOST}).json()["items"]
    assert "release_registered" in {event["kind"] for event in events}
    assert any("1 foreign_pins -> release_left_behind" in event["text"] for event in events)

    path = f"/api/v1/apps/{APP}/releases/1.0"
    assert client.patch(path, json={"platform": "ios", "retired": True}).status_code == 200
    finish(client)
    found = client.get("/api/v1/violations", params={"cause": "release_left_behind"}).json()["items"]
    assert [item["locks_out"] for item in found] == [False]
    events = client.get("/api/v1/events", params={"host": HOST}).json()["items"]
    assert f"{APP} 1.0 (ios) was retired" in {event["text"] for event in events}


@pytest.mark.both_databases
def test_a_host_that_only_apps_pin_is_judged_by_their_releases(client: TestClient) -> None:
    register(client, "2.0", KEY, BACKUP)
    post(client, body_of((OLD, OTHER), "1.0"))
    [item] = client.get("/api/v1/violations").json()["items"]
    assert (item["cause"], item["locks_out"], item["side"]) == ("release_left_behind", True, "ours")
    assert "hpkp app import FILE --app example.shop" in client.get(f"/api/v1/violations/{item['id']}").json()["why"]


@pytest.mark.parametrize("seed", range(3))
def test_reports_in_any_order_give_the_same_judgement(client: TestClient, seed: int) -> None:
    """Of releases and of another app, with versions that contradict their pins, in any order."""
    set_policy(client, KEY, BACKUP)
    register(client, "1.0", OLD, OTHER)
    register(client, "2.0", KEY, BACKUP)
    bodies = [
        body_of(known, version, app=app, install=install)
        for install, (known, version, app) in enumerate(
            [
                ((OLD, OTHER), "1.0", APP),
                ((OLD, OTHER), "2.0", APP),
                ((OLD, OTHER), "9.9", APP),
                ((STRAY, OTHER), "1.0", APP),
                ((STRAY, OTHER), "0.1", APP),
                ((pin_of("theirs"), OTHER), "1.0", "com.example.other"),
            ],
            1,
        )
    ]
    random.Random(seed).shuffle(bodies)
    post(client, *bodies)
    assert causes(client) == {
        str(OLD): "release_left_behind",
        str(STRAY): "release_left_behind",
        str(pin_of("theirs")): "foreign_pins",
    }


@pytest.mark.both_databases
def test_the_view_of_releases_has_installs_reports_and_refused_connections_by_day(client: TestClient) -> None:
    set_policy(client, KEY, BACKUP)
    register(client, "1.0", OLD, OTHER, builds=["10", "11"])
    today = now().date().isoformat()
    counts = [
        {"platform": "ios", "day": today, "count": 30, "build": "10"},
        {"platform": "ios", "day": today, "count": 12, "build": "11"},
        {"platform": "ios", "day": today, "count": 40, "version": "1.0"},
        {"platform": "ios", "day": today, "count": 7, "build": "99"},
    ]
    assert client.put(f"/api/v1/apps/{APP}/installs", json=counts).status_code == 200
    post(client, body_of((OLD, OTHER), "1.0"), body_of((OLD, OTHER), "1.0", install=2), body_of((OLD, OTHER), "0.9"))
    assert len(client.get("/api/v1/violations").json()["items"]) == 1  # and everything is counted
    engine = service_of(client).engine
    schema = "grafana." if engine.dialect.name == "postgresql" else ""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT app, platform, version, registered, installs, reports, refused_connections "
            f"FROM {schema}app_releases_v1 ORDER BY version"
        ).all()
    assert [tuple(row) for row in rows] == [(APP, "ios", "0.9", 0, None, 1, 1), (APP, "ios", "1.0", 1, 42, 2, 2)]


def test_hosts_that_a_release_pins_are_known_where_unknown_ones_are_refused(start: StartApp, tmp_path: Path) -> None:
    client = start(unknown_hosts="reject")
    body = body_of((OLD, OTHER), "1.0")
    headers = {"Content-Type": "application/json"}
    assert client.post("/report", content=body, headers=headers).status_code == 404
    register(client, "1.0", OLD, OTHER)
    assert client.post("/report", content=body, headers=headers).status_code == 204
    assert [item["hostname"] for item in client.get("/api/v1/violations").json()["items"]] == [HOST]


@pytest.mark.both_databases
def test_a_retired_release_excuses_no_unregistered_one_with_the_same_pins(client: TestClient) -> None:
    """A violation does not say which version reported it, so the unregistered version has to withhold the verdict."""
    set_policy(client, KEY, BACKUP)
    register(client, "1.0", OLD, STRAY)
    retired = client.patch(f"/api/v1/apps/{APP}/releases/1.0", json={"platform": "ios", "retired": True})
    assert retired.status_code == 200, retired.text
    post(client, *(body_of((OLD, STRAY), "1.1", install=number) for number in range(3)))
    answer = client.get(f"/api/v1/hosts/{HOST}/readiness").json()
    [finding] = [one for one in answer["findings"] if one["code"] == "release_not_registered"]
    assert finding["withholds"]
    assert [one["version"] for one in finding["evidence"]["releases"]] == ["1.1"]
    register(client, "1.1", OLD, STRAY)
    codes = {one["code"] for one in client.get(f"/api/v1/hosts/{HOST}/readiness").json()["findings"]}
    assert "release_not_registered" not in codes
