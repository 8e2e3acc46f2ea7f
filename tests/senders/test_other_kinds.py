"""Reports of other kinds that arrive at the report-uri: refused with their name, never a violation."""

import json
from typing import Any

import pytest

from app.outcomes import Outcome
from app.senders import CertificateReader, Unreadable, read_reports
from tests.support.application import TestClient
from tests.support.senders.submissions import accepted, body_with

HOST = {"date-time": "2026-06-01T12:00:00.000Z", "hostname": "www.example.com", "port": 443}
CHAINS = {name: json.loads(body_with({}))[name] for name in ("served-certificate-chain", "validated-certificate-chain")}
STAPLE = {**HOST, "effective-expiration-date": "2026-07-01T12:00:00.000Z", "response-status": "MISSING", **CHAINS}
CT = {**HOST, "effective-expiration-date": "2026-07-01T12:00:00.000Z", **CHAINS, "scts": []}
POLICY = {"document-uri": "https://www.example.com/", "violated-directive": "script-src", "blocked-uri": "inline"}


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (STAPLE, "Expect-Staple"),
        ({"expect-staple-report": STAPLE}, "Expect-Staple"),
        (STAPLE | {"response-status": "PROVIDED", "cert-status": "REVOKED"}, "Expect-Staple"),
        (CT, "Expect-CT"),
        ({"expect-ct-report": CT}, "Expect-CT"),
        ({"csp-report": POLICY}, "CSP"),
        (POLICY, "CSP"),
    ],
)
def test_a_report_of_another_kind_is_refused_with_its_name(members: dict[str, Any], name: str) -> None:
    [refusal] = read_reports(json.dumps(members).encode(), certificates=CertificateReader())
    assert isinstance(refusal, Unreadable)
    assert refusal.outcome is Outcome.NOT_A_REPORT
    assert f"another kind: {name}." in refusal.reason


@pytest.mark.parametrize("member", ["response-status", "scts", "csp-report"])
def test_a_report_with_known_pins_stays_a_pin_violation_report(member: str) -> None:
    assert accepted(body_with({member: "MISSING"})).known_pins


def test_the_answer_and_the_rejection_name_the_kind_and_nothing_is_counted(client: TestClient) -> None:
    answer = client.post("/report", content=json.dumps(STAPLE))
    assert answer.status_code == 422
    assert "Expect-Staple" in answer.json()["detail"]
    [rejection] = client.get("/api/v1/rejections").json()["items"]
    assert rejection["outcome"] == "not_a_report"
    assert "Expect-Staple" in rejection["reason"]
    assert client.get("/api/v1/violations").json()["items"] == []
