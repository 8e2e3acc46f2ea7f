"""Over HTTP: which pins the releases of apps carry."""

from typing import Any

import pytest

from app.hpkp.pins import Pin
from tests.support.api.answers import problem_of
from tests.support.application import TestClient

pytestmark = pytest.mark.both_databases

BASE = "/api/v1/hosts/www.example.com"
RELEASES = f"{BASE}/releases"
APP = "com.example.shop"
FIRST, SECOND, OTHER = (str(Pin(bytes((number,)) * 32)) for number in (1, 2, 3))


def _put(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.put(RELEASES, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _set_policy(client: TestClient) -> None:
    answer = client.put(f"{BASE}/policy", json={"pins": [{"sha256": FIRST}, {"sha256": SECOND}]})
    assert answer.status_code == 200, answer.text


def test_a_release_carries_the_pins_of_the_policy_unless_others_are_given(client: TestClient) -> None:
    _set_policy(client)
    assert client.get(RELEASES).json()["items"] == []
    expected = {"app": APP, "app_version": "4.2", "pins": sorted([FIRST, SECOND])}
    assert _put(client, app=APP, app_version="4.2") == expected
    other = _put(client, app=APP, app_version="3.9", pins=[OTHER])
    none = _put(client, app=APP, app_version="1.0", pins=[])
    whole = _put(client, app=APP, pins=[f"sha256/{FIRST}"])
    assert (none["pins"], whole["app_version"], whole["pins"]) == ([], "", [FIRST])
    assert client.get(RELEASES).json()["items"] == [whole, none, other, expected]


def test_what_is_recorded_last_holds(client: TestClient) -> None:
    _put(client, app=APP, app_version="4.2", pins=[OTHER])
    _put(client, app=APP, app_version="4.2", pins=[FIRST, FIRST])
    assert client.get(RELEASES).json()["items"] == [{"app": APP, "app_version": "4.2", "pins": [FIRST]}]


def test_without_a_policy_the_pins_have_to_be_given(client: TestClient) -> None:
    problem_of(client.put(RELEASES, json={"app": APP}), 404)
    assert _put(client, app=APP, pins=[FIRST])["pins"] == [FIRST]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/app"),
        ({"app": ""}, "/app"),
        ({"app": "a" * 201}, "/app"),
        ({"app": APP, "app_version": "4" * 101}, "/app_version"),
        ({"app": APP, "pins": [FIRST, "no pin"]}, "/pins/1"),
        ({"app": APP, "pins": [FIRST] * 101}, "/pins"),
        ({"app": APP, "pins": FIRST}, "/pins"),
        ({"app": APP, "version": "4.2"}, "/version"),
    ],
)
def test_a_release_that_cannot_be_is_refused_with_its_place(
    client: TestClient, body: dict[str, Any], pointer: str
) -> None:
    assert problem_of(client.put(RELEASES, json=body), 422)["pointer"] == pointer
    assert client.get(RELEASES).json()["items"] == []


def test_names_with_odd_characters_are_kept(client: TestClient) -> None:
    for name in ("shop\u0000", "läden", "a\tb", "\U0001f6d2"):
        assert client.put(RELEASES, json={"app": name, "pins": [FIRST]}).status_code == 200, name
    assert len(client.get(RELEASES).json()["items"]) == 4
