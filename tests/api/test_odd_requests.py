"""Odd ids, moments, cursors, limits, methods and bodies: what each of them gets, exactly, and that none is a fault."""

from typing import Any
from urllib.parse import quote

import pytest

from app.main import create_app
from app.settings import Settings
from tests.support.api.answers import problem_of
from tests.support.application import TestClient
from tests.support.reports import HOST, report_body, site

BIG = 10**30
LARGEST = 2**63 - 1
NAMES = {
    "host": HOST,
    "violation_id": 1,
    "report_id": 1,
    "sha256": "0" * 64,
    "label": "web",
    "date": "2026-11-01",
    "app": "com.example.app",
    "version": "1.0",
}
TEXTS = ["%00", "a%00b", "%ff%fe", "%ed%a0%80", "%", "%zz", "a%0d%0ab", quote("🔑"), "x" * 5000, quote("' OR 1=1 --")]
DOCUMENT: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()
POLICY, VIOLATIONS = f"/api/v1/hosts/{HOST}/policy", "/api/v1/violations"


def _asked_for(*names: str) -> list[tuple[str, str]]:
    """Return every path that takes one of these parameters in its query, with the parameter."""
    return [
        (path.format_map(NAMES), parameter["name"])
        for path, item in DOCUMENT["paths"].items()
        for parameter in item.get("get", {}).get("parameters", ())
        if parameter["in"] == "query" and parameter["name"] in names
    ]


OVERFLOW = "/api/v1/overflow"
WINDOWED = [path for path, _ in _asked_for("since") if path != OVERFLOW]
"""Overflow is counted by whole days, in windows of up to a year."""
LISTS = [path for path, _ in _asked_for("limit")]


@pytest.fixture
def stocked(client: TestClient) -> TestClient:
    """Return a client of a service that has one of everything."""
    client.put(POLICY, json={"pins": [{"sha256": site().root.pin}]})
    for body in (b"no report", report_body()):  # what is rejected is written no later than a report after it
        client.post("/report", content=body)
    return client


def _count(response: Any) -> int:
    """Return how many items a page has, how many lines an export, or how many reports a summary counts."""
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == "application/x-ndjson":
        return len(response.text.splitlines())
    found = response.json()
    return len(found["items"]) if "items" in found else int(found["totals"]["reports"])


def test_the_document_still_tells_which_paths_are_lists_and_which_have_a_window() -> None:
    assert {VIOLATIONS, f"/api/v1/hosts/{HOST}/summary"} <= set(WINDOWED)
    assert {VIOLATIONS, "/api/v1/hosts", "/api/v1/rejections", "/api/v1/events"} <= set(LISTS)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_the_methods_that_a_path_allows_are_those_of_the_document(client: TestClient, path: str) -> None:
    documented = {method.upper() for method in DOCUMENT["paths"][path]}
    if path.startswith("/report"):
        documented.add("OPTIONS")
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - documented:
        response = client.request(method, path.format_map(NAMES))
        problem_of(response, 405)
        assert set(response.headers["allow"].split(", ")) == documented


@pytest.mark.parametrize("path", LISTS)
def test_a_slash_at_the_end_leads_to_the_path_without_it(stocked: TestClient, path: str) -> None:
    response = stocked.get(path + "/")
    assert (response.status_code, response.headers["location"]) == (307, f"http://127.0.0.1:8000{path}")


@pytest.mark.parametrize("id_", ["0", "-1", str(LARGEST + 1), str(BIG), "1.5", "1e3", "one", "1%00", "٣", "0x1"])
def test_what_is_no_id_is_422_with_its_place(stocked: TestClient, id_: str) -> None:
    for path, name in (("violations/{}", "violation_id"), ("violations/{}/reports", "violation_id"),
                       ("reports/{}", "report_id")):  # fmt: skip
        assert problem_of(stocked.get(f"/api/v1/{path.format(id_)}"), 422)["pointer"] == f"/path/{name}"
    problem_of(stocked.patch(f"{VIOLATIONS}/{id_}", json={"note": ""}), 422)


def test_the_largest_id_is_not_found(stocked: TestClient) -> None:
    for path in ("violations/{}", "violations/{}/reports", "reports/{}"):
        problem_of(stocked.get(f"/api/v1/{path.format(LARGEST)}"), 404)
    problem_of(stocked.patch(f"{VIOLATIONS}/{LARGEST}", json={"note": ""}), 404)


_WORDS = ("cause", "status", "sender", "mode", "app", "app_version", "platform", "label", "outcome", "kind")


@pytest.mark.parametrize(("path", "name"), _asked_for(*_WORDS))
def test_odd_texts_to_look_for_are_not_found(stocked: TestClient, path: str, name: str) -> None:
    assert _count(stocked.get(path)) > 0
    for text in TEXTS:
        assert _count(stocked.get(f"{path}?{name}={text}")) == 0, text


@pytest.mark.parametrize(
    ("moment", "past"),
    [
        ("0001-01-01T00:00:00Z", True),
        ("0001-01-01T00:00:00+14:00", True),
        ("1969-12-31T23:59:59Z", True),
        ("9999-12-31T23:59:59.999999Z", False),
        ("9999-12-31T23:59:59-14:00", False),
    ],
)
@pytest.mark.parametrize("path", WINDOWED)
def test_an_absurd_moment_bounds_a_window(stocked: TestClient, path: str, moment: str, past: bool) -> None:
    assert _count(stocked.get(path, params={"since": moment})) == (1 if past else 0)
    assert _count(stocked.get(path, params={"until": moment})) == (0 if past else 1)


def test_an_absurd_window_of_overflow_is_empty_or_refused(client: TestClient) -> None:
    for moment in ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        answer = client.get(OVERFLOW, params={"until": moment})
        assert answer.status_code == 422 or _count(answer) == 0
        assert problem_of(client.get(OVERFLOW, params={"since": moment}), 422)["pointer"] == "/query/since"


@pytest.mark.parametrize(
    "moment",
    [
        "2026-06-01T12:00:00", "2026-06-01", "0", "0.5", "1700000000", "1e400", "NaN", str(BIG), "yesterday",
        "2026-02-30T00:00:00Z", "%00", "2026-06-01T12:00:00+25:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", WINDOWED)
def test_no_moment_or_one_without_a_zone_is_422_with_its_place(stocked: TestClient, path: str, moment: str) -> None:
    for name in ("since", "until"):
        assert problem_of(stocked.get(path, params={name: moment}), 422)["pointer"] == f"/query/{name}"


@pytest.mark.parametrize("path", WINDOWED)
def test_all_of_time_is_a_window_and_a_window_turned_round_is_empty(stocked: TestClient, path: str) -> None:
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
    assert _count(stocked.get(path, params={"since": first, "until": last})) == 1
    assert _count(stocked.get(path, params={"since": last, "until": first})) == 0


@pytest.mark.parametrize("cursor", ["-1", "1.1.1", ".", "9" * 19, str(BIG), "x", "", " ", "٣", "1.x", "9" * 5000])
@pytest.mark.parametrize("path", [path for path in LISTS if path != "/api/v1/hosts"])
def test_what_is_no_cursor_is_422_with_its_place(stocked: TestClient, path: str, cursor: str) -> None:
    assert problem_of(stocked.get(path, params={"cursor": cursor}), 422)["pointer"] == "/query/cursor"


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_behind_the_last_item_makes_an_empty_page(stocked: TestClient, path: str) -> None:
    cursor = {"/api/v1/hosts": "\U0010ffff", VIOLATIONS: "0.0"}.get(path, "0")
    assert stocked.get(path, params={"cursor": cursor}).json() == {"items": [], "next": None}


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_before_the_first_item_makes_the_first_page(stocked: TestClient, path: str) -> None:
    huge = "9" * 18
    cursor = {"/api/v1/hosts": "!", VIOLATIONS: f"{huge}.{huge}"}.get(path, huge)
    page = stocked.get(path, params={"cursor": cursor}).json()
    assert page == stocked.get(path).json()
    assert page["items"]


@pytest.mark.parametrize("limit", ["0", "-1", "501", str(BIG), "1.5", "all", ""])
@pytest.mark.parametrize("path", LISTS)
def test_a_limit_out_of_its_bounds_is_422_with_its_place(stocked: TestClient, path: str, limit: str) -> None:
    assert problem_of(stocked.get(path, params={"limit": limit}), 422)["pointer"] == "/query/limit"


_NO_JSON = [b"\xff", b"[" * 100_000, b'{"pins": ' + b"1" * 5000 + b"}"]
_NOT_MEANT = [
    b"", b"null", b"[]", b"7", b'"text"', b"{", b"\x00", b'{"pins": NaN}', b'{"pins": "\xed\xa0\x80"}',
    b'{"note": "\\ud800"}', b'{"pins": [{"sha256": "\\ud800"}]}', b'{"header": "\\ud800"}', b'{"status": "\\u0000"}',
]  # fmt: skip


@pytest.mark.parametrize("body", [*_NO_JSON, *_NOT_MEANT], ids=lambda body: repr(body[:30]))
def test_an_odd_body_changes_nothing(stocked: TestClient, body: bytes) -> None:
    before = stocked.get(POLICY).json(), stocked.get(f"{VIOLATIONS}/1").json()
    for method, path in (("PUT", POLICY), ("PATCH", f"{VIOLATIONS}/1")):
        response = stocked.request(method, path, content=body, headers={"content-type": "application/json"})
        problem_of(response, 400 if body in _NO_JSON else 422)
    assert (stocked.get(POLICY).json(), stocked.get(f"{VIOLATIONS}/1").json()) == before
