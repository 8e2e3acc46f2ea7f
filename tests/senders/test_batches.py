"""Reporting API batches on a real store: every entry is stored and counted, a batch has one outcome."""

import base64
import json
import re
from typing import Any

import pytest

from app.demo import FORMS, Members, SampleKind, make_site
from app.hpkp.report import Sender
from app.senders import CertificateReader, Reading, Unreadable, read_reports
from app.senders.reporting_api import MAX_ENTRIES
from tests.support.application import StartApp, TestClient
from tests.support.authority import NOW
from tests.support.senders.submissions import accepted, body_with

OTHER = {"type": "deprecation", "age": 3, "url": "https://www.example.com/", "body": {"id": "websql"}}
CSP = {"type": "csp-violation", "age": 3, "url": "https://www.example.com/", "body": {"blockedURL": "inline"}}
NEL = {"type": "network-error", "age": 3, "url": "https://www.example.com/", "body": {"type": "tcp.timed_out"}}
SITE = make_site(accepted(body_with()).hostname, at=NOW)


def entry(**changes: Any) -> Members:
    """Return an entry of type hpkp, with members of its body changed."""
    members = FORMS[Sender.REPORTING_API].members(SITE.incident(SampleKind.PRIVATE_ROOT, at=NOW))
    return members | {"body": members["body"] | {name.replace("_", "-"): value for name, value in changes.items()}}


def read_all(value: object) -> tuple[Reading | Unreadable, ...]:
    return read_reports(json.dumps(value).encode(), certificates=CertificateReader(), received_at=NOW)


def post(client: TestClient, value: object) -> int:
    return int(client.post("/report", content=json.dumps(value)).status_code)


def counts(client: TestClient) -> dict[str, int]:
    """Return the outcomes that have been counted."""
    lines = client.get("/metrics").text.splitlines()
    counted = (line.rpartition(" ") for line in lines if line.startswith("hpkp_submissions_total{"))
    return {name.split('"')[1]: int(float(value)) for name, _, value in counted if float(value)}


def reports(client: TestClient) -> int:
    items = client.get("/api/v1/violations", params={"limit": 500}).json()["items"]
    return sum(int(item["reports"]) for item in items)


def test_each_entry_is_read_in_its_order_with_its_own_bytes() -> None:
    first, second = read_all([entry(port=1), CSP, entry(port=2)])
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert [first.report.port, second.report.port] == [1, 2]
    assert json.loads(second.body) == entry(port=2)


def test_an_entry_that_is_no_report_costs_only_itself_and_is_named() -> None:
    results = read_all([entry(), entry(hostname="*.example.com"), {"type": "hpkp"}, CSP])
    assert [type(result) for result in results] == [Reading, Unreadable, Unreadable]
    assert [result.pointer for result in results if isinstance(result, Unreadable)] == ["/1/body/hostname", "/2/body"]


def test_the_place_in_an_entry_on_its_own_is_in_the_whole_body() -> None:
    [refusal] = read_all(entry(port="many"))
    assert isinstance(refusal, Unreadable)
    assert refusal.pointer == "/body/port"


@pytest.mark.parametrize("value", [OTHER, [OTHER], [OTHER, {"type": "crash", "hostname": "www.example.com"}]])
def test_entries_of_other_types_are_no_reports_and_no_mistake(value: object) -> None:
    assert read_all(value) == ()


@pytest.mark.parametrize("value", [[], [CSP] * (MAX_ENTRIES + 1), [entry(), 1], [entry(), {"body": {}}]])
def test_a_list_that_is_no_batch_is_refused_whole(value: object) -> None:
    [refusal] = read_all(value)
    assert isinstance(refusal, Unreadable)


@pytest.mark.parametrize(
    ("bodies", "reason"),
    [
        ([{"served_certificate_chain": [f"{n}.{at}" for at in range(16)]} for n in range(11)], "176 different certif"),
        ([{"served_certificate_chain": "-----BEGIN" * 20 + f"{n}"} for n in range(9)], "180 different certificates"),
        ([{"validated_certificate_chain": ["M"] * 20}] * 40, "800 certificates"),
        ([{"known_pins": ["x"] * 64}] * 11, "704 pins"),
    ],
)
def test_a_batch_that_costs_much_more_to_read_than_a_report_is_refused_whole(
    bodies: list[dict[str, Any]], reason: str
) -> None:
    empty: dict[str, Any] = {"served_certificate_chain": [], "validated_certificate_chain": []}
    [refusal] = read_all([entry(**empty | body) for body in bodies])
    assert isinstance(refusal, Unreadable)
    assert re.search(reason, refusal.reason)
    assert refusal.reason.endswith("are accepted. Send it in parts.")
    fewer = read_all([entry(**empty | body) for body in bodies[: len(bodies) // 2]])
    assert all(isinstance(read, Reading) for read in fewer)


def test_a_private_key_in_a_foreign_entry_refuses_the_whole_batch() -> None:
    key = "-----BEGIN PRIVATE KEY-----"
    [refusal] = read_all([entry(), CSP | {"body": key}])
    assert isinstance(refusal, Unreadable)
    assert refusal.pointer == "/1/body"


def test_every_entry_of_a_full_batch_is_stored_and_counted_under_one_outcome(client: TestClient) -> None:
    batch = [entry(port=1000 + number) for number in range(MAX_ENTRIES - 1)] + [CSP]
    assert post(client, batch) == 204
    assert reports(client) == MAX_ENTRIES - 1
    assert counts(client) == {"accepted": 1}


def test_equal_entries_are_reports_of_their_own_and_a_repeated_batch_is_not(client: TestClient) -> None:
    batch = [entry(), entry(), entry(port=8443)]
    assert [post(client, batch), post(client, batch)] == [204, 204]
    assert reports(client) == 3
    assert counts(client) == {"accepted": 2}, "whether it is a retry is found out after the answer"


def test_the_kept_body_of_a_report_is_its_entry_alone(client: TestClient) -> None:
    post(client, [entry(port=1), entry(port=2)])
    bodies = [json.loads(client.get(f"/api/v1/reports/{number}").json()["body"]) for number in (1, 2)]
    assert sorted(bodies, key=lambda body: body["body"]["port"]) == [entry(port=1), entry(port=2)]


@pytest.mark.parametrize(
    ("value", "pointer", "named"),
    [
        (CSP, "/type", "CSP"),
        ([OTHER, CSP], "/1/type", "CSP"),
        ([NEL, CSP], "/0/type", "CSP and NEL"),
    ],
)
def test_entries_of_a_known_other_kind_alone_are_refused_by_their_name(value: object, pointer: str, named: str) -> None:
    [refusal] = read_all(value)
    assert isinstance(refusal, Unreadable)
    assert refusal.pointer == pointer
    assert f"another kind: {named}." in refusal.reason


def test_entries_of_other_kinds_beside_a_report_are_passed_over(client: TestClient) -> None:
    assert post(client, [CSP, entry(), NEL]) == 204
    assert counts(client) == {"accepted": 1}


def test_foreign_types_alone_are_answered_as_taken_and_counted_by_themselves(client: TestClient) -> None:
    assert post(client, [OTHER, OTHER]) == 204
    assert counts(client) == {"foreign_type": 1}
    assert client.get("/api/v1/rejections").json()["items"] == []


def test_a_batch_with_an_entry_that_is_no_report_is_refused_but_the_others_are_stored_once(client: TestClient) -> None:
    batch = [entry(), entry(hostname="")]
    assert [post(client, batch), post(client, batch)] == [422, 422]
    assert reports(client) == 1
    assert counts(client) == {"not_a_report": 2}
    assert client.get("/api/v1/rejections").json()["items"][0]["pointer"] == "/1/body/hostname"


def test_the_worst_outcome_is_that_of_the_batch(start: StartApp) -> None:
    client = start(unknown_hosts="reject")
    policy = {"pins": [{"sha256": base64.b64encode(bytes([n]) * 32).decode()} for n in (1, 2)]}
    assert client.put(f"/api/v1/hosts/{SITE.host}/policy", json=policy).status_code == 200
    elsewhere = entry(hostname="www.example.net", noted_hostname="www.example.net")
    assert post(client, [entry(), entry(hostname=""), elsewhere]) == 404
    assert reports(client) == 1
    assert counts(client) == {"unknown_host": 1}
