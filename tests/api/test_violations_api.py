"""Violations over HTTP: listed, filtered, walked page by page, shown with both chains, and closed."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.answers import problem_of
from tests.application import TestClient, send_in_order, service_of
from tests.authority import Site, make_root, make_site
from tests.reports import HOST, distinct_bodies, other_site, report_body, site

pytestmark = pytest.mark.both_databases

LIST = "/api/v1/violations"


def _of(chain: Site, **options: Any) -> bytes:
    return report_body(served=chain.served, validated=chain.validated, **options)


def _items(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    response = client.get(LIST, params=query)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def _walk(client: TestClient, url: str) -> Iterator[dict[str, Any]]:
    """Follow ``rel="next"`` to the end."""
    while True:
        response = client.get(url)
        page = response.json()
        yield from page["items"]
        assert (page["next"] is None) == ("next" not in response.links)
        if page["next"] is None:
            return
        url = response.links["next"]["url"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_every_page_is_walked_and_no_violation_comes_twice_or_not_at_all(client: TestClient, limit: int) -> None:
    send_in_order(client, *(_of(other_site(number)) for number in range(7)))
    send_in_order(client, report_body(host="other.test"))
    walked = [item["id"] for item in _walk(client, f"{LIST}?limit={limit}&host={HOST}&sender=chromium")]
    assert sorted(walked) == list(range(1, 8))
    assert walked == [item["id"] for item in _items(client, host=HOST)]


def test_violations_of_the_same_moment_are_walked_too(client: TestClient) -> None:
    send_in_order(client, *(_of(other_site(number)) for number in range(6)))
    with service_of(client).engine.begin() as connection:
        connection.exec_driver_sql("UPDATE violations SET last_received_at = 1000")
    assert [item["id"] for item in _walk(client, f"{LIST}?limit=2")] == [6, 5, 4, 3, 2, 1]


def test_the_latest_reported_comes_first(client: TestClient) -> None:
    send_in_order(client, _of(other_site(1)), _of(other_site(2)), _of(other_site(1), port=1))
    received = [item["last_received_at"] for item in _items(client)]
    assert received == sorted(received, reverse=True)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, {1, 2, 3, 4}),
        ({"host": HOST}, {1, 2, 4}),
        ({"host": "WWW.example.COM."}, {1, 2, 4}),
        ({"host": "nobody.test"}, set()),
        ({"cause": "no_evidence"}, {2}),
        ({"sender": "trustkit-apple"}, {4}),
        ({"mode": "enforce"}, {4}),
        ({"mode": "report-only", "host": HOST}, {1, 2}),
        ({"app": "org.example.app"}, {4}),
        ({"app": "org.example.app", "app_version": "2"}, set()),
        ({"platform": "IOS"}, {4}),
        ({"label": "web"}, {3}),
        ({"status": "open"}, {1, 2, 3, 4}),
        ({"status": "resolved"}, set()),
        ({"since": "2000-01-01T00:00:00Z"}, {1, 2, 3, 4}),
        ({"until": "2000-01-01T00:00:00Z"}, set()),
        ({"since": "9999-12-31T23:59:59Z"}, set()),
        ({"until": "9999-12-31T23:59:59-14:00"}, {1, 2, 3, 4}),
        ({"since": "0001-01-01T00:00:00+14:00"}, {1, 2, 3, 4}),
        ({"cause": "%", "host": HOST}, set()),
        ({"label": "\x00"}, set()),
    ],
)
def test_filters_narrow_the_list(client: TestClient, query: dict[str, str], ids: set[int]) -> None:
    app: dict[str, Any] = {
        "app_bundle_id": "org.example.app", "app_version": "1", "app_platform": "IOS", "trustkit_version": "3.0.7",
    }  # fmt: skip
    send_in_order(client, report_body(), report_body(served=[], validated=[]))
    send_in_order(client, report_body(host="other.test"), path="/report/web")
    send_in_order(client, report_body(**app, enforce_pinning=True, port=0))
    assert {item["id"] for item in _items(client, **query)} == ids


def test_a_violation_is_found_by_the_moment_of_its_reports(client: TestClient) -> None:
    before = datetime.now(UTC)
    send_in_order(client, report_body())
    after = datetime.now(UTC) + timedelta(milliseconds=1)
    assert len(_items(client, since=(before - timedelta(milliseconds=1)).isoformat())) == 1
    assert _items(client, since=(after + timedelta(seconds=1)).isoformat()) == []
    assert _items(client, until=(before - timedelta(milliseconds=1)).isoformat()) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=501", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("since=2026-01-01T00:00:00", "/query/since"),
        ("until=2026-01-01", "/query/until"),
        ("since=never", "/query/since"),
        ("since=1e999", "/query/since"),
        ("until=%00", "/query/until"),
        ("cursor=x", "/query/cursor"),
        ("cursor=1", "/query/cursor"),
        ("cursor=-1.2", "/query/cursor"),
        ("cursor=1.2.3", "/query/cursor"),
        ("cursor=%D9%A1.%D9%A2", "/query/cursor"),
        (f"cursor={10**30}.1", "/query/cursor"),
    ],
)
def test_a_wrong_query_is_422_with_a_pointer(client: TestClient, query: str, pointer: str) -> None:
    assert problem_of(client.get(f"{LIST}?{query}"), 422)["pointer"] == pointer


def test_a_host_that_is_none_is_422(client: TestClient) -> None:
    problem_of(client.get(LIST, params={"host": "a..b"}), 422)


def test_a_violation_shows_both_chains_with_each_certificate_against_the_pins(client: TestClient) -> None:
    backup, chain = make_root("Backup").pin, site()
    policy = {"pins": [{"sha256": chain.root.pin}, {"sha256": backup}], "own_keys": [chain.leaf.pin]}
    client.put(f"/api/v1/hosts/{HOST}/policy", json=policy)
    client.put(f"/api/v1/hosts/{HOST}/policy", json={**policy, "pins": [{"sha256": backup}]})
    send_in_order(client, report_body(known_pins=[backup]))
    shown = client.get(f"{LIST}/1").json()
    assert shown["cause"] == "own_key_not_pinned"
    assert (shown["judged_chain"], shown["policy_revision"]) == ("validated", 2)
    assert [item["subject"] for item in shown["served_chain"]] == [
        "CN=www.example.com", "CN=Test Intermediate,O=Test Trust Services",
    ]  # fmt: skip
    leaf, intermediate, root = shown["validated_chain"]
    assert (leaf["pin"], leaf["names"], leaf["own_key"], leaf["failing"]) == (chain.leaf.pin, [HOST], True, True)
    assert (leaf["not_before"], leaf["not_after"]) == ("2026-05-02T12:00:00Z", "2026-07-31T12:00:00Z")
    assert leaf["issuer"] == intermediate["subject"]
    assert (root["in_former_pins"], root["in_expected_pins"], root["in_known_pins"]) == (True, False, False)
    assert [item["failing"] for item in (*shown["served_chain"], intermediate, root)] == [False] * 4
    assert [item["position"] for item in (leaf, intermediate, root)] == [0, 1, 2]
    assert shown["known_pins"] == [backup]


def test_what_cannot_be_read_stands_in_its_place_with_the_reason(client: TestClient) -> None:
    garbage = base64.b64encode(b"\x30\x03\x02\x01\x05").decode()
    send_in_order(client, report_body(validated=[*site().served, garbage, ""], known_pins=["not a pin"]))
    shown = client.get(f"{LIST}/1").json()
    assert [bool(item["unreadable"]) for item in shown["validated_chain"]] == [False, False, True, True]
    assert [item["position"] for item in shown["validated_chain"]] == [0, 1, 2, 3]
    assert shown["unreadable_pins"] == ['pin-sha256="not a pin"']


@pytest.mark.parametrize(("sent", "shown"), [([], []), (None, None)])
def test_no_chain_and_an_empty_chain_are_shown_apart(client: TestClient, sent: object, shown: object) -> None:
    send_in_order(client, report_body(served_certificate_chain=sent, validated_certificate_chain=sent))
    violation = client.get(f"{LIST}/1").json()
    assert violation["served_chain"] == violation["validated_chain"] == shown
    assert violation["cause"] == "no_evidence"


@pytest.mark.parametrize("status", ["acknowledged", "expected", "ignored", "resolved", "open"])
def test_a_violation_is_closed_with_a_note(client: TestClient, status: str) -> None:
    send_in_order(client, report_body())
    patched = client.patch(f"{LIST}/1", json={"status": status, "note": "the canary"}).json()
    assert (patched["status"], patched["note"]) == (status, "the canary")
    assert client.get(f"{LIST}/1").json() == patched
    assert [item["id"] for item in _items(client, status=status)] == [1]


def _recorded_and_shown(client: TestClient) -> tuple[dict[str, str], dict[str, str]]:
    """Return the findings of the verdict recorded last, which boards read, and those of the verdict of now."""
    recorded = client.get(f"/api/v1/hosts/{HOST}/verdicts").json()["items"][0]["findings"]
    shown = client.get(f"/api/v1/hosts/{HOST}/readiness").json()["findings"]
    return recorded, {finding["code"]: finding["severity"] for finding in shown}


def test_a_status_is_in_the_recorded_verdict_when_it_is_answered(client: TestClient) -> None:
    send_in_order(client, report_body())
    policy = {"pins": [{"sha256": make_root(name).pin} for name in ("Own", "Backup")]}
    assert client.put(f"/api/v1/hosts/{HOST}/policy", json=policy).status_code == 200
    send_in_order(client, _of(other_site(1)))
    open_codes = {code for code in _recorded_and_shown(client)[1] if code.startswith("open_")}
    assert open_codes
    for status, expected in (("open", open_codes), ("ignored", set()), ("open", open_codes), ("resolved", set())):
        for violation in _items(client):
            assert client.patch(f"{LIST}/{violation['id']}", json={"status": status}).status_code == 200
        recorded, shown = _recorded_and_shown(client)
        assert recorded == shown
        assert open_codes & recorded.keys() == expected


def test_what_a_change_leaves_out_stays(client: TestClient) -> None:
    send_in_order(client, report_body())
    client.patch(f"{LIST}/1", json={"status": "expected", "note": "a"})
    assert client.patch(f"{LIST}/1", json={"note": ""}).json()["status"] == "expected"
    assert client.patch(f"{LIST}/1", json={"status": "open"}).json()["note"] == ""
    assert client.patch(f"{LIST}/1", json={}).json()["status"] == "open"


@pytest.mark.parametrize("change", [{"status": "done"}, {"state": "open"}, {"note": "x" * 4001}, [], None, {"note": 5}])
def test_another_change_is_refused(client: TestClient, change: object) -> None:
    send_in_order(client, report_body())
    problem_of(client.patch(f"{LIST}/1", json=change), 422)
    problem_of(client.patch(f"{LIST}/2", json={"status": "open"}), 404)


def test_single_reports_are_walked_the_newest_first_and_shown_with_their_body(client: TestClient) -> None:
    bodies = distinct_bodies(7)
    send_in_order(client, *bodies)
    walked = list(_walk(client, f"{LIST}/1/reports?limit=3"))
    assert [item["id"] for item in walked] == [7, 6, 5, 4, 3, 2, 1]
    assert all(item["body"] is None for item in walked), "bodies are shown one by one"
    shown = [client.get(f"/api/v1/reports/{number}").json() for number in range(1, 8)]
    assert [report["body"] for report in shown] == [*(body.decode() for body in bodies[:5]), None, None]
    assert shown[0]["date_time"] == "2026-06-01T12:00:00Z"
    assert shown[0]["date_time_text"] == "2026-06-01T12:00:00.000Z"
    assert {report["violation_id"] for report in shown} == {1}


@pytest.mark.parametrize("path", ["violations/9", "violations/9/reports", "reports/9", f"reports/{2**63 - 1}"])
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    problem_of(client.get(f"/api/v1/{path}"), 404)


def test_dates_that_no_clock_shows_are_taken_and_their_text_is_shown(client: TestClient) -> None:
    chain = make_site(HOST)
    dates = ("0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z", "2569-06-01T00:00:00Z")
    send_in_order(client, *(_of(chain, date_time=date, port=port) for port, date in enumerate(dates, 1)))
    reports = [client.get(f"/api/v1/reports/{number}").json() for number in (1, 2, 3)]
    assert [report["date_time_text"] for report in reports] == list(dates)
    assert [report["date_time"] for report in reports] == [None, None, "2026-06-01T00:00:00Z"]
