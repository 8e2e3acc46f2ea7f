"""Certificates, what was rejected, and events, over HTTP."""

import base64
import hashlib
import json

import pytest
from cryptography import x509

from app.outcomes import Outcome
from tests.support.api.answers import problem_of, rejections
from tests.support.application import TestClient, from_elsewhere
from tests.support.authority import cross_sign, make_root
from tests.support.reports import HOST, report_body, site

pytestmark = pytest.mark.both_databases

PEM = {"accept": "application/x-pem-file"}
GARBAGE = b"\x30\x03\x02\x01\x05"


def _url(der: bytes) -> str:
    return f"/api/v1/certificates/{hashlib.sha256(der).hexdigest()}"


def test_a_certificate_is_shown_by_the_hash_of_its_der(client: TestClient) -> None:
    client.post("/report", content=report_body())
    leaf = site().leaf
    shown = client.get(_url(leaf.der)).json()
    assert (shown["pin"], shown["names"], shown["unreadable"]) == (leaf.pin, [HOST], None)
    assert shown["sha256"] == hashlib.sha256(leaf.der).hexdigest()
    assert int(shown["serial_number"], 16) == leaf.certificate.serial_number
    assert client.get(_url(leaf.der).upper().replace("/API/V1/CERTIFICATES", "/api/v1/certificates")).json() == shown


def test_a_certificate_is_sent_as_pem_where_pem_is_asked_for(client: TestClient) -> None:
    client.post("/report", content=report_body())
    response = client.get(_url(site().root.der), headers=PEM)
    assert response.headers["content-type"].startswith("application/x-pem-file")
    assert x509.load_pem_x509_certificate(response.content) == site().root.certificate
    assert client.get(_url(site().root.der)).json()["pem"] == response.text


def test_two_certificates_of_one_key_are_shown_apart(client: TestClient) -> None:
    old = make_root("Old")
    crossed = cross_sign(old, by=make_root("Elder"))
    for root in (old, crossed):
        client.post("/report", content=report_body(validated=[*site().served, root.pem]))
    shown = [client.get(_url(root.der)).json() for root in (old, crossed)]
    assert shown[0]["pin"] == shown[1]["pin"]
    assert [certificate["issuer"] for certificate in shown] == [
        "CN=Old,O=Test Trust Services", "CN=Elder,O=Test Trust Services",
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["garbage", "a date"])
def test_an_unreadable_certificate_is_shown_with_the_reason_and_its_bytes(client: TestClient, damage: str) -> None:
    der = GARBAGE if damage == "garbage" else site().leaf.der.replace(b"\x17\x0d26", b"\x17\x0d2x", 1)
    client.post("/report", content=report_body(validated=[base64.b64encode(der).decode()]))
    shown = client.get(_url(der)).json()
    assert shown["unreadable"]
    assert (shown["pin"] is None) == (damage == "garbage")
    response = client.get(_url(der), headers=PEM)
    lines = response.text.splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    assert base64.b64decode("".join(lines[1:-1])) == der
    assert shown["pem"] == response.text


@pytest.mark.parametrize("name", ["0" * 64, "f" * 64])
def test_an_unknown_certificate_is_not_found(client: TestClient, name: str) -> None:
    problem_of(client.get(f"/api/v1/certificates/{name}"), 404)


@pytest.mark.parametrize("name", ["0" * 63, "0" * 65, "g" * 64, "%00", "%EF%BC%90" * 64, "0" * 64 + "%0A"])
def test_what_is_no_hash_is_a_problem(client: TestClient, name: str) -> None:
    response = client.get(f"/api/v1/certificates/{name}")
    problem_of(response, response.status_code)
    assert response.status_code in (404, 422)


def test_a_rejection_tells_what_was_sent_and_why_it_was_not_taken(client: TestClient) -> None:
    headers = {"content-type": "text/plain", "user-agent": "curl\x7f/8"}
    client.post("/report/web", content=report_body(port=-1), headers=headers)
    (shown,) = rejections(client)
    assert (shown["outcome"], shown["pointer"], shown["label"]) == ("not_a_report", "/port", "web")
    assert (shown["content_type"], shown["user_agent"]) == ("text/plain", "curl /8")
    assert shown["length"] == len(report_body(port=-1))
    assert shown["reason"]
    assert shown["sample"].startswith('{"date-time":')


def test_rejections_are_filtered_and_walked_the_newest_first(client: TestClient) -> None:
    for number in range(5):
        client.post("/report", content=b"x" * (number + 1))
        client.post("/report", content=json.dumps({"hostname": number}).encode())
    lengths = [item["length"] for item in rejections(client, outcome="unreadable")]
    assert lengths == [5, 4, 3, 2, 1]
    walked, url = list[int](), "/api/v1/rejections?limit=2&outcome=unreadable"
    while True:
        response = client.get(url)
        walked += [item["length"] for item in response.json()["items"]]
        if "next" not in response.links:
            break
        url = response.links["next"]["url"]
    assert walked == lengths
    assert rejections(client, outcome="nonsense") == []


def test_refusals_by_the_path_the_headers_and_the_length_are_kept_too(client: TestClient) -> None:
    client.post("/report/a/b", content=report_body())
    client.post("/report", content=report_body(), headers={"content-encoding": "br"})
    client.post("/report", content=b" " * 300_000)
    shown = [(item["outcome"], item["length"], item["sample"]) for item in rejections(client)]
    length = len(report_body())
    assert shown == [("too_large", 300_000, ""), ("content_encoding", length, ""), ("bad_request", length, "")]


def test_what_was_taken_or_was_no_submission_is_no_rejection(client: TestClient) -> None:
    client.post("/report", content=report_body())
    client.post("/report", content=report_body())
    client.get("/report")
    client.options("/report")
    assert rejections(client) == []


def test_no_rejection_holds_the_address(client: TestClient) -> None:
    from_elsewhere(client, "203.0.113.77").post("/report", content=b"{}")
    (shown,) = rejections(client)
    assert "203.0.113.77" not in json.dumps(shown)
    assert shown["outcome"] == Outcome.NOT_A_REPORT


def test_events_tell_of_policies_and_of_judging_again(client: TestClient) -> None:
    client.post("/report", content=report_body())
    client.put(f"/api/v1/hosts/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
    client.delete(f"/api/v1/hosts/{HOST}/policy")
    items = client.get("/api/v1/events", params={"host": HOST.upper()}).json()["items"]
    assert [item["kind"] for item in items] == [
        "rejudged", "policy_changed", "verdict_changed", "rejudged", "policy_changed",
    ]  # fmt: skip
    changed = client.get("/api/v1/events", params={"kind": "policy_changed"}).json()["items"]
    assert [item["text"] for item in changed] == [
        "Policy revision 2: withdrawn",
        "Policy revision 1: report-only, 1 pins",
    ]
    first = client.get("/api/v1/events?limit=1").json()
    second = client.get(f"/api/v1/events?limit=1&cursor={first['next']}").json()
    assert first["items"][0]["id"] > second["items"][0]["id"]
    problem_of(client.get("/api/v1/events?cursor=x"), 422)


def test_an_event_that_somebody_tells_of_is_among_the_others(client: TestClient) -> None:
    told = {"kind": "deployed", "host": "WWW.Example.com", "text": "a new server", "at": "2026-01-02T03:04:05+01:00"}
    answer = client.post("/api/v1/events", json=told)
    assert answer.status_code == 201
    shown = {"kind": "deployed", "host": "www.example.com", "text": "a new server", "at": "2026-01-02T02:04:05Z"}
    assert answer.json() == shown | {"id": answer.json()["id"], "actor": "tests"}
    assert client.get("/api/v1/events", params={"host": HOST}).json()["items"] == [answer.json()]
    assert client.post("/api/v1/events", json={"kind": "note", "text": "of all hosts"}).json()["host"] is None


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "policy_changed", "text": "that is the service's to tell"},
        {"kind": "note", "text": ""},
        {"kind": "note", "text": "x" * 501},
        {"kind": "note", "text": "x", "host": "a b"},
        {"kind": "note", "text": "x", "at": "2999-01-01T00:00:00Z"},
        {"kind": "note", "text": "x", "at": "2026-01-01T00:00:00"},
        {"kind": "note", "text": "x", "by": "me"},
    ],
)
def test_an_event_that_is_none_is_a_problem(client: TestClient, told: dict[str, str]) -> None:
    before = client.get("/api/v1/events").json()
    problem_of(client.post("/api/v1/events", json=told), 422)
    assert client.get("/api/v1/events").json() == before
