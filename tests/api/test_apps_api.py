"""Releases of apps over HTTP: registered, listed, retired, counted, and checked against a chain."""

import json
from typing import Any

import pytest

from app.app_configs.writers import write_config
from app.hpkp.app_pins.forms import Form, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.pins import Pin, parse_pin
from tests.support.api.answers import problem_of
from tests.support.app_pins import APPLE, BACKUP, FIRST, NSC, OTHER, TRUSTKIT_ANDROID
from tests.support.application import TestClient
from tests.support.authority import make_site

APP = "/api/v1/apps/example.shop"
HOST = "shop.example"


def okhttp(*pins: Pin) -> str:
    layer = PinLayer(Form.OKHTTP, (PinEntry(HOST, Scope.NAME_AND_BELOW, pins=carry(pins)),))
    return write_config(layer, Form.OKHTTP)


def register(client: TestClient, version: str, *files: str, platform: str = "android", **said: Any) -> dict[str, Any]:
    response = client.put(f"{APP}/releases/{version}", json={"platform": platform, "files": list(files), **said})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.both_databases
def test_a_release_is_kept_as_it_was_read_and_replaced_as_a_whole(client: TestClient) -> None:
    told = register(client, "2.3", NSC, okhttp(FIRST, BACKUP), builds=["230", "231"], shipped_at="2026-11-01T00:00:00Z")
    assert [layer["form"] for layer in told["layers"]] == ["nsc", "okhttp"]
    assert {finding["code"] for finding in told["findings"]} >= {"no_backup_pin", "cannot_report"}
    [listed] = client.get(f"{APP}/releases").json()["items"]
    assert listed == {name: value for name, value in told.items() if name != "findings"}
    assert listed["layers"][0]["entries"][0] == {
        "name": "shop.example",
        "scope": "name_and_below",
        "mode": "enforce",
        "kind": "spki",
        "pins": [str(FIRST), str(BACKUP)],
        "leaf_pins": [],
        "ca_pins": [],
        "expires_on": "2028-03-01",
        "expiry_rule": "device_start",
        "report_uris": [],
        "reports_to_vendor": False,
    }
    register(client, "2.3", TRUSTKIT_ANDROID)
    register(client, "2.3", APPLE, platform="ios")
    items = client.get("/api/v1/apps/releases").json()["items"]
    assert [(item["platform"], [layer["form"] for layer in item["layers"]]) for item in items] == [
        ("android", ["nsc", "trustkit-android"]),
        ("ios", ["trustkit-plist", "ats"]),
    ]


@pytest.mark.both_databases
def test_the_check_names_the_releases_that_a_chain_locks_out_with_their_installs(client: TestClient) -> None:
    site = make_site(HOST)
    register(client, "1.0", okhttp(FIRST, BACKUP), builds=["10"])
    register(client, "2.0", okhttp(parse_pin(site.leaf.pin), OTHER))
    counts = [
        {"platform": "android", "day": "2026-11-20", "count": 30, "build": "10"},
        {"platform": "android", "day": "2026-11-20", "count": 70, "build": "99"},
    ]
    assert client.put(f"{APP}/installs", json=counts).status_code == 200
    chain = site.leaf.pem + site.intermediate.pem + site.root.pem
    told = client.post(f"/api/v1/hosts/www.{HOST}/check", content=chain).json()
    assert (told["policy_of"], told["deployable"]) == (None, False)
    first, second = told["releases"]
    assert (first["version"], first["outcome"], first["in_use"], first["can_report"]) == (
        "1.0",
        "locked_out",
        True,
        False,
    )
    assert first["installs"] == {
        "day": "2026-11-20", "count": 30, "of": 100, "share": 0.3, "is_lower_bound": False,
    }  # fmt: skip
    assert (second["outcome"], second["installs"], second["layers"][0]["place"]) == ("matches", None, "leaf")

    retired = client.patch(f"{APP}/releases/1.0", json={"platform": "android", "retired": True}).json()
    assert retired["retired_at"] is not None
    assert client.post(f"/api/v1/hosts/{HOST}/check", content=chain).json()["deployable"] is True
    keys = client.get(f"/api/v1/hosts/{HOST}/app-keys").json()
    assert sorted(keys["sets"]) == sorted([[site.leaf.pin], [str(OTHER)]])
    client.patch(f"{APP}/releases/1.0", json={"platform": "android", "retired": False})
    assert client.post(f"/api/v1/hosts/{HOST}/check", content=chain).json()["deployable"] is False


@pytest.mark.both_databases
def test_installs_of_a_day_are_replaced_by_later_ones(client: TestClient) -> None:
    for total in (5, 7):
        row = {"platform": "ios", "day": "2026-11-20", "count": total, "version": "1.0", "is_lower_bound": True}
        client.put(f"{APP}/installs", json=[row])
    [count] = client.get(f"{APP}/installs").json()["items"]
    assert (count["count"], count["is_lower_bound"], count["source"]) == (7, True, "api")


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ([NSC, "hello"], "/files/1: the file is of no known form"),
        ([NSC.replace("SHA-256", "SHA-1", 1)], "/files/0: line 8, <pin>: a pin has digest"),
        (['<!DOCTYPE plist [<!ENTITY x "y">]><plist/>'], "/files/0: line 1: a document type with declarations"),
        (["{" + '"a":' * 100], "/files/0: line 1, column"),
        (["\ud800"], "/files/0: "),
    ],
)
def test_a_file_that_cannot_be_read_registers_nothing(client: TestClient, files: list[str], detail: str) -> None:
    body = json.dumps({"platform": "android", "files": files})
    response = client.put(f"{APP}/releases/1.0", content=body, headers={"Content-Type": "application/json"})
    assert detail in problem_of(response, 422)["detail"]
    assert client.get(f"{APP}/releases").json()["items"] == []


@pytest.mark.parametrize("body", [[], [{"platform": "ios", "day": "2026-11-20", "count": 1}]])
def test_installs_of_nothing_are_refused(client: TestClient, body: list[object]) -> None:
    problem_of(client.put(f"{APP}/installs", json=body), 422)


def test_a_release_that_is_not_there_and_a_name_that_is_none_are_problems(client: TestClient) -> None:
    problem_of(client.patch(f"{APP}/releases/9", json={"platform": "ios", "retired": True}), 404)
    response = client.put("/api/v1/apps/%00/releases/1", json={"platform": "ios", "files": [okhttp(FIRST)]})
    assert "is not the name, version or build of an app" in problem_of(response, 422)["detail"]
    problem_of(client.post(f"/api/v1/hosts/{HOST}/check", content=make_site(HOST).leaf.pem), 404)


@pytest.mark.both_databases
def test_when_an_old_key_can_go_is_answered_beside_the_sets(client: TestClient) -> None:
    register(client, "1.0", okhttp(FIRST, BACKUP))
    register(client, "2.0", okhttp(FIRST, OTHER))
    path = f"/api/v1/hosts/{HOST}/app-keys"
    assert client.get(path).json()["old_key"] is None
    found = client.get(path, params={"drop": str(FIRST), "new": str(OTHER)}).json()["old_key"]
    assert [(use["version"], use["installs"], use["until"]) for use in found["uses"]] == [("1.0", None, None)]
    assert (found["can_go"], found["staying"]) == (None, [str(OTHER)])
    assert client.get(path, params={"drop": "AAAA"}).status_code == 422


@pytest.mark.both_databases
def test_apps_are_listed_with_hosts_and_installs(client: TestClient) -> None:
    register(client, "1.0", okhttp(FIRST, BACKUP))
    row = {"platform": "android", "day": "2026-11-20", "count": 5, "version": "1.0"}
    client.put(f"{APP}/installs", json=[row])
    [app] = client.get("/api/v1/apps").json()["items"]
    [release] = app["releases"]
    assert (app["app"], release["version"], release["installs"]["count"]) == ("example.shop", "1.0", 5)
    assert release["hosts"] == [{"host": HOST, "outcome": "unknown", "can_report": False, "probed_at": None}]
    assert (release["reports"], release["refused_connections"], app["unregistered"]) == (0, 0, [])
