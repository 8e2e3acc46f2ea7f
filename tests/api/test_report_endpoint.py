"""``POST /report``: what is answered, and that it says where a body is wrong."""

import json

import pytest

from app.outcomes import Outcome
from tests.support.api.answers import DISCONNECT, chunks, counted, exchange, metric_of, problem_of
from tests.support.application import StartApp, TestClient, from_elsewhere
from tests.support.reports import HOST, distinct_bodies, report_body, site

LIMIT = 20_000


def _reports(client: TestClient) -> int:
    """Return how many reports are stored of the usual host."""
    response = client.get(f"/api/v1/hosts/{HOST}/summary")
    return 0 if response.status_code == 404 else int(response.json()["totals"]["reports"])


def test_a_report_is_answered_204_with_nothing_in_it_and_stands_in_the_store(client: TestClient) -> None:
    response = client.post("/report", content=report_body())
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert _reports(client) == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=utf-8", "nonsense", None])
def test_any_content_type_will_do(client: TestClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert client.post("/report", content=report_body(), headers=headers).status_code == 204


def test_anybody_may_report_from_anywhere_through_any_proxy(client: TestClient) -> None:
    stranger = from_elsewhere(client, "203.0.113.9", x_forwarded_for="198.51.100.1", authorization="Bearer nonsense")
    assert stranger.post("/report", content=report_body()).status_code == 204


def test_a_chunked_report_is_taken(client: TestClient) -> None:
    body = report_body()
    start, _ = exchange(client, chunks(body[:100], b"", body[100:5000], body[5000:], b""))
    assert start["status"] == 204
    assert _reports(client) == 1


@pytest.mark.parametrize("path", ["/report", "/report/", "/report/web", "/report/?mode=enforce"])
def test_every_form_of_the_path_is_answered_itself_and_never_by_a_redirect(client: TestClient, path: str) -> None:
    assert client.post(path, content=report_body()).status_code == 204
    assert client.get(path).status_code == 405


@pytest.mark.parametrize("path", ["/reports", "/REPORT", "/a//report", "/report.json", "/api/report"])
def test_other_paths_are_not_found_and_never_a_redirect(client: TestClient, path: str) -> None:
    problem_of(client.post(path, content=report_body()), 404)


def test_the_page_at_the_root_takes_no_report(client: TestClient) -> None:
    problem_of(client.post("/", content=report_body()), 405)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"{", "line 1 column 1"),
        (b'{"hostname": "a",\n oops}', "line 2 column 2"),
        (b"\xff\xfe{}", "line 1 column 1"),
        (b'{"hostname": NaN}', "line 1"),
        (b'{"a": "\xff"}', "line 1"),
    ],
)
def test_what_is_not_json_is_400_and_says_where(client: TestClient, body: bytes, place: str) -> None:
    problem = problem_of(client.post("/report", content=body), 400)
    assert problem["title"] == "Invalid JSON"
    assert place in problem["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"7", ""),
        (b"{}", "/hostname"),
        (json.dumps({"hostname": HOST}).encode(), ""),
        (report_body(hostname=5), "/hostname"),
        (report_body(hostname="not a host"), "/hostname"),
        (report_body(noted_hostname="-"), "/noted-hostname"),
        (report_body(port=65536), "/port"),
        (report_body(known_pins=[site().root.pin] * 65), "/known-pins"),
        (report_body(served=[""] * 21), "/served-certificate-chain"),
        (report_body(validated_certificate_chain={}), "/validated-certificate-chain"),
        (report_body(note={"a/b": ["-----BEGIN PRIVATE KEY-----"]}), "/note/a~1b/0"),
    ],
)
def test_json_of_another_kind_is_422_with_a_pointer_to_the_member(
    client: TestClient, body: bytes, pointer: str
) -> None:
    problem = problem_of(client.post("/report", content=body), 422)
    assert problem["title"] == "Not an HPKP report"
    assert problem["pointer"] == pointer
    assert problem["detail"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_other_methods_are_405_and_say_which_are_allowed(client: TestClient, method: str) -> None:
    response = client.request(method, "/report")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, OPTIONS"
    if method != "HEAD":
        problem_of(response, 405)


def test_options_is_answered_for_cors(client: TestClient) -> None:
    asked = {"origin": "https://www.example.com", "access-control-request-method": "POST"}
    response = client.options("/report/web", headers=asked)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "*"


def test_a_stated_length_over_the_limit_is_413_before_the_body_is_read(start: StartApp) -> None:
    client = start(max_body_bytes=LIMIT)
    begin, rest = exchange(client, [], headers=[(b"content-length", str(LIMIT + 1).encode())])
    assert begin["status"] == 413
    assert (b"connection", b"close") in begin["headers"]
    assert str(LIMIT) in json.loads(rest["body"])["detail"]


def test_a_stream_over_the_limit_is_413_whatever_its_length_says(start: StartApp) -> None:
    client = start(max_body_bytes=LIMIT)
    endless = chunks(*[b" " * 4096] * 6, b"never read")[:-1]
    for headers in ([], [(b"content-length", b"10")]):
        begin, _ = exchange(client, endless, headers=headers)
        assert begin["status"] == 413
    assert client.post("/report", content=b" " * (LIMIT + 1)).status_code == 413


def test_a_body_of_exactly_the_limit_is_taken(start: StartApp) -> None:
    client = start(max_body_bytes=len(report_body()) + 5)
    assert client.post("/report", content=report_body() + b" " * 5).status_code == 204
    assert client.post("/report", content=report_body() + b" " * 6).status_code == 413


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "nonsense"])
def test_a_content_encoding_is_415(client: TestClient, coding: str) -> None:
    problem_of(client.post("/report", content=report_body(), headers={"content-encoding": coding}), 415)


@pytest.mark.parametrize("coding", ["identity", "IDENTITY", ""])
def test_no_content_encoding_may_be_said_in_words(client: TestClient, coding: str) -> None:
    response = client.post("/report", content=report_body(), headers={"content-encoding": coding})
    assert response.status_code == 204


def test_a_host_without_a_policy_is_404_where_the_setting_says_so(start: StartApp) -> None:
    client = start(unknown_hosts="reject")
    problem = problem_of(client.post("/report", content=report_body()), 404)
    assert problem["title"] == "No policy for this host"
    client.put(f"/api/v1/hosts/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
    assert client.post("/report", content=report_body()).status_code == 204


def test_over_a_limit_is_204_and_counted_as_overflow(start: StartApp) -> None:
    client = start(max_new_violations_per_day=1)
    assert client.post("/report", content=report_body()).status_code == 204
    assert client.post("/report", content=report_body(port=8443)).status_code == 204
    assert _reports(client) == 1
    assert metric_of(client, 'hpkp_overflow_reports_total{reason="host_and_day"}') == 1


@pytest.mark.parametrize("label", ["a", "web.eu-1_x~", "L" * 64])
def test_a_label_is_kept_with_the_report(client: TestClient, label: str) -> None:
    assert client.post(f"/report/{label}", content=report_body()).status_code == 204
    (report,) = client.get("/api/v1/violations/1/reports").json()["items"]
    assert report["label"] == label


@pytest.mark.parametrize("label", ["L" * 65, "a/b", "a%20b", "a%00", "%C3%A9", "a%0Ab", "a%2Fb", "web/"])
def test_a_label_of_anything_else_is_400(client: TestClient, label: str) -> None:
    problem = problem_of(client.post(f"/report/{label}", content=report_body()), 400)
    assert "label" in problem["detail"]
    assert _reports(client) == 0


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", "report-only"),
        ("?mode=enforce", "enforce"),
        ("?mode=report-only", "report-only"),
        ("?other=1", "report-only"),
    ],
)
def test_the_mode_of_the_query_goes_before_what_the_report_says(client: TestClient, query: str, mode: str) -> None:
    client.post(f"/report{query}", content=report_body())
    assert client.get("/api/v1/violations/1").json()["mode"] == mode


def test_where_nobody_says_the_mode_the_policy_does(client: TestClient) -> None:
    silent = report_body(effective_expiration_date=None)
    client.put(f"/api/v1/hosts/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}], "mode": "enforce"})
    client.post("/report", content=silent)
    assert client.get("/api/v1/violations/1").json()["mode"] == "enforce"


@pytest.mark.parametrize("query", ["mode=Enforce", "mode=%00", "mode=enforce&mode=x", "mode=%ff", "mode=report_only"])
def test_another_mode_is_400(client: TestClient, query: str) -> None:
    problem = problem_of(client.post(f"/report?{query}", content=report_body()), 400)
    assert "mode" in problem["detail"]


def test_the_same_bytes_again_are_204_and_counted_once(client: TestClient) -> None:
    assert [client.post("/report", content=report_body()).status_code for _ in range(3)] == [204] * 3
    assert _reports(client) == 1
    assert counted(client)[Outcome.ACCEPTED] == 3
    assert metric_of(client, 'hpkp_folded_reports_total{result="duplicate"}') == 2
    assert from_elsewhere(client, "203.0.113.9").post("/report", content=report_body()).status_code == 204
    assert _reports(client) == 2


def test_a_sender_that_goes_away_is_answered_nothing_and_nothing_is_stored(client: TestClient) -> None:
    half = chunks(report_body()[:2000], b"")[:1]
    assert exchange(client, [*half, DISCONNECT]) == []
    assert exchange(client, [DISCONNECT]) == []
    assert _reports(client) == 0


def test_many_reports_of_one_violation_make_one_item(client: TestClient) -> None:
    for body in distinct_bodies(5):
        assert client.post("/report", content=body).status_code == 204
    (violation,) = client.get("/api/v1/violations").json()["items"]
    assert (violation["reports"], violation["clients"]) == (5, 1)
