"""Canaries, sent through a real socket to a real service: they arrive once, and nobody else can make one."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.canary import LIFETIME, InvalidCanary, make_canary, read_canary
from app.hpkp.hosts import Host
from app.hpkp.policy import ExpectedPin, PinningPolicy
from tests.hpkp.test_readiness import BACKUP, LIVE
from tests.support.authority import NOW
from tests.support.server import RunningService, running_service

HOST = "www.example.com"
INSIDE = {"HPKP_PROBE_PRIVATE_ADDRESSES": "true"}
"""The report-uri of these tests is on loopback."""
KEY, NONCE = bytes(range(32)), bytes(range(16))
POLICY = PinningPolicy(Host(HOST), (ExpectedPin(LIVE), ExpectedPin(BACKUP)))


def _set_policy(service: RunningService, **members: Any) -> None:
    policy = {"pins": [{"sha256": str(LIVE)}, {"sha256": str(BACKUP)}], **members}
    assert service.client.put(f"/api/v1/hosts/{HOST}/policy", json=policy).status_code == 200


def _send(service: RunningService) -> dict[str, Any]:
    answer = service.client.post(f"/api/v1/hosts/{HOST}/canary", timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _codes(service: RunningService) -> set[str]:
    answer = service.client.get(f"/api/v1/hosts/{HOST}/readiness").json()
    return {finding["code"] for finding in answer["findings"]}


def test_a_canary_arrives_and_counts_as_no_report(tmp_path: Path) -> None:
    with running_service(tmp_path, **INSIDE) as service:
        _set_policy(service, report_uri=f"{service.url}/report/web")
        assert "canary_missing" in _codes(service)
        sent = _send(service)
        assert sent["received_at"] is not None
        assert sent["fault"] is None
        assert not _codes(service) & {"canary_missing", "canary_too_old"}
        assert service.client.get("/api/v1/violations").json()["items"] == []
        assert service.client.get("/api/v1/rejections").json()["items"] == []


@pytest.mark.parametrize(
    ("report_uri", "fault"),
    [("http://127.0.0.1:9/report", "did not answer"), ("{url}/livez/nowhere", "answered 404")],
)
def test_a_report_uri_that_takes_no_reports_is_told_with_the_reason(
    tmp_path: Path, report_uri: str, fault: str
) -> None:
    with running_service(tmp_path, **INSIDE) as service:
        _set_policy(service, report_uri=report_uri.format(url=service.url))
        sent = _send(service)
        assert sent["received_at"] is None
        assert fault in sent["fault"]
        assert "canary_missing" in _codes(service)


def test_a_canary_that_another_collector_takes_did_not_arrive(tmp_path: Path) -> None:
    with running_service(tmp_path / "a", **INSIDE) as service, running_service(tmp_path / "b") as other:
        _set_policy(service, report_uri=f"{other.url}/report")
        assert "answered 422" in _send(service)["fault"]
        (rejection,) = other.client.get("/api/v1/rejections").json()["items"]
        assert rejection["outcome"] == "canary_refused"


def test_without_a_report_uri_or_a_policy_there_is_no_canary(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        assert service.client.post(f"/api/v1/hosts/{HOST}/canary").status_code == 404
        _set_policy(service)
        assert service.client.post(f"/api/v1/hosts/{HOST}/canary").status_code == 422


def test_what_was_signed_is_read_again() -> None:
    canary = read_canary(make_canary(POLICY, NONCE, key=KEY, at=NOW), key=KEY, at=NOW + LIFETIME)
    assert (canary.host, canary.nonce, canary.sent_at) == (HOST, NONCE, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"hostname": "other.example"},
        {"hpkp-canary": {}},
        {"hpkp-canary": {"nonce": NONCE.hex(), "sent": 1, "signature": ""}},
        {"hpkp-canary": {"nonce": NONCE.hex(), "sent": True, "signature": "00" * 32}},
        {"hpkp-canary": {"nonce": "zz", "sent": 1, "signature": "00" * 32}},
        {"hpkp-canary": {"nonce": NONCE.hex(), "sent": 10**400, "signature": "00" * 32}},
        {"hpkp-canary": [1]},
        {"hostname": "\ud800"},
        {"hostname": None},
    ],
)
def test_what_was_changed_is_no_canary(change: dict[str, Any]) -> None:
    body = json.loads(make_canary(POLICY, NONCE, key=KEY, at=NOW)) | change
    with pytest.raises(InvalidCanary):
        read_canary(json.dumps(body).encode(), key=KEY, at=NOW)


@pytest.mark.parametrize("late", [LIFETIME + timedelta(seconds=1), -LIFETIME - timedelta(seconds=1)])
def test_an_old_canary_is_none(late: timedelta) -> None:
    with pytest.raises(InvalidCanary, match="older than an hour"):
        read_canary(make_canary(POLICY, NONCE, key=KEY, at=NOW), key=KEY, at=NOW + late)


def test_a_canary_of_another_key_is_none() -> None:
    with pytest.raises(InvalidCanary, match="not signed"):
        read_canary(make_canary(POLICY, NONCE, key=bytes(32), at=NOW), key=KEY, at=NOW)


@pytest.mark.parametrize("body", [b'"hpkp-canary"', b'{"hpkp-canary"', b"[" * 10**5 + b'"hpkp-canary"', b"\xff"])
def test_any_bytes_are_a_canary_or_none(body: bytes) -> None:
    with pytest.raises(InvalidCanary):
        read_canary(body, key=KEY, at=NOW)
