"""Health and metrics; and paths that lead nowhere, which are problems and never faults."""

import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.service import now
from app.store.engine import writing
from app.store.secrets import new_token
from tests.support.api.answers import problem_of
from tests.support.application import TestClient, service_of
from tests.support.reports import report_body


def test_health_says_that_it_lives_and_that_the_store_answers(client: TestClient) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["store"], ready["refused_logs"]) == ("ready", "answers", [])
    assert ready["fold_lag_seconds"] == 0
    assert (ready["last_append_at"], ready["last_fold_at"]) == (None, None)


def test_readiness_tells_when_reports_were_last_accepted_and_counted(client: TestClient) -> None:
    began = now()
    assert client.post("/report", content=report_body()).status_code == 204
    client.get("/api/v1/violations")  # which waits until it is counted
    ready = client.get("/readyz").json()
    assert began - timedelta(milliseconds=1) <= datetime.fromisoformat(ready["last_append_at"]) <= now()
    assert ready["last_fold_at"] >= ready["last_append_at"]
    assert ready["log_bytes"] > 0
    assert ready["fold_starts"] == 1


def test_answers_say_until_when_they_count(client: TestClient) -> None:
    began = now()
    client.post("/report", content=report_body())
    response = client.get("/api/v1/hosts/www.example.com/summary")
    told = response.headers["x-hpkp-counted-until"]
    assert told.endswith("Z")
    assert response.json()["counted_until"] == told
    assert began <= datetime.fromisoformat(told) <= now()
    for path in ("/", "/api/v1/violations", "/api/v1/violations/999"):
        assert client.get(path).headers["x-hpkp-counted-until"] >= told


def test_while_the_store_is_lost_reports_are_accepted_and_wait(client: TestClient, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "hpkp.sqlite3")) as other:
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            other.execute(f"ALTER TABLE {name} RENAME TO lost_{name}")
    assert client.post("/report", content=report_body()).status_code == 204
    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["store"]) == (503, "incomplete")
    assert "restore a backup" in problem_of(ready, 503)["detail"] or "hpkp db upgrade" in ready.json()["detail"]
    time.sleep(1.1)
    assert client.get("/readyz").json()["fold_lag_seconds"] >= 1


def test_metrics_are_in_the_text_format_of_prometheus(client: TestClient) -> None:
    client.post("/report", content=report_body())
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'hpkp_submissions_total{outcome="accepted"} 1.0' in lines
    assert "hpkp_waiting_submissions 0.0" in lines
    assert "hpkp_last_canary_timestamp_seconds 0.0" in lines
    for what in ("submissions", "seconds", "wait_seconds"):
        assert f"hpkp_commit_{what}_count 1.0" in lines


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/v1", "/api/v1/nothing", "/favicon.ico", "/api/v1/a/b/c"])
def test_a_path_that_is_nothing_is_404_as_a_problem(client: TestClient, path: str) -> None:
    problem_of(client.get(path), 404)


ODD = [
    "%00",
    "%FF",
    "%C3%28",
    "%",
    "%zz",
    "%u0041",
    "%7F",
    "%0d%0aSet-Cookie:x",
    "%F0%9F%92%A9",
    "'",
    "..",
    "%2e%2e",
    "*",
]
PATHS = [
    "/api/v1/hosts/{}/policy", "/api/v1/hosts/{}/policy/revisions", "/api/v1/hosts/{}/summary",
    "/api/v1/hosts/{}/readiness", "/api/v1/violations/{}", "/api/v1/violations/{}/reports", "/api/v1/reports/{}",
    "/api/v1/certificates/{}", "/a/b/{}", "/hosts/{}/history", "/hosts/{}/policy", "/reports/{}/body",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("odd", ODD)
def test_odd_characters_in_a_path_are_never_a_fault(client: TestClient, path: str, odd: str) -> None:
    response = client.get(path.format(odd))
    problem_of(response, response.status_code)
    assert response.status_code in (404, 422)


@pytest.mark.parametrize("host", ["evil.example", "a>; rel=x", "[::1", "é", ""])
def test_an_odd_host_header_is_never_a_fault(client: TestClient, host: str) -> None:
    for port in (1, 2):
        client.post("/report", content=report_body(port=port))
    with writing(service_of(client).engine) as connection:
        token = new_token(connection, "reader", "read")
    headers = [(b"host", host.encode("latin-1")), (b"authorization", f"Bearer {token}".encode())]
    assert client.get("/api/v1/violations?limit=1", headers=headers).status_code == 200
