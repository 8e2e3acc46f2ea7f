"""Policies over HTTP: set, shown, withdrawn, with every revision kept; and where a wrong one is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.api.answers import problem_of
from tests.support.application import TestClient
from tests.support.authority import make_root
from tests.support.reports import HOST, report_body, site

URL = f"/api/v1/hosts/{HOST}/policy"
LIVE, BACKUP = site().root.pin, make_root("Backup").pin
PINS = [{"sha256": LIVE, "label": "live"}, {"sha256": BACKUP, "label": "in the safe"}]


def _put(client: TestClient, url: str = URL, **policy: Any) -> dict[str, Any]:
    """Set a policy and return it as stored; the few violations of these tests are all judged by it at once."""
    response = client.put(url, json=policy)
    assert response.status_code == 200, response.text
    stored: dict[str, Any] = response.json()
    assert stored.pop("violations_to_reevaluate") == 0
    return stored


def _revisions(client: TestClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"{URL}/revisions").json()["items"]
    return items


def test_a_policy_is_shown_as_it_was_set(client: TestClient) -> None:
    stored = _put(
        client, pins=PINS, include_subdomains=True, max_age=300, mode="enforce",
        report_uri="https://r.example.net/report", own_keys=[BACKUP], effective_from="2026-01-01T01:00:00+01:00",
    )  # fmt: skip
    assert stored == {
        "host": HOST, "revision": 1, "pins": PINS, "include_subdomains": True, "max_age": 300, "mode": "enforce",
        "report_uri": "https://r.example.net/report", "own_keys": [BACKUP], "effective_from": "2026-01-01T00:00:00Z",
        "withdrawn": False,
        "header": f'pin-sha256="{LIVE}"; pin-sha256="{BACKUP}"; max-age=300; includeSubDomains; '
        'report-uri="https://r.example.net/report"',
    }  # fmt: skip
    assert client.get(URL).json() == stored
    assert _revisions(client) == [stored]


def test_the_header_as_it_is_served_makes_the_same_policy(client: TestClient) -> None:
    by_parts = _put(client, pins=[{"sha256": LIVE}, {"sha256": BACKUP}], max_age=300, include_subdomains=True)
    by_header = _put(client, header=by_parts["header"])
    assert by_header == by_parts, "the same policy again makes no new revision"


def test_members_beside_the_header_go_before_what_it_says(client: TestClient) -> None:
    header = f'pin-sha256="{LIVE}"; max-age=300; includeSubDomains; report-uri="https://a.example/"'
    stored = _put(client, header=header, max_age=0, include_subdomains=False, report_uri="https://b.example/")
    assert (stored["max_age"], stored["include_subdomains"], stored["report_uri"]) == (0, False, "https://b.example/")


@pytest.mark.parametrize("form", ['pin-sha256="{}"', "sha256/{}", "pin-sha256='{}'", " {} "])
def test_pins_are_read_in_every_form_and_shown_bare(client: TestClient, form: str) -> None:
    assert _put(client, pins=[{"sha256": form.format(LIVE)}])["pins"] == [{"sha256": LIVE, "label": ""}]


def test_another_policy_is_a_new_revision_and_the_same_again_is_none(client: TestClient) -> None:
    numbers = [_put(client, pins=pins)["revision"] for pins in (PINS, PINS, PINS[:1], PINS[:1], PINS)]
    assert numbers == [1, 1, 2, 2, 3]
    assert [revision["revision"] for revision in _revisions(client)] == [3, 2, 1]


def test_the_same_pins_under_other_labels_are_a_new_revision(client: TestClient) -> None:
    _put(client, pins=PINS)
    assert _put(client, pins=[{"sha256": pin["sha256"]} for pin in PINS])["revision"] == 2


def test_a_policy_of_the_past_enters_history_behind_the_one_in_force(client: TestClient) -> None:
    client.post("/report", content=report_body(known_pins=[BACKUP]))
    now = _put(client, pins=[{"sha256": LIVE}])
    assert client.get("/api/v1/violations/1").json()["cause"] == "foreign_pins"
    past = _put(client, pins=[{"sha256": BACKUP}], effective_from="2020-01-01T00:00:00Z")
    assert past["revision"] == 2
    assert client.get(URL).json() == now
    assert client.get("/api/v1/violations/1").json()["cause"] == "stale_known_pins"


def test_a_policy_of_the_future_is_refused_with_the_place(client: TestClient) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    problem = problem_of(client.put(URL, json={"pins": PINS, "effective_from": tomorrow}), 422)
    assert "future" in problem["detail"]
    problem_of(client.get(URL), 404)


@pytest.mark.parametrize(
    "when",
    [
        "2026-01-01T00:00:00", "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59Z", "never", "", "2026-02-30T00:00:00Z", 1e30, -1e30, True, [],
    ],
)  # fmt: skip
def test_a_date_that_is_none_is_422_and_leaves_no_revision(client: TestClient, when: object) -> None:
    problem_of(client.put(URL, json={"pins": PINS, "effective_from": when}), 422)
    problem_of(client.get(f"{URL}/revisions"), 404)


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00-14:00", "1969-12-31T23:59:59.999999Z"])
def test_a_date_of_long_ago_is_taken_and_can_be_read_again(client: TestClient, when: str) -> None:
    stored = _put(client, pins=PINS, effective_from=when)
    assert client.get(URL).json()["header"] == stored["header"]
    assert client.get(f"/api/v1/hosts/{HOST}/readiness").status_code == 200
    assert client.post("/report", content=report_body()).status_code == 204


def _wrong() -> list[tuple[dict[str, Any], str]]:
    pin = {"sha256": LIVE}
    return [
        ({}, "/pins"),
        ({"pins": [pin], "header": f'pin-sha256="{LIVE}"'}, "/pins"),
        ({"pins": [pin, {"sha256": "A" * 40}]}, "/pins/1/sha256"),
        ({"pins": [{"sha256": LIVE[:-1]}]}, "/pins/0/sha256"),
        ({"pins": [pin, pin]}, "/pins"),
        ({"pins": [{}]}, "/pins/0/sha256"),
        ({"pins": "none"}, "/pins"),
        ({"pins": [pin] * 65}, "/pins"),
        ({"pins": [pin], "own_keys": [LIVE, "-"]}, "/own_keys/1"),
        ({"pins": [pin], "max_age": -1}, "/max_age"),
        ({"pins": [pin], "max_age": 10**30}, "/max_age"),
        ({"pins": [pin], "max_age": "soon"}, "/max_age"),
        ({"pins": [pin], "mode": "off"}, "/mode"),
        ({"pins": [pin], "effective_from": "2026-01-01T00:00:00"}, "/effective_from"),
        ({"header": "max-age=5"}, "/header"),
        ({"header": 'pin-sha256="x"; max-age=5'}, "/header"),
        ({"header": "\x00"}, "/header"),
        ({"pins": [pin], "pin": []}, "/pin"),
        ({"pins": [pin], "a/b~c": []}, "/a~1b~0c"),
    ]


@pytest.mark.parametrize(("policy", "pointer"), _wrong(), ids=range(len(_wrong())))  # the keys differ
def test_a_wrong_policy_is_422_with_a_pointer_into_the_body(
    client: TestClient, policy: dict[str, Any], pointer: str
) -> None:
    assert problem_of(client.put(URL, json=policy), 422)["pointer"] == pointer
    problem_of(client.get(f"{URL}/revisions"), 404)


def test_each_of_several_mistakes_has_its_pointer(client: TestClient) -> None:
    problem = problem_of(client.put(URL, json={"pins": [{}], "mode": "off"}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/pins/0/sha256", "/mode"]
    assert all(error["detail"] for error in problem["errors"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"\\ud800": 1}', b'{"header": "\\ud800"}'])
def test_a_body_that_is_no_policy_at_all_is_a_problem(client: TestClient, body: bytes) -> None:
    response = client.put(URL, content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    problem_of(response, response.status_code)


def test_a_withdrawn_policy_is_gone_and_its_revisions_stay(client: TestClient) -> None:
    _put(client, pins=PINS)
    response = client.delete(URL)
    assert (response.status_code, response.content) == (204, b"")
    problem_of(client.get(URL), 404)
    problem_of(client.delete(URL), 404)
    assert [(revision["revision"], revision["withdrawn"]) for revision in _revisions(client)] == [(2, True), (1, False)]
    assert _put(client, pins=PINS)["revision"] == 3


@pytest.mark.parametrize("path", ["", "/revisions"])
def test_a_host_without_a_policy_has_none_to_show(client: TestClient, path: str) -> None:
    problem_of(client.get(URL + path), 404)


@pytest.mark.parametrize(
    "spelling",
    ["WWW.EXAMPLE.COM", "www.example.com.", "Www.Example.Com.", "%77ww.example.com", "www%2Eexample%2Ecom"],
)
def test_a_host_is_the_same_however_it_is_spelt(client: TestClient, spelling: str) -> None:
    assert _put(client, f"/api/v1/hosts/{spelling}/policy", pins=PINS)["host"] == HOST
    assert client.get(URL).json()["revision"] == 1


def test_a_host_of_other_letters_is_kept_in_ascii(client: TestClient) -> None:
    stored = _put(client, "/api/v1/hosts/BÜCHER.example/policy", pins=PINS)
    assert stored["host"] == "xn--bcher-kva.example"
    assert client.get("/api/v1/hosts/xn--bcher-kva.example/policy").json() == stored


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "[2001:db8::1]", "2001:db8::1", "a..b", "-", "%20", "%00", "%FF", "a%2Fb"]
)
def test_what_cannot_be_pinned_is_refused(client: TestClient, host: str) -> None:
    response = client.put(f"/api/v1/hosts/{host}/policy", json={"pins": PINS})
    assert response.status_code in (404, 422)
    problem_of(response, response.status_code)


def test_a_new_policy_judges_what_was_reported_before(client: TestClient) -> None:
    client.post("/report", content=report_body())
    assert client.get("/api/v1/violations/1").json()["policy_revision"] is None
    _put(client, pins=PINS)
    judged = client.get("/api/v1/violations/1").json()
    assert (judged["cause"], judged["policy_revision"]) == ("matches_expected", 1)
    client.delete(URL)
    assert client.get("/api/v1/violations/1").json()["policy_revision"] is None


def test_a_policy_that_leaves_subdomains_out_can_be_set_over_reports_that_note_it(client: TestClient) -> None:
    client.post("/report", content=report_body(host="deep.www.example.com", noted=HOST))
    _put(client, pins=PINS, include_subdomains=False)
    assert client.get("/api/v1/violations/1").json()["host"] == "deep.www.example.com"


@pytest.mark.parametrize(
    ("noted", "subdomains", "answers"),
    [
        ("shop.example.com", True, "shop.example.com"),
        ("shop.example.com", False, "www.shop.example.com"),
        ("www.shop.example.com", True, "www.shop.example.com"),
        ("other.example.com", True, "www.shop.example.com"),
    ],
)
def test_a_report_belongs_to_the_policy_of_the_noted_host(
    client: TestClient, noted: str, subdomains: bool, answers: str
) -> None:
    shop, own = (f"/api/v1/hosts/{host}/policy" for host in ("shop.example.com", "www.shop.example.com"))
    _put(client, shop, pins=PINS, include_subdomains=subdomains)
    keys = [{"sha256": make_root(name).pin} for name in ("one", "another")]
    _put(client, own, pins=keys)
    below = noted != "www.shop.example.com"
    body = report_body(host="www.shop.example.com", noted=noted, known_pins=[LIVE, BACKUP], include_subdomains=below)
    assert client.post("/report", content=body).status_code == 204
    (violation,) = client.get("/api/v1/violations").json()["items"]
    assert violation["host"] == answers
    if answers == "shop.example.com":
        assert violation["cause"] == "matches_expected"
