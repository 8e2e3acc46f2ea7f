"""The list of violations: merged, searched, sorted, paged, and changed many at a time; the list of hosts likewise."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.service import now
from tests.support.api.answers import problem_of
from tests.support.application import StartApp, TestClient, from_elsewhere, service_of
from tests.support.reports import HOST, distinct_bodies, report_body, site
from tests.support.web.markup import read, token_of, words_of
from tests.support.web.proxies import WORKS, app_report, proxied, proxy

_SITE = (site().leaf, site().intermediate, site().root)
POLICY = {"pins": [{"sha256": site().root.pin}, {"sha256": proxy("backup").pin}]}


def _report(client: TestClient, *bodies: bytes) -> None:
    for body in bodies:
        assert client.post("/report", content=body).status_code == 204


def _rows(client: TestClient, path: str = "/violations", **query: Any) -> list[str]:
    """Return the text of each row of the list."""
    page = client.get(path, params=query or None)
    assert page.status_code == 200, page.text
    table = page.text.partition('<table class="stack violations">')[2].partition("<tbody>")[2].partition("</table>")[0]
    rows = [unescape(re.sub(r"<[^>]+>", " ", row)) for row in table.split("<tr>")[1:]]
    return [" ".join(row.split()) for row in rows]


@contextmanager
def _counting(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that are executed within the block."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.both_databases
def test_fifty_leaves_of_one_proxy_are_one_row_that_opens(visitor: TestClient) -> None:
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).is_success
    _report(visitor, *proxied(50), *proxied(2, name="School District Gateway"), report_body())
    rows = _rows(visitor)
    assert len(rows) == 3
    [merged] = [row for row in rows if "Example Works Proxy" in row]
    assert "private_root" in merged
    assert "50 violations" in merged
    assert "Show all 50" in merged
    page = read(visitor.get("/violations"))
    opened = [link for link in page.links if "merge=no" in link and "issuer=" in link and "Works" in link]
    assert len(_rows(visitor, opened[0])) == 25
    assert "Page 1 of 2" in words_of(visitor.get(opened[0]))
    assert len(_rows(visitor, merge="no")) == 25
    assert "Rows 1 to 25 of 53: 53 violations, at least 53 reports." in words_of(visitor.get("/violations?merge=no"))


@pytest.mark.both_databases
def test_the_rows_of_subdomains_name_what_distinguishes_them(visitor: TestClient) -> None:
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY | {"include_subdomains": True}).is_success
    _report(visitor, *(body for n in range(3) for body in proxied(1, host=f"h{n}.{HOST}")))
    rows = _rows(visitor, merge="no", sort="first")
    assert {row.partition("private_root ")[2].partition(" ")[0] for row in rows} == {f"h{n}.{HOST}" for n in range(3)}
    [merged] = _rows(visitor)
    assert f"h0.{HOST} and others" in merged


@pytest.mark.both_databases
def test_the_most_severe_come_first_and_closed_ones_last(visitor: TestClient) -> None:
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).is_success
    _report(visitor, *proxied(1), *distinct_bodies(3), *distinct_bodies(2, validated=[site().leaf.pem], served=[]))
    by_id = {item["id"]: item for item in visitor.get("/api/v1/violations").json()["items"]}
    [proxied_one] = [id_ for id_, item in by_id.items() if item["cause"] == "private_root"]
    impacts = [re.search(r" (blocker|warning|info|none) (yes|no|unknown|some) ", row) for row in _rows(visitor)]
    order = [found[1] for found in impacts if found]
    assert order == sorted(order, key=["blocker", "warning", "info", "none"].index)
    assert visitor.patch(f"/api/v1/violations/{proxied_one}", json={"status": "expected"}).is_success
    assert "private_root" in _rows(visitor)[-1]
    assert " none " in _rows(visitor)[-1]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "works PROXY"}, 2), ({"q": "www.EXAMPLE"}, 3), ({"q": "private_root"}, 2), ({"q": "100%"}, 0),
        ({"q": "a note"}, 1), ({"q": "1"}, 1), ({"q": "9" * 30}, 0), ({"host": HOST}, 3), ({"host": "none.test"}, 0),
        ({"impact": "caution"}, 2), ({"status": "acknowledged"}, 1), ({"since": "2999-01-01"}, 0),
        ({"until": "2000-01-01"}, 0), ({"cause": "private_root", "sender": "trustkit-apple"}, 2), ({"app": "none"}, 0),
    ],
)  # fmt: skip
def test_a_search_and_filters_narrow_the_list(visitor: TestClient, query: dict[str, str], found: int) -> None:
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).is_success
    _report(visitor, *proxied(2), report_body())
    ids = [item["id"] for item in visitor.get("/api/v1/violations?cause=private_root").json()["items"]]
    change = {"status": "acknowledged", "note": "a note"}
    assert visitor.patch(f"/api/v1/violations/{max(ids)}", json=change).is_success
    rows = _rows(visitor, merge="no", **query)
    if query != {"q": "1"}:
        assert len(rows) == found
    else:  # the number of a violation; digits are in host names and issuers too
        assert any("violation 1 " in f"{row} " for row in rows)


@pytest.mark.both_databases
def test_a_pin_and_a_fingerprint_find_the_violations_whose_chains_contain_them(visitor: TestClient) -> None:
    _report(visitor, *proxied(2), report_body())
    for text in (proxy(WORKS).pin, f'pin-sha256="{proxy(WORKS).pin}"'):
        assert len(_rows(visitor, merge="no", q=text)) == 2
    shown = visitor.get("/api/v1/violations/1").json()["validated_chain"][0]["sha256"]
    assert len(_rows(visitor, merge="no", q=shown)) == 1
    assert len(_rows(visitor, merge="no", q=":".join(re.findall("..", shown.upper())))) == 1


@pytest.mark.both_databases
def test_every_order_pages_through_all_rows_once(visitor: TestClient) -> None:
    _report(visitor, *proxied(30))
    for order in ("severity", "last", "first", "reports", "clients", "host"):
        seen = [row for page in (1, 2) for row in _rows(visitor, merge="no", sort=order, page=page)]
        assert len(seen) == len(set(seen)) == 30, order
    assert _rows(visitor, merge="no", page=3) == []


@pytest.mark.both_databases
def test_many_violations_are_changed_after_one_question(visitor: TestClient) -> None:
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).is_success
    _report(visitor, *proxied(12), report_body())
    page = visitor.get("/violations", params={"cause": "private_root"})
    [chosen] = re.findall(r'name="chosen" value="(\d+)"', page.text)
    [target] = re.findall(r'action="(/violations/status[^"]*)"', page.text)
    fields = {"form_token": token_of(page), "action": "choose", "chosen": chosen}
    question = visitor.post(unescape(target), data=fields)
    assert "Change 12 violations" in words_of(question)
    assert {item["status"] for item in visitor.get("/api/v1/violations").json()["items"]} == {"open"}
    [ids] = re.findall(r'name="ids" value="([\d,]+)"', question.text)
    change = {"action": "change", "ids": ids, "status": "expected", "note": "our own proxy"}
    answer = visitor.post(unescape(target), data=change | {"form_token": token_of(question)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/violations?cause=private_root&changed=12")
    assert "12 violations changed." in words_of(visitor.get(answer.headers["location"]))
    items = visitor.get("/api/v1/violations?cause=private_root").json()["items"]
    assert {(item["status"], item["note"]) for item in items} == {("expected", "our own proxy")}
    assert visitor.get("/api/v1/violations?status=open").json()["items"] != []


def test_all_that_match_are_chosen_by_a_button_and_notes_stay_without_a_new_one(visitor: TestClient) -> None:
    _report(visitor, *proxied(40))
    assert visitor.patch("/api/v1/violations/3", json={"note": "of the third"}).is_success
    page = visitor.get("/violations?merge=no")
    fields = {"form_token": token_of(page), "action": "choose", "everything": "yes"}
    question = visitor.post("/violations/status?merge=no", data=fields)
    [ids] = re.findall(r'name="ids" value="([\d,]+)"', question.text)
    change = {"form_token": token_of(question), "action": "change", "ids": ids, "status": "ignored", "note": ""}
    assert visitor.post("/violations/status?merge=no", data=change).status_code == 303
    assert visitor.get("/api/v1/violations/3").json()["note"] == "of the third"
    assert visitor.get("/api/v1/violations?status=open").json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "choose"}, 422), ({"action": "choose", "chosen": "x"}, 422), ({"action": "none"}, 422),
        ({"action": "change", "ids": "", "status": "open"}, 422), ({"action": "change", "ids": "1"}, 422),
        ({"action": "change", "ids": "1,999", "status": "resolved"}, 404),
        ({"action": "change", "ids": "1", "status": "gone"}, 422),
        ({"action": "change", "ids": ",".join(map(str, range(1, 1002))), "status": "open"}, 422),
    ],
)  # fmt: skip
def test_a_change_that_is_none_changes_nothing(visitor: TestClient, fields: dict[str, str], status: int) -> None:
    _report(visitor, report_body())
    token = token_of(visitor.get("/violations"))
    assert visitor.post("/violations/status", data=fields | {"form_token": token}).status_code == status
    assert visitor.get("/api/v1/violations/1").json()["status"] == "open"


def test_the_api_changes_many_or_none(client: TestClient) -> None:
    _report(client, *proxied(3))
    body = {"ids": [1, 2, 2, 3], "status": "expected", "note": "ours"}
    assert client.patch("/api/v1/violations", json=body).json() == {"status": "expected", "changed": 3}
    problem_of(client.patch("/api/v1/violations", json={"ids": [1, 99], "status": "open"}), 404)
    for wrong in ({"ids": [], "status": "open"}, {"ids": [1]}, {"ids": list(range(1, 1002)), "status": "open"}):
        problem_of(client.patch("/api/v1/violations", json=wrong), 422)
    items = client.get("/api/v1/violations").json()["items"]
    assert {(item["status"], item["note"]) for item in items} == {("expected", "ours")}


@pytest.mark.parametrize("path", ["/", "/violations", "/violations?merge=no&sort=clients&q=example"])
def test_the_number_of_statements_does_not_grow_with_hosts_or_violations(start: StartApp, path: str) -> None:
    client = start(max_new_violations_per_network=1000, max_new_violations_per_network_and_host=1000)
    client.headers["accept"] = "text/html"
    service = service_of(client)
    counts = []
    for hosts in (2, 30):
        for number in range(hosts):
            name = f"h{number:02}.example"
            assert client.put(f"/api/v1/hosts/{name}/policy", json=POLICY).is_success
            _report(client, *proxied(2, host=name))
            service.readiness.record(name, at=now())
        assert client.get(path).status_code == 200
        with _counting(service.engine) as statements:
            assert client.get(path).status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] < 20


@pytest.mark.both_databases
def test_hosts_are_found_by_search_verdict_and_order(visitor: TestClient) -> None:
    for name in ("a.test", "b.test", "c.test"):
        assert visitor.put(f"/api/v1/hosts/{name}/policy", json=POLICY).is_success
    _report(visitor, *(body for n in range(4) for body in proxied(1, name=f"p{n}", host="b.test")))
    _report(visitor, *proxied(1, host="d.test"))
    service = service_of(visitor)
    assert "4 hosts" in words_of(visitor.get("/"))
    for name in ("a.test", "b.test", "c.test"):
        service.readiness.record(name, at=now())
    assert visitor.delete("/api/v1/hosts/c.test/policy").is_success

    def hosts(**query: str) -> list[str]:
        return re.findall(r'<th scope="row"><a href="/hosts/([a-z.]+)"', visitor.get("/", params=query).text)

    assert hosts(sort="name") == ["a.test", "b.test", "c.test", "d.test"]
    assert hosts(sort="reports")[:2] == ["b.test", "d.test"]
    assert hosts(sort="last")[0] == "d.test"
    assert hosts()[-2:] == ["d.test", "c.test"]
    assert hosts(q="B.te") == ["b.test"]
    assert hosts(verdict="no_policy") == ["d.test", "c.test"]
    assert hosts(q="none") == []
    assert "No host matches" in words_of(visitor.get("/?q=%25"))


@pytest.mark.both_databases
def test_a_host_is_deleted_with_its_data_after_its_name_was_typed(visitor: TestClient) -> None:
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).is_success
    _report(visitor, *proxied(3), report_body(), *proxied(1, host="other.test"))
    page = visitor.get(f"/hosts/{HOST}/delete")
    assert "4 violations with at least 4 reports" in words_of(page)
    wrong = visitor.post(f"/hosts/{HOST}/delete", data={"form_token": token_of(page), "confirm": "other.test"})
    assert "Nothing was deleted" in words_of(wrong, 422)
    assert visitor.get(f"/api/v1/hosts/{HOST}/policy").is_success
    answer = visitor.post(f"/hosts/{HOST}/delete", data={"form_token": token_of(page), "confirm": HOST.upper()})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/?deleted={HOST}")
    assert f"{HOST} and its data are deleted." in words_of(visitor.get(answer.headers["location"]))
    problem_of(visitor.get(f"/api/v1/hosts/{HOST}/policy", headers={"accept": "*/*"}), 404)
    assert [item["host"] for item in visitor.get("/api/v1/violations").json()["items"]] == ["other.test"]
    [event_] = visitor.get("/api/v1/events?kind=host_deleted").json()["items"]
    assert event_["host"] is None
    assert event_["text"].startswith(f"{HOST} was deleted with 4 violations, 4 reports and 1 policy revision")
    _report(visitor, report_body(port=9))
    assert visitor.get(f"/api/v1/hosts/{HOST}/policy").status_code == 404
    assert len(_rows(visitor, host=HOST)) == 1


def test_the_api_deletes_a_host_whose_name_is_repeated(client: TestClient) -> None:
    assert client.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).is_success
    for query in ("", "?confirm=other.test", "?confirm="):
        problem_of(client.delete(f"/api/v1/hosts/{HOST}{query}"), 422)
    deleted = client.delete(f"/api/v1/hosts/{HOST}?confirm={HOST}")
    assert deleted.json()["policy_revisions"] == 1
    problem_of(client.delete(f"/api/v1/hosts/{HOST}?confirm={HOST}"), 404)


def test_who_may_only_read_is_offered_no_change(visitor: TestClient) -> None:
    _report(visitor, report_body())
    token = service_of(visitor).tokens.make("reader", "read")
    reader = from_elsewhere(visitor, "203.0.113.9", authorization=f"Bearer {token}", accept="text/html")
    page = reader.get("/violations").text
    assert "<table" in page
    assert 'name="chosen"' not in page
    assert "token of scope admin" in words_of(reader.get(f"/hosts/{HOST}/delete"))
    for path in ("/violations/status", f"/hosts/{HOST}/delete"):
        assert reader.post(path, data={"action": "choose", "chosen": "1"}).status_code == 403


def test_a_violation_offers_its_pin_with_a_replay(visitor: TestClient) -> None:
    # Only the intermediate of another chain is pinned: the site's own path has none of the pins.
    pins = {"pins": [{"sha256": proxy("one").pin}, {"sha256": proxy("two").pin}], "own_keys": [site().leaf.pin]}
    assert visitor.put(f"/api/v1/hosts/{HOST}/policy", json=pins).is_success
    _report(visitor, app_report(_SITE, known=proxy("one").pin))
    page = visitor.get("/violations/1")
    text = words_of(page)
    assert "own_key_not_pinned" in text
    assert f"Deploy a certificate with a pinned key there, or add this pin to the policy: {site().leaf.pin}" in text
    [replay] = [unescape(link) for link in read(page).links if "replay=" in link]
    replayed = words_of(visitor.get(replay))
    assert "Effect of adding this pin" in replayed
    assert "no longer locked out 1 1" in replayed
    [edit, *_] = [link for link in read(page).links if "/policy?add=" in link]
    assert site().leaf.pin in visitor.get(edit).text
    assert visitor.get("/violations/1?replay=nonsense").status_code == 200
    assert len(visitor.get(f"/api/v1/hosts/{HOST}/policy").json()["pins"]) == 2


def test_a_violation_shows_whom_it_affects(visitor: TestClient) -> None:
    for number, version in enumerate(("4.1", "4.1", "4.2")):
        _report(visitor, app_report(_SITE, version=version, number=number))
    text = words_of(visitor.get("/violations/1"))
    assert "At least 3 reports from at least 1 client in 1 network" in text
    assert "com.example.shop 4.1 2 67% com.example.shop 4.2 1 33%" in text


def test_a_decision_on_many_counts_their_networks_once(client: TestClient) -> None:
    _report(client, *proxied(12))
    assert len(client.get("/api/v1/violations").json()["items"]) == 12
    with _counting(service_of(client).engine) as statements:
        answer = client.patch("/api/v1/violations", json={"ids": list(range(1, 13)), "status": "ignored"})
    assert answer.json()["changed"] == 12
    assert sum("FROM violation_networks" in statement for statement in statements) == 1
