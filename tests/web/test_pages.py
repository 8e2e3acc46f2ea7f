"""What stands on the pages, for a filled store and for an empty one; and that all of it is harmless."""

import re
import shlex
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import unescape
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.hpkp.judgement.causes import CAUSES, Cause
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.probe_result import Endpoint, Probe
from app.hpkp.readiness.words import title_of
from app.hpkp.x509.certificate import read_certificate
from app.main import create_app
from app.outcomes import Outcome
from app.service import now
from app.store.engine import writing
from app.web.routes import router
from tests.application import StartApp, TestClient, caller, service_of, settings_for
from tests.authority import pem_with
from tests.reports import report_body, site
from tests.test_docs import command_line
from tests.web.markup import read, token_of, words_of
from tests.web.stock import APP, HOST, HOSTILE_HOST, LONG, NAMES, sample_site

PAGES = (
    "/", "/login", f"/hosts/{HOST}", f"/hosts/{HOST}/history", f"/hosts/{HOST}/policy", f"/hosts/{HOST}/check",
    "/violations/1", "/reports/1",
    "/rejections", "/upkeep", "/docs", "/apps", f"/apps/{APP}", "/violations", f"/hosts/{HOST}/delete",
)  # fmt: skip
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def _violations(client: TestClient, **query: str) -> dict[str, int]:
    """Return the violations on the host's page, by cause, with their numbers."""
    page = client.get(f"/hosts/{HOST}", params={"merge": "no"} | query)
    assert page.status_code == 200, page.text
    table = page.text.partition('<table class="stack violations">')[2]
    found = re.findall(r'<a class="title" href="/violations/(\d+)">[^<]+</a>\s*<code class="code">(\w+)</code>', table)
    return {cause: int(number) for number, cause in found}


@pytest.mark.parametrize("path", [*PAGES, "/nothing-here", "/hosts/a..b", "/violations/x"])
def test_every_page_forbids_all_that_it_does_not_need(filled: TestClient, path: str) -> None:
    headers = filled.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well_formed_and_has_no_script_but_the_packaged_one(filled: TestClient, path: str) -> None:
    answer = filled.get(path)
    page = read(answer)
    assert {"style", "iframe", "object", "embed"}.isdisjoint(tag for tag, _ in page.tags)
    scripts = re.findall(r"<script[^>]*>[^<]*</script>", answer.text)
    assert len(scripts) == answer.text.count("<script") == (path != "/docs")
    assert all(re.fullmatch(r'<script src="/static/app\.js\?v=[0-9a-f]{12}" defer></script>', one) for one in scripts)
    assert not [(tag, name) for tag, attributes in page.tags for name in attributes if name.startswith(("on", "style"))]
    addresses = [value or "" for _, attributes in page.tags for name, value in attributes.items()
                 if name in ("src", "href", "action", "formaction")]  # fmt: skip
    elsewhere = [address for address in addresses if address[0] not in "/#"]
    assert all(re.fullmatch(r"https://crt\.sh/\?sha256=[0-9a-f]{64}", address) for address in elsewhere)
    assert not elsewhere or path.startswith("/violations/")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)


def test_the_list_of_pages_is_whole() -> None:
    patterns = {route.path for route in iter_route_contexts(router.routes) if "GET" in (route.methods or ())}
    sample = {"{host}": HOST, "{violation_id}": "1", "{report_id}": "1", "{app}": APP}
    downloads = {
        "/static/{name}", "/reports/{report_id}/body", "/certificates/{sha256}.pem", "/policy",
        "/violations/{violation_id}/{which}.pem",
    }  # fmt: skip
    filled_in = {re.sub(r"{\w+}", lambda match: sample[match[0]], path) for path in patterns - downloads if path}
    assert filled_in == set(PAGES)


def test_an_empty_store_tells_what_to_do_with_commands_that_there_are(visitor: TestClient) -> None:
    page = visitor.get("/")
    assert "Get started" in words_of(page)
    commands = [line for block in re.findall(r'<pre class="command"[^>]*><code[^>]*>(.*?)</code>', page.text, re.DOTALL)
                for line in unescape(block).splitlines()]  # fmt: skip
    known = command_line()
    assert len(commands) >= 7
    for line in commands:
        words = line.removeprefix("hpkp ")
        name = next(name for name in known if f"{words} ".startswith(f"{name} "))
        assert {word for word in shlex.split(words) if word.startswith("--")} <= known[name]
    assert "hpkp send-sample http://127.0.0.1:8000/report" in commands


def test_the_hosts_are_shown_with_verdict_first_blocker_and_reports(filled: TestClient) -> None:
    text = words_of(filled.get("/"))
    assert "2 hosts 1 not ready 1 no policy" in text
    first, _, second = text.partition(f"no policy {HOSTILE_HOST}")
    assert f"not ready {HOST} {title_of('open_other_trust_path')} (+1 more) 7 70" in first
    assert "Reports arrive, but no policy is set. Set a policy" in second


@pytest.mark.both_databases
def test_hosts_come_in_pages(visitor: TestClient) -> None:
    for number in range(27):
        visitor.post("/report", content=report_body(host=f"h{number:02}.test"))
    first = read(visitor.get("/", params={"sort": "name"}))
    assert sum(re.fullmatch(r"/hosts/h\d+\.test", link) is not None for link in first.links) == 25
    [further] = [link for link in first.links if "page=2" in link]
    second = read(visitor.get(further))
    assert [link for link in second.links if link.startswith("/hosts/")][::2] == ["/hosts/h25.test", "/hosts/h26.test"]


def test_the_host_page_begins_with_the_verdict_and_what_to_do_first(filled: TestClient) -> None:
    text = words_of(filled.get(f"/hosts/{HOST}"))
    _, _, page = text.partition(f"{HOST} Edit policy Check a chain ")
    assert page.startswith(
        "Not ready to enforce Trust path without a pin (+1 more blocker). Enforcing now would lock out"
    )
    assert f"{HOST} is not ready" not in page, "the title says it"
    assert page.index("What to do Pin a key that is on every path") < page.index("Findings")
    for found in (
        "Observation 0 days 14 required",
        "Exposure unknown no day counts as evidence yet",
        "Canary received just now",
        "1 chain at 2",
    ):
        assert found in page, found


def test_the_host_page_shows_what_the_last_look_saw_and_exposure_by_day(filled: TestClient) -> None:
    text = words_of(filled.get(f"/hosts/{HOST}"))
    seen = text.partition("Probe details")[2].partition("Exposure by day")[0]
    assert "192.0.2.1 CN=www.example.com, until" in seen
    assert f"{sample_site().old_root.pin} expected pin 200 / Public-Key-Pins-Report-Only: pin-sha256=" in seen
    assert "192.0.2.2 fault connection refused" in seen
    assert text.count(" site 9,000 1,200") == 9


def test_findings_come_in_the_order_of_their_weight(filled: TestClient) -> None:
    text = filled.get(f"/hosts/{HOST}").text
    weights = re.findall(r'<li class="finding (\w+)">', text)
    assert weights == sorted(weights, key=["blocker", "caution", "info"].index)
    assert weights.count("blocker") == 2
    assert weights.count("info") >= 3


def test_no_header_is_offered_while_something_stops_it(filled: TestClient) -> None:
    text = words_of(filled.get(f"/hosts/{HOST}"))
    assert "Next step Available when all blockers are fixed." in text
    assert "add_header Public-Key-Pins " not in text
    assert "To stop, remove Public-Key-Pins-Report-Only" in text


def test_the_plan_gives_the_next_header_for_every_server(visitor: TestClient) -> None:
    pins = [b64encode(sha256(name).digest()).decode() for name in (b"one", b"two")]
    set_policy = visitor.put("/api/v1/hosts/shop.test/policy", json={"pins": [{"sha256": pin} for pin in pins]})
    assert set_policy.is_success, set_policy.text
    text = unescape(visitor.get("/hosts/shop.test").text)
    value = "; ".join(f'pin-sha256="{pin}"' for pin in pins) + "; max-age=300"
    assert f"Public-Key-Pins: {value}" in text
    assert f"add_header Public-Key-Pins '{value}" in text
    assert "not before" in text


def test_the_chart_has_a_row_for_each_cause_and_the_same_numbers_as_a_table(filled: TestClient) -> None:
    page = filled.get(f"/hosts/{HOST}").text
    labels = re.findall(r'role="img" aria-label="([^"]+): (\d+) reports', page)
    assert len(labels) == 7
    assert {number for _, number in labels} == {"10"}
    rows = re.findall(r'<tr><th scope="row">\d{4}-\d\d-\d\d</th>(.*?)</tr>', page)
    assert sum(int(n) for row in rows for n in re.findall(r">(\d+)</td>", row)) == 70


@pytest.mark.parametrize(
    ("query", "causes"),
    [
        ({"cause": "clock"}, {"clock"}),
        ({"sender": "trustkit-apple"}, {"clock", "private_root"}),
        ({"app": "com.example.shop", "app_version": "4.1.0"}, {"clock", "private_root"}),
        ({"app": "com.example.none"}, set()),
        ({"status": "resolved"}, set()),
        ({"cause": "", "status": "", "sender": "", "app": "", "since": "", "until": ""}, None),
    ],
)  # fmt: skip
def test_the_filter_narrows_chart_and_violations(
    filled: TestClient, query: dict[str, str], causes: set[str] | None
) -> None:
    found = _violations(filled, **query)
    assert set(found) == (set(found) if causes is None else causes)
    assert len(found) == 7 if causes is None else True
    chart = re.findall(r'role="img" aria-label="([^"]+): \d+ reports', filled.get(f"/hosts/{HOST}", params=query).text)
    assert {unescape(label) for label in chart} == {CAUSES[Cause(cause)].title for cause in found}


def test_the_window_is_utc_and_may_be_written_in_several_ways(filled: TestClient) -> None:
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    for since in (f"{day}", f"{day}T00:00", f"{day}T00:00Z", f"{day}T02:00+02:00"):
        page = filled.get(f"/hosts/{HOST}", params={"since": since})
        assert f"From {day} 00:00 UTC" in words_of(page)
        assert f'value="{day}T00:00"' in page.text
    assert _violations(filled, until="2020-01-01") == {}


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_what_is_no_moment_is_told_on_a_page(filled: TestClient, since: str) -> None:
    assert "What to do" in words_of(filled.get(f"/hosts/{HOST}", params={"since": since}), 422)


def test_a_long_window_has_no_more_bars_than_can_be_seen(filled: TestClient) -> None:
    page = filled.get(f"/hosts/{HOST}", params={"since": "2000-01-01"})
    assert page.text.count("<rect") <= 7 * 121
    assert len(page.content) < 130_000


@pytest.mark.both_databases
def test_filters_and_places_stand_in_the_address(visitor: TestClient) -> None:
    for port in range(1, 31):
        visitor.post("/report", content=report_body(port=port))
    page = read(visitor.get(f"/hosts/{HOST}", params={"sender": "chromium", "cause": "", "merge": "no"}))
    [further] = [link for link in page.links if "page=2" in link]
    assert further == f"/hosts/{HOST}?sender=chromium&merge=no&page=2#violations"
    assert len(re.findall(r'class="title" href="/violations/\d+"', visitor.get(further).text)) == 5


def test_the_reports_of_a_filter_are_exported_by_a_link(filled: TestClient) -> None:
    page = read(filled.get(f"/hosts/{HOST}", params={"cause": "clock", "since": "2026-01-01"}))
    csv, ndjson = [link for link in page.links if link.startswith("/api/v1/export?")]
    assert filled.get(csv).text.startswith("id,")
    assert len(filled.get(ndjson).text.splitlines()) == 10


def test_a_violation_shows_both_chains_with_each_pin_marked(filled: TestClient) -> None:
    number = _violations(filled)["other_trust_path"]
    page = filled.get(f"/violations/{number}")
    text = words_of(page)
    validated, served = page.text.partition('id="chain-validated"')[2].split('id="chain-served"')
    assert served.count('<li class="card certificate') == validated.count('<li class="card certificate') == 3
    assert "known and expected pin" in served
    assert "known and expected pin" not in validated
    assert served.count("Start here") == 0
    assert validated.count("Start here") == 1
    site = sample_site()
    for issued in (site.leaf, site.by_old_root, site.by_new_root, site.old_root, site.new_root):
        assert str(issued.pin) in text
    assert "CN=Sample Root X2" in text
    assert "Locks out this client if enforced yes . The validated chain contains no expected pin" in text


def test_a_pin_is_marked_known_alone_where_the_policy_has_another(filled: TestClient) -> None:
    page = filled.get(f"/violations/{_violations(filled)['stale_known_pins']}").text
    assert '<li class="mark expected">expected pin</li>' in page
    assert str(sample_site().former) in page


def test_a_chain_that_was_not_sent_is_said_not_to_be_there(filled: TestClient) -> None:
    assert "Validated chain: sent empty." in words_of(filled.get(f"/violations/{_violations(filled)['no_evidence']}"))
    assert "Served chain: not sent." in words_of(filled.get(f"/violations/{_violations(filled)['private_root']}"))


@pytest.mark.parametrize(("bound", "validity"), [("start", "unreadable to 20"), ("end", " UTC to unreadable")])
def test_a_certificate_with_half_a_validity_is_shown_with_the_reason(
    visitor: TestClient, bound: str, validity: str
) -> None:
    der = _with_unreadable_date(site().leaf.der, bound)
    visitor.post("/report", content=report_body(validated=[pem_with(der)]))
    text = words_of(visitor.get("/violations/1"))
    assert validity in text
    assert f"unreadable in part {'not_before' if bound == 'start' else 'not_after'}: " in text


@pytest.mark.parametrize("bound", ["start", "end"])
def test_a_look_that_saw_half_a_validity_is_shown(visitor: TestClient, bound: str) -> None:
    chain = tuple(map(read_certificate, (_with_unreadable_date(site().leaf.der, bound), site().intermediate.der)))
    service = service_of(visitor)
    pins = ExpectedPin(parse_pin(site().leaf.pin)), ExpectedPin(parse_pin(site().root.pin))
    service.policies.set(PinningPolicy(HOST, pins), at=now())
    service.probing.record(Probe(HOST, 443, now(), (Endpoint("192.0.2.1", (chain,)),)))
    assert f"CN={HOST}" in words_of(visitor.get(f"/hosts/{HOST}")).partition("Probe details")[2]


def _with_unreadable_date(der: bytes, bound: str) -> bytes:
    """Break one of the two dates, which begin with their tag and their length."""
    start = der.index(b"\x17\x0d")
    at = start if bound == "start" else der.index(b"\x17\x0d", start + 2)
    return der[: at + 2] + b"x" + der[at + 3 :]


def test_certificates_and_raw_reports_are_one_click_away_as_downloads(filled: TestClient) -> None:
    page = read(filled.get(f"/violations/{_violations(filled)['other_trust_path']}"))
    chain = filled.get(next(link for link in page.links if link.endswith("/validated.pem")))
    assert chain.text.count("-----BEGIN CERTIFICATE-----") == 3
    pem = filled.get(next(link for link in page.links if link.startswith("/certificates/")))
    assert pem.text.startswith("-----BEGIN CERTIFICATE-----")
    raw = filled.get(next(link for link in reversed(page.links) if link.startswith("/reports/")) + "/body")
    assert raw.json()["hostname"] == HOST
    for download in (chain, pem, raw):
        assert download.headers["content-disposition"].startswith("attachment;")
        assert download.headers["content-security-policy"] == POLICY


def test_a_body_that_was_not_kept_is_said_not_to_be(start: StartApp) -> None:
    client = start(max_raw_bodies=0)
    client.headers["accept"] = "text/html"
    client.post("/report", content=report_body())
    assert "Raw body not stored" in words_of(client.get("/reports/1"))
    assert "Raw body of report 1 not found" in words_of(client.get("/reports/1/body"), 404)


def test_a_long_body_is_shown_in_part(visitor: TestClient) -> None:
    visitor.post("/report", content=report_body(padding="y" * 200_000))
    page = visitor.get("/reports/1")
    assert "below is the beginning" in words_of(page)
    assert len(page.content) < 90_000
    assert len(visitor.get("/reports/1/body").content) > 200_000


@pytest.mark.both_databases
def test_rejections_tell_why_a_report_is_not_here(visitor: TestClient) -> None:
    for body in (b"hello", b"{}", report_body()):
        visitor.post("/report", content=body)
    text = words_of(visitor.get("/rejections"))
    assert "Not JSON: expected value at line 1 column 1." in text
    assert "not a report (422)" in text
    narrowed = words_of(visitor.get("/rejections", params={"outcome": "unreadable"})).partition(
        "Rejected requests, newest first"
    )[2]
    assert "unreadable (400)" in narrowed
    assert "not a report (422)" not in narrowed
    assert "No rejected requests with this outcome" in words_of(visitor.get("/rejections?outcome=too_slow"))


def test_every_outcome_that_is_told_can_be_chosen(visitor: TestClient) -> None:
    chosen = set(re.findall(r'<option value="(\w+)"', visitor.get("/rejections").text))
    assert {
        outcome.value for outcome in (Outcome.UNREADABLE, Outcome.STORE_UNAVAILABLE, Outcome.CANARY_REFUSED)
    } <= chosen


@pytest.mark.both_databases
def test_status_and_note_are_set_by_the_form(visitor: TestClient) -> None:
    visitor.post("/report", content=report_body())
    page = visitor.get("/violations/1")
    note = "line one\nline two\u202e </textarea>"
    fields = {"form_token": token_of(page), "status": "expected", "note": note.replace("\n", "\r\n")}
    answer = visitor.post("/violations/1", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/violations/1?done=saved")
    stored = visitor.get("/api/v1/violations/1").json()
    assert (stored["status"], stored["note"]) == ("expected", note)
    page = visitor.get(answer.headers["location"])
    assert "Status and note are saved." in words_of(page)
    assert "line two\u202e &lt;/textarea&gt;</textarea>" in page.text


@pytest.mark.parametrize(
    ("fields", "status"), [({"status": "gone"}, 422), ({"status": "open", "note": "x" * 4001}, 422), ({}, 422)]
)
def test_a_status_that_is_none_is_refused(visitor: TestClient, fields: dict[str, str], status: int) -> None:
    visitor.post("/report", content=report_body())
    token = token_of(visitor.get("/violations/1"))
    assert visitor.post("/violations/1", data=fields | {"form_token": token}).status_code == status


def test_history_tells_verdicts_events_and_revisions(filled: TestClient) -> None:
    text = words_of(filled.get(f"/hosts/{HOST}/history"))
    for found in (
        "not ready",
        "verdict changed",
        "policy changed Policy revision 2: report-only, 2 pins",
        "revision 1",
    ):
        assert found in text, found


def test_a_host_without_policy_is_told_to_get_one(filled: TestClient) -> None:
    page = filled.get(f"/hosts/{HOSTILE_HOST}")
    assert "No policy in force" in words_of(page)
    assert f"/hosts/{HOSTILE_HOST}/policy" in read(page).links


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing-here", 404), ("/hosts/unknown.test", 404), ("/hosts/unknown.test/history", 404),
        ("/violations/999", 404), ("/reports/999", 404), (f"/certificates/{'0' * 64}.pem", 404), ("/static/x.css", 404),
        ("/violations/x", 422), (f"/violations/{10**30}", 422), ("/hosts/a..b", 422), ("/hosts/192.0.2.1/policy", 422),
        ("/certificates/xyz.pem", 422), (f"/hosts/{HOST}?page=x", 422), ("/policy?host=a..b", 422),
        ("/violations?sort=x", 422), ("/?verdict=x", 422), ("/violations/999/served.pem", 404),
        ("/logout", 405),
    ],
)  # fmt: skip
def test_an_error_is_a_page_that_says_what_to_do(filled: TestClient, path: str, status: int) -> None:
    assert "What to do" in words_of(filled.get(path), status)


def test_the_api_answers_a_browser_in_json_too(filled: TestClient) -> None:
    for path in ("/api/v1/violations/999", "/api/v1/nothing"):
        assert filled.get(path).headers["content-type"] == "application/problem+json"
    plain = filled.get("/violations/999", headers={"accept": "*/*"})
    assert plain.headers["content-type"] == "application/problem+json"


def test_a_fault_is_a_page_that_does_not_ask_the_store(visitor: TestClient) -> None:
    service_of(visitor).engine.dispose()
    with writing(service_of(visitor).engine) as connection:
        connection.exec_driver_sql("ALTER TABLE hosts RENAME TO gone")
    visitor.cookies.set("hpkp_session", "QQ==.9.9.9")
    assert "Server error. See the server log" in words_of(visitor.get("/"), 500)


def test_the_page_of_a_problem_is_shown_while_the_store_cannot_be_asked(visitor: TestClient) -> None:
    with writing(service_of(visitor).engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for cookie in ("", "QQ==.9.9.9"):
        visitor.cookies.set("hpkp_session", cookie)
        assert "What to do" in words_of(visitor.get("/no-such-page"), 404)
        assert "ahead of this program" in words_of(visitor.get("/login"), 503)


def test_intake_alone_serves_no_page(tmp_path: Path) -> None:
    with caller(create_app(settings_for(tmp_path), intake_only=True), accept="text/html") as client:
        for path in (*PAGES, "/static/style.css"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_style_has_another_address_for_another_content(filled: TestClient) -> None:
    [address] = re.findall(r'href="(/static/style\.css\?v=[0-9a-f]{12})"', filled.get("/").text)
    style = filled.get(address)
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in style.headers["cache-control"]
    assert "@import" not in style.text
    assert "url(" not in style.text


HOSTILE_PAGES = ("/", f"/hosts/{HOSTILE_HOST}", "/rejections")


def _hostile_pages(client: TestClient) -> list[httpx.Response]:
    number = re.findall(r'"/violations/(\d+)"', client.get(f"/hosts/{HOSTILE_HOST}").text)[0]
    violation = client.get(f"/violations/{number}")
    report = re.findall(r'"(/reports/\d+)"', violation.text)[0]
    return [violation, client.get(report), *map(client.get, HOSTILE_PAGES)]


def test_what_strangers_write_is_shown_as_text(filled: TestClient) -> None:
    pages = _hostile_pages(filled)
    for page in pages:
        assert page.text.count("<script") == 1
        assert "<img src=x" not in page.text
        assert "\u202e" not in page.text
        assert len(page.content) < 190_000
    violation, report = pages[:2]
    assert "&lt;script&gt;" in violation.text
    assert "moc.elpmaxe\\u202e.gnp" in violation.text
    assert "&lt;script&gt;" in report.text


def test_five_hundred_names_are_not_all_shown(filled: TestClient) -> None:
    violation = _hostile_pages(filled)[0]
    assert NAMES[0] in violation.text
    assert "496 more" in violation.text
    assert NAMES[499] not in violation.text
    assert LONG not in violation.text


def test_every_cause_has_a_place_in_the_filter(filled: TestClient) -> None:
    page = filled.get(f"/hosts/{HOST}").text
    assert {cause.value for cause in Cause} <= set(re.findall(r'<option value="(\w+)"', page))
