"""The policy editor: mistakes at their fields, what was typed kept, lint and what-if before anything is saved."""

import re
from html import unescape
from typing import Any

import pytest

from app.hpkp.judgement.causes import CAUSES, Cause
from app.store.engine import to_ms
from tests.support.application import TestClient, service_of
from tests.support.authority import NOW
from tests.support.reports import HOST, report_body, site
from tests.support.web.markup import read, token_of, words_of

POLICY = f"/hosts/{HOST}/policy"
API = f"/api/v1{POLICY}"
LIVE, BACKUP, OTHER = site().root.pin, "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=", site().intermediate.pin
GOOD = {
    "pins": f"{LIVE} our CA's root\n{BACKUP} backup",
    "mode": "report-only",
    "max_age": "300",
    "report_uri": "https://reports.example.net/report",
}


def _post(client: TestClient, action: str, **fields: str) -> Any:
    token = token_of(client.get(POLICY))
    return client.post(POLICY, data={"form_token": token, "action": action} | fields)


def _fields(response: Any, status: int = 200) -> dict[str, dict[str, str | None]]:
    """Return the fields of the form, by their id."""
    page = read(response, status)
    return {attributes["id"] or "": attributes for tag, attributes in page.tags
            if tag in ("input", "textarea") and "id" in attributes}  # fmt: skip


def _typed(response: Any, name: str) -> str:
    """Return what stands in a text area."""
    found = re.search(rf'<textarea id="{name}"[^>]*>\n(.*?)</textarea>', response.text, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def test_a_check_shows_header_findings_and_outcome_and_saves_nothing(visitor: TestClient) -> None:
    visitor.put(API, json={"pins": [{"sha256": LIVE}, {"sha256": BACKUP}]})
    visitor.post("/report", content=report_body(known_pins=[BACKUP]))
    page = _post(visitor, "check", **GOOD | {"pins": f"{OTHER}\n{BACKUP}"})
    text = words_of(page)
    assert f'Public-Key-Pins-Report-Only: pin-sha256="{OTHER}"; pin-sha256="{BACKUP}"; max-age=300' in text
    assert "Host not probed" in text
    assert "Effect of these pins on reports of the last 90 days" in text
    assert "not locked out, as now 1 1" in text
    assert [item["revision"] for item in visitor.get(f"{API}/revisions").json()["items"]] == [1]


@pytest.mark.both_databases
def test_a_check_tells_of_clients_that_would_be_locked_out(visitor: TestClient) -> None:
    policy = {"pins": [{"sha256": LIVE}, {"sha256": BACKUP}], "own_keys": [site().leaf.pin]}
    visitor.put(API, json=policy)
    visitor.post("/report", content=report_body())
    other = f"{BACKUP}\nsRHdihwgkaib1P1gxX8HFszlD+7/gTfNvuAybgLPNis="
    text = words_of(_post(visitor, "check", **GOOD | {"pins": other, "own_keys": site().leaf.pin}))
    assert "lockout Clients that reported would be locked out by a configuration error." in text
    assert "newly locked out 1 1" in text
    before, after = (CAUSES[cause].title for cause in (Cause.MATCHES_EXPECTED, Cause.OWN_KEY_NOT_PINNED))
    assert f"violation 1 , newly locked out: {before}, then {after}; at least 1 report" in text


def test_without_a_policy_there_is_nothing_to_compare_with(visitor: TestClient) -> None:
    assert "No policy is in force to compare with." in words_of(_post(visitor, "check", **GOOD))


@pytest.mark.both_databases
def test_saving_adds_a_revision_and_leads_to_the_host(visitor: TestClient) -> None:
    answer = _post(visitor, "save", **GOOD | {"own_keys": OTHER, "include_subdomains": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/hosts/{HOST}?done=policy")
    stored = visitor.get(API).json()
    assert [(pin["sha256"], pin["label"]) for pin in stored["pins"]] == [(LIVE, "our CA's root"), (BACKUP, "backup")]
    assert (stored["max_age"], stored["include_subdomains"], stored["mode"]) == (300, True, "report-only")
    assert stored["own_keys"] == [OTHER]
    assert "Policy saved; violations re-evaluated." in words_of(visitor.get(answer.headers["location"]))


def test_the_fields_hold_the_policy_in_force(visitor: TestClient) -> None:
    _post(visitor, "save", **GOOD | {"own_keys": OTHER, "include_subdomains": "yes"})
    page = visitor.get(POLICY)
    assert _typed(page, "pins") == GOOD["pins"]
    assert _typed(page, "own_keys") == OTHER
    assert _fields(page)["max_age"]["value"] == "300"
    assert 'name="include_subdomains" value="yes" checked' in page.text


@pytest.mark.parametrize(
    ("field", "text", "mistake"),
    [
        ("pins", "", "Enter the pins, one per line."),
        ("pins", f"{LIVE}\nnonsense! here", "Line 2: not a pin in any known form"),
        ("pins", f"{LIVE} one\n{LIVE} two", "a pin stands twice in the policy."),
        ("pins", "\n".join([LIVE] * 65), "Enter at most 64."),
        ("own_keys", "sha256/x", "Line 1: not base64"),
        ("max_age", "soon", "Enter a number of seconds"),
        ("max_age", "-1", "Enter a number of seconds"),
        ("max_age", "9" * 30, "Enter a number of seconds"),
        ("report_uri", "x" * 2049, "A report-uri has at most 2048 characters."),
        ("effective_from", "yesterday", "Enter a UTC time"),
        ("effective_from", "0001-01-01T00:00+14:00", "Enter a UTC time"),
        ("header", "", ""),
    ],
    ids=lambda value: value.replace(LIVE, "live"),  # the key differs
)
@pytest.mark.parametrize("action", ["check", "save"])
def test_a_mistake_is_told_at_its_field_and_what_was_typed_stays(
    visitor: TestClient, action: str, field: str, text: str, mistake: str
) -> None:
    if field == "header":
        action, text, mistake = "fill", "pin-sha256=unquoted", "pin-sha256=unquoted needs double quotes"
    page = _post(visitor, action, **GOOD | {field: text})
    assert mistake in words_of(page, 422)
    assert f'href="#{field}"' in page.text
    described = _fields(page, 422)[field]
    assert (described["aria-invalid"], described["aria-describedby"]) == ("true", f"{field}-hint {field}-mistake")
    kept = _typed(page, field) if field in ("pins", "own_keys", "header") else described["value"]
    assert kept == text
    assert visitor.get(API).status_code == 404


def test_all_mistakes_are_told_at_once(visitor: TestClient) -> None:
    page = _post(visitor, "save", pins="x", own_keys="y", max_age="z", effective_from="w", mode="v")
    assert {"#pins", "#own_keys", "#max_age", "#effective_from", "#mode"} <= set(read(page, 422).links)


def test_the_future_is_refused_at_its_field(visitor: TestClient) -> None:
    page = _post(visitor, "save", **GOOD | {"effective_from": "2999-01-01T00:00"})
    assert "effective_from lies in the future." in words_of(page, 422)


def test_the_past_enters_history(visitor: TestClient) -> None:
    _post(visitor, "save", **GOOD | {"effective_from": f"{NOW:%Y-%m-%dT%H:%M}"})
    stored = service_of(visitor).policies.in_force(HOST, at=NOW)
    assert stored is not None
    assert stored.effective_from is not None
    assert to_ms(stored.effective_from) == to_ms(NOW)


def test_what_should_not_be_served_is_saved_only_all_the_same(visitor: TestClient) -> None:
    fields = GOOD | {"mode": "enforce", "max_age": ""}
    page = _post(visitor, "save", **fields)
    text = words_of(page)
    assert "Not saved The check found 1 error." in text
    assert "error max age missing" in text
    assert visitor.get(API).status_code == 404
    assert _post(visitor, "save", **fields | {"all_the_same": "yes"}).status_code == 303
    assert visitor.get(API).json()["mode"] == "enforce"


def test_a_report_uri_that_no_field_can_carry_is_told(visitor: TestClient) -> None:
    text = words_of(_post(visitor, "check", **GOOD | {"report_uri": "https://a.example/\x07"}))
    assert "No header can carry this report-uri." in text


@pytest.mark.parametrize(
    ("name", "mode"),
    [("", "report-only"), ("Public-Key-Pins: ", "enforce"), ("public-key-pins-report-only:", "report-only")],
)
def test_the_fields_are_filled_from_a_header(visitor: TestClient, name: str, mode: str) -> None:
    header = f'{name}pin-sha256="{BACKUP}"; pin-sha256="{OTHER}"; max-age=60; includeSubDomains; report-uri="https://r.example/"'
    page = _post(visitor, "fill", **GOOD | {"header": header})
    assert _typed(page, "pins") == f"{BACKUP} backup\n{OTHER}"
    fields = _fields(page)
    assert (fields["max_age"]["value"], fields["report_uri"]["value"]) == ("60", "https://r.example/")
    assert f'name="mode" value="{mode}" checked' in page.text
    assert visitor.get(API).status_code == 404


@pytest.mark.both_databases
def test_a_policy_is_withdrawn(visitor: TestClient) -> None:
    assert _post(visitor, "withdraw").status_code == 404
    _post(visitor, "save", **GOOD)
    answer = _post(visitor, "withdraw")
    assert answer.headers["location"] == f"/hosts/{HOST}?done=withdrawn"
    assert "The policy was withdrawn." in words_of(visitor.get(answer.headers["location"]))


def test_a_host_is_chosen_by_its_name_in_any_form(visitor: TestClient) -> None:
    answer = visitor.get("/policy", params={"host": " BÜCHER.example. "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/hosts/xn--bcher-kva.example/policy")


def test_an_action_that_there_is_not_is_refused(visitor: TestClient) -> None:
    _post(visitor, "save", **GOOD)
    token = token_of(visitor.get(f"/hosts/{HOST}"))
    answer = visitor.post(f"/hosts/{HOST}", data={"form_token": token, "action": "format"})
    assert "Unknown action 'format'." in words_of(answer, 422)


def test_a_canary_to_a_dead_report_uri_is_told_on_the_page_of_the_host(visitor: TestClient) -> None:
    _post(visitor, "save", **GOOD | {"report_uri": "http://127.0.0.1:9/report"})
    token = token_of(visitor.get(f"/hosts/{HOST}"))
    answer = visitor.post(f"/hosts/{HOST}", data={"form_token": token, "action": "canary"})
    assert answer.headers["location"] == f"/hosts/{HOST}?done=canary"
    assert "none received sent just now last one failed:" in words_of(visitor.get(answer.headers["location"]))


def test_a_canary_without_report_uri_is_refused_with_the_reason(visitor: TestClient) -> None:
    _post(visitor, "save", **GOOD | {"report_uri": "", "all_the_same": "yes"})
    token = token_of(visitor.get(f"/hosts/{HOST}"))
    answer = visitor.post(f"/hosts/{HOST}", data={"form_token": token, "action": "canary"})
    assert "names no report-uri" in words_of(answer, 422)


def test_a_look_at_a_host_is_recorded(visitor: TestClient) -> None:
    visitor.put("/api/v1/hosts/nowhere.invalid/policy", json={"pins": [{"sha256": LIVE}]})
    token = token_of(visitor.get("/hosts/nowhere.invalid"))
    answer = visitor.post("/hosts/nowhere.invalid", data={"form_token": token, "action": "probe"})
    assert "0 chains at 0 addresses: " in words_of(visitor.get(answer.headers["location"]))
