"""Hosts over HTTP: listed with their counts, summed up, and told whether they may enforce."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.api.answers import problem_of
from tests.application import StartApp, TestClient, send_in_order
from tests.authority import make_root
from tests.reports import HOST, distinct_bodies, other_site, report_body, site

pytestmark = pytest.mark.both_databases

HOSTS = "/api/v1/hosts"
SUMMARY = f"{HOSTS}/{HOST}/summary"
READINESS = f"{HOSTS}/{HOST}/readiness"


def _summary(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get(SUMMARY, params=query)
    assert response.status_code == 200, response.text
    summary: dict[str, Any] = response.json()
    return summary


def test_hosts_are_listed_by_name_with_their_counts(client: TestClient) -> None:
    send_in_order(client, *distinct_bodies(3), report_body(port=1), report_body(host="b.test"))
    client.put(f"{HOSTS}/a.test/policy", json={"pins": [{"sha256": site().root.pin}]})
    items = client.get(HOSTS).json()["items"]
    shown = [(item["host"], item["registered"], item["reports"], item["violations"]) for item in items]
    assert shown == [("a.test", True, 0, 0), ("b.test", False, 1, 1), (HOST, False, 4, 2)]
    assert [item["last_received_at"] is None for item in items] == [True, False, False]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_every_page_of_hosts_is_walked(client: TestClient, limit: int) -> None:
    names = [f"h{number}.test" for number in range(5)]
    send_in_order(client, *(report_body(host=name) for name in reversed(names)))
    walked, url = list[str](), f"{HOSTS}?limit={limit}"
    while True:
        response = client.get(url)
        walked += [item["host"] for item in response.json()["items"]]
        if "next" not in response.links:
            break
        url = response.links["next"]["url"]
    assert walked == names


@pytest.mark.parametrize("cursor", ["%00", "%FF", "%F0%9F%92%A9", "'", "zzz", "a" * 253])
def test_any_text_may_be_where_a_page_of_hosts_begins(client: TestClient, cursor: str) -> None:
    assert client.get(f"{HOSTS}?cursor={cursor}").json() == {"items": [], "next": None}


def test_a_summary_adds_up(client: TestClient) -> None:
    chain = other_site()
    send_in_order(client, *distinct_bodies(3), report_body(served=chain.served, validated=chain.validated))
    send_in_order(client, report_body(served=[], validated=[]))
    found = _summary(client)
    assert found["totals"] == {"reports": 5, "violations": 3, "clients": 1}
    assert sum(found["by_cause"].values()) == sum(found["by_sender"].values()) == 5
    assert sum(point["reports"] for point in found["series"]) == 5
    assert [(item["id"], item["reports"]) for item in found["top"]] == [(1, 3), (2, 1), (3, 1)]
    assert "lower bound" in found["caveat"]


@pytest.mark.parametrize(
    ("query", "reports"),
    [
        ({"cause": "no_evidence"}, 1),
        ({"sender": "chromium"}, 3),
        ({"sender": "trustkit-apple"}, 2),
        ({"app": "org.example"}, 2),
        ({"app": "org.example", "app_version": "1"}, 1),
        ({"platform": "IOS"}, 2),
        ({"label": "web"}, 1),
        ({"label": "web", "app": "org.example"}, 0),
        ({"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00+02:00"}, 5),
        ({"since": "0001-01-01T00:00:00Z"}, 5),
        ({"until": "0001-01-01T00:00:00+14:00"}, 0),
        ({"since": "9999-12-31T23:59:59.999999-14:00"}, 0),
        ({"cause": "none"}, 0),
        ({"app": "\x00'\""}, 0),
    ],
)
def test_filters_narrow_a_summary(client: TestClient, query: dict[str, str], reports: int) -> None:
    app: dict[str, Any] = {
        "app_bundle_id": "org.example", "app_platform": "IOS", "trustkit_version": "3.0.7", "port": 0,
    }  # fmt: skip
    send_in_order(client, report_body(), report_body(served=[], validated=[]))
    send_in_order(client, *(report_body(**app, app_version=version) for version in ("1", "2")))
    send_in_order(client, report_body(), path="/report/web")
    found = _summary(client, **query)
    assert found["totals"]["reports"] == sum(point["reports"] for point in found["series"]) == reports
    assert (found["totals"]["clients"] > 0) == (reports > 0)


def test_series_are_by_the_hour_or_the_day(client: TestClient) -> None:
    send_in_order(client, report_body())
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=48)):
        send_in_order(client, report_body(port=1))
    for interval, width in (("hour", 3600), ("day", 86400)):
        points = [datetime.fromisoformat(point["time"]) for point in _summary(client, interval=interval)["series"]]
        assert points[1] - points[0] == timedelta(hours=48)
        assert [point.timestamp() % width for point in points] == [0, 0]


def test_a_window_leaves_out_what_was_received_before(client: TestClient) -> None:
    send_in_order(client, report_body())
    assert _summary(client)["top"][0]["id"] == 1  # counted by itself: two of one batch are numbered by time of receipt
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=48)):
        send_in_order(client, report_body(port=1))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    before, after = _summary(client, until=yesterday), _summary(client, since=yesterday)
    assert [found["totals"]["violations"] for found in (before, after)] == [1, 1]
    assert [found["top"][0]["id"] for found in (before, after)] == [2, 1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=2026-01-01T00:00:00", "/query/since"),
        ("until=2026-01-01", "/query/until"),
        ("interval=week", "/query/interval"),
        ("since=%00", "/query/since"),
        ("since=99999-01-01T00:00:00Z", "/query/since"),
    ],
)
def test_a_wrong_query_is_422_with_a_pointer(client: TestClient, query: str, pointer: str) -> None:
    send_in_order(client, report_body())
    assert problem_of(client.get(f"{SUMMARY}?{query}"), 422)["pointer"] == pointer


@pytest.mark.parametrize("what", ["summary", "readiness"])
def test_an_unknown_host_has_neither_a_summary_nor_a_verdict(client: TestClient, what: str) -> None:
    problem_of(client.get(f"{HOSTS}/nobody.test/{what}"), 404)
    problem_of(client.get(f"{HOSTS}/a..b/{what}"), 422)


def test_a_host_with_a_policy_and_no_report_has_an_empty_summary(client: TestClient) -> None:
    client.put(f"{HOSTS}/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
    assert _summary(client)["totals"] == {"reports": 0, "violations": 0, "clients": 0}
    assert _summary(client)["series"] == []


def test_silence_is_no_evidence(client: TestClient) -> None:
    client.put(f"{HOSTS}/{HOST}/policy", json={"pins": [{"sha256": make_root(n).pin} for n in ("A", "B")]})
    answer = client.get(READINESS).json()
    assert answer["verdict"] == "not_enough_data"
    assert any(finding["withholds"] for finding in answer["findings"])
    assert answer["plan"]
    assert HOST in answer["headline"]


def test_a_blocking_violation_says_no_until_it_is_closed(start: StartApp) -> None:
    client = start(min_observation_days=7, max_covered_age_days=5)
    pins = [{"sha256": make_root(name).pin} for name in ("A", "B")]
    policy = {"pins": pins, "own_keys": [site().leaf.pin]}
    client.put(f"{HOSTS}/{HOST}/policy", json=policy)
    send_in_order(client, report_body(known_pins=[pins[0]["sha256"]]))
    answer = client.get(READINESS).json()
    assert answer.get("verdict") == "not_ready", answer
    assert (answer["host"], answer["revision"]) == (HOST, 1)
    assert (answer["thresholds"]["observation_days"], answer["thresholds"]["covered_age_days"]) == (7, 5)
    (blocker,) = [finding for finding in answer["findings"] if finding["severity"] == "blocker"]
    assert blocker["code"] == "open_own_key_not_pinned"
    assert blocker["fix"] in answer["plan"]["do"]
    client.patch("/api/v1/violations/1", json={"status": "expected", "note": "the canary"})
    assert client.get(READINESS).json()["verdict"] == "not_enough_data"


def test_a_withdrawn_policy_has_no_verdict(client: TestClient) -> None:
    client.put(f"{HOSTS}/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
    assert client.get(READINESS).status_code == 200
    client.delete(f"{HOSTS}/{HOST}/policy")
    problem_of(client.get(READINESS), 404)


def test_a_client_of_two_blocking_violations_is_one_client(client: TestClient) -> None:
    pin = make_root().pin
    client.put(f"{HOSTS}/{HOST}/policy", json={"pins": [{"sha256": pin}], "own_keys": [site().leaf.pin]})
    send_in_order(client, report_body(known_pins=[pin]), report_body(known_pins=[pin], port=8443))
    answer = client.get(READINESS).json()
    assert answer["impact"].startswith("At least 1 client (exposure unknown)")
    assert answer["estimate"]["ours"] == 1
