"""Who may call what: tokens by their scope; without one nobody, wherever the connection comes from."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from app.api.counted_until import HEADER
from app.main import create_app
from app.store.engine import writing
from app.store.secrets import new_token, revoke_token
from tests.support import admin
from tests.support.api.answers import problem_of
from tests.support.application import TestClient, app_of, caller, from_elsewhere, service_of, settings_for
from tests.support.reports import HOST, report_body, site

HOSTS = "/api/v1/hosts"
POLICY = f"{HOSTS}/{HOST}/policy"
PROBE = f"{HOSTS}/{HOST}/probe"
BODY = {"pins": [{"sha256": site().root.pin}]}
ELSEWHERE = "203.0.113.9"

READS = [
    HOSTS, POLICY, f"{POLICY}/revisions", f"{HOSTS}/{HOST}/summary", f"{HOSTS}/{HOST}/readiness", PROBE,
    f"{HOSTS}/{HOST}/verdicts", f"{HOSTS}/{HOST}/exposure", "/metrics",
    "/api/v1/violations", "/api/v1/violations/1", "/api/v1/violations/1/reports", "/api/v1/reports/1",
    "/api/v1/rejections", "/api/v1/events", "/api/v1/export", f"/api/v1/certificates/{'0' * 64}",
    "/api/v1/overflow", f"{HOSTS}/{HOST}/refusals", f"{HOSTS}/{HOST}/control",
    f"{HOSTS}/{HOST}/releases", f"{HOSTS}/{HOST}/app-keys", "/api/v1/apps", "/api/v1/apps/releases",
    "/api/v1/apps/a/releases", "/api/v1/apps/a/installs",
]  # fmt: skip
WRITES = [
    ("PUT", POLICY, BODY),
    ("PUT", f"{HOSTS}/{HOST}/refusals", {"status": "open"}),
    ("DELETE", POLICY, None),
    ("DELETE", f"{HOSTS}/{HOST}", None),
    ("PATCH", "/api/v1/violations", {"ids": [1], "status": "open"}),
    ("POST", PROBE, None),
    ("PUT", f"{HOSTS}/{HOST}/exposure/2026-11-01", {"sessions": 1}),
    ("POST", f"{HOSTS}/{HOST}/canary", None),
    ("POST", f"{HOSTS}/{HOST}/control", {}),
    ("PATCH", "/api/v1/violations/1", {"status": "open"}),
    ("PUT", f"{HOSTS}/{HOST}/releases", {"app": "a"}),
    ("PUT", "/api/v1/apps/a/releases/1", {"files": []}),
    ("PATCH", "/api/v1/apps/a/releases/1", {}),
    ("PUT", "/api/v1/apps/a/installs", {"installs": []}),
]
ASKS = [
    ("POST", f"{HOSTS}/{HOST}/check", None),
    ("POST", f"{HOSTS}/{HOST}/what-if", {"pins": [site().root.pin]}),
]
"""Questions that are posted; reading is enough for them."""
OPEN = ["/livez", "/readyz", "/openapi.json", "/docs"]


def _token(client: TestClient, scope: str) -> str:
    with writing(service_of(client).engine) as connection:
        return new_token(connection, scope, scope)


def _with_token(client: TestClient, text: str, scheme: str = "Bearer") -> TestClient:
    return from_elsewhere(client, ELSEWHERE, authorization=f"{scheme} {text}")


def _every_request() -> Iterator[tuple[str, str, Any]]:
    yield from (("GET", path, None) for path in READS)
    yield from ASKS
    yield from WRITES


def _refused(asking: TestClient, status: int, requests: Iterator[tuple[str, str, Any]] | None = None) -> None:
    for method, path, body in requests or _every_request():
        response = asking.request(method, path, json=body)
        problem_of(response, status)
        assert ("www-authenticate" in response.headers) == (status == 401)


def test_every_route_that_is_not_open_stands_in_these_tests(client: TestClient) -> None:
    paths = app_of(client).openapi()["paths"]
    listed = {*READS, *(path for _, path, _ in (*WRITES, *ASKS)), *OPEN}
    sample = {"{host}": HOST, "{violation_id}": "1", "{report_id}": "1", "{sha256}": "0" * 64, "{date}": "2026-11-01"}
    sample |= {"{app}": "a", "{version}": "1"}
    for path in paths:
        filled = path
        for name, value in sample.items():
            filled = filled.replace(name, value)
        assert path.startswith("/report") or filled in listed, path


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "localhost", "", ELSEWHERE])
@pytest.mark.parametrize("tokens", [True, False])
def test_no_place_of_a_connection_opens_anything(client: TestClient, address: str, *, tokens: bool) -> None:
    if not tokens:
        assert service_of(client).tokens.revoke(admin.NAME)
    for host in ("127.0.0.1:8000", "localhost", "collector.example"):
        _refused(from_elsewhere(client, address, host=host), 401)


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "x-forwarded-anything", "Via", "VIA"],
)
@pytest.mark.parametrize("value", ["127.0.0.1", ""])
def test_what_came_through_a_proxy_needs_a_token_even_from_this_machine(
    client: TestClient, header: str, value: str
) -> None:
    proxied = from_elsewhere(client, "127.0.0.1", **{header: value})
    _refused(proxied, 401)


@pytest.mark.parametrize("path", OPEN)
def test_health_and_the_document_are_open_to_all(client: TestClient, path: str) -> None:
    assert from_elsewhere(client, ELSEWHERE, via="1.1 proxy").get(path).status_code == 200


def test_a_read_token_reads_and_changes_nothing(client: TestClient) -> None:
    assert client.put(POLICY, json=BODY).status_code == 200
    reader = _with_token(client, _token(client, "read"))
    assert {reader.get(path).status_code for path in READS} == {200, 404}
    _refused(reader, 403, iter(WRITES))
    assert client.get(POLICY).status_code == 200


def test_an_admin_token_reads_and_changes(client: TestClient) -> None:
    changer = _with_token(client, _token(client, "admin"))
    assert changer.put(POLICY, json=BODY).status_code == 200
    assert {changer.get(path).status_code for path in READS} == {200, 404}
    assert changer.delete(POLICY).status_code == 204


def test_a_token_opens_through_a_proxy_too(client: TestClient) -> None:
    text = _token(client, "admin")
    proxied = from_elsewhere(client, "127.0.0.1", x_forwarded_for=ELSEWHERE, authorization=f"Bearer {text}")
    assert proxied.put(POLICY, json=BODY).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(client: TestClient, scheme: str) -> None:
    assert _with_token(client, _token(client, "read"), scheme).get(HOSTS).status_code == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_another_scheme_is_no_token(client: TestClient, scheme: str) -> None:
    _refused(_with_token(client, _token(client, "admin"), scheme), 401)


@pytest.mark.parametrize("text", ["hpkp_nonsense", "x", "", " ", "a b", "x" * 5000])
def test_an_unknown_token_opens_nothing(client: TestClient, text: str) -> None:
    _token(client, "admin")
    _refused(_with_token(client, text), 401)


def test_an_unknown_token_is_refused_from_this_machine_too(client: TestClient) -> None:
    _refused(from_elsewhere(client, "127.0.0.1", authorization="Bearer hpkp_nonsense"), 401)


def test_a_revoked_token_opens_nothing_from_then_on(client: TestClient) -> None:
    reader = _with_token(client, _token(client, "read"))
    assert reader.get(HOSTS).status_code == 200
    with writing(service_of(client).engine) as connection:
        revoke_token(connection, "read")
    _refused(reader, 401)


def test_a_token_opens_nothing_after_it_has_expired(client: TestClient) -> None:
    start = datetime.now(UTC)
    text = service_of(client).tokens.make("month", "admin", expires_at=start + timedelta(days=30))
    for days, status in ((29.99, 200), (30, 401), (31, 401)):
        with time_machine.travel(start + timedelta(days=days), tick=False):
            assert _with_token(client, text).get(HOSTS).status_code == status


@pytest.mark.both_databases
def test_the_last_use_of_a_token_is_kept_to_the_hour(client: TestClient) -> None:
    text = _token(client, "read")
    tokens = service_of(client).tokens
    assert [token.last_used_at for token in tokens.list() if token.name == "read"] == [None]
    for hours in (1.0, 1.9, 2.1, 1.5):  # the last is a process whose clock is behind
        with time_machine.travel(datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=hours), tick=False):
            assert _with_token(client, text).get(HOSTS).status_code == 200
    assert [token.last_used_at for token in tokens.list() if token.name == "read"] == [
        datetime(2026, 11, 1, 2, tzinfo=UTC)
    ]


def test_a_store_that_takes_no_writes_still_answers_who_has_a_token(client: TestClient) -> None:
    reader = _with_token(client, _token(client, "read"))
    with service_of(client).engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.commit()
    assert reader.get(HOSTS).status_code == 200


def test_nobody_is_told_whether_a_thing_exists_before_who_asks_is_known(client: TestClient) -> None:
    stranger = from_elsewhere(client, ELSEWHERE)
    for path in ("/api/v1/violations/x", f"{HOSTS}/a..b/policy", "/api/v1/violations?limit=0&since=x"):
        assert stranger.get(path).status_code in (401, 422)
    problem_of(stranger.get("/api/v1/violations/12345"), 401)


def test_only_an_authorized_request_waits_for_the_fold(tmp_path: Path) -> None:
    """Nothing counts what was accepted, so a request that waits is answered when the patience ends, and says so."""
    app = create_app(settings_for(tmp_path, read_wait_seconds=1), with_fold=False)
    with caller(app) as client:
        assert client.post("/report", content=report_body()).status_code == 204
        reader = _with_token(client, _token(client, "read"))
        unknown = _with_token(client, "hpkp_unknown")
        for refused in (
            from_elsewhere(client, ELSEWHERE).get(HOSTS),
            from_elsewhere(client, ELSEWHERE).get("/"),
            unknown.get(HOSTS),
            reader.put(POLICY, json=BODY),
        ):
            assert refused.status_code in (401, 403)
            assert HEADER not in refused.headers
        assert HEADER not in client.get("/metrics").headers
        for answered in (reader.get(HOSTS), client.get("/"), client.put(POLICY, json=BODY)):
            assert answered.status_code == 200
            assert HEADER in answered.headers
