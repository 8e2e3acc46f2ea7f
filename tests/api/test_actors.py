"""Events name who changed something: the token, the log-in or the command line; nobody for what happens by itself."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from tests.support.application import TestClient, from_elsewhere, service_of
from tests.support.reports import HOST, report_body, site
from tests.support.web.markup import token_of, words_of

POLICY = f"/api/v1/hosts/{HOST}/policy"
PINS = {"pins": [{"sha256": site().root.pin}]}
CHANGES = {"policy_changed", "status_changed", "refusals_decided", "note"}


def _actors(client: TestClient) -> list[tuple[str, str | None]]:
    """Return the kind and actor of every event that somebody brought about, the oldest first."""
    items = client.get("/api/v1/events", params={"limit": 100}).json()["items"]
    return [(item["kind"], item["actor"]) for item in reversed(items) if item["kind"] in CHANGES]


def _with_token(client: TestClient, name: str) -> TestClient:
    text = service_of(client).tokens.make(name, "admin")
    return from_elsewhere(client, "203.0.113.9", authorization=f"Bearer {text}")


@pytest.mark.both_databases
def test_an_event_names_the_token_with_which_something_was_changed(client: TestClient) -> None:
    deploy, ada = _with_token(client, "deploy"), _with_token(client, "Ada")
    assert deploy.put(POLICY, json=PINS).status_code == 200
    assert client.post("/report", content=report_body()).status_code == 204
    [violation] = client.get("/api/v1/violations").json()["items"]
    assert ada.patch(f"/api/v1/violations/{violation['id']}", json={"status": "resolved"}).status_code == 200
    assert ada.put(f"/api/v1/hosts/{HOST}/refusals", json={"status": "open"}).status_code == 200
    assert ada.post("/api/v1/events", json={"kind": "note", "text": "x"}).json()["actor"] == "Ada"
    assert deploy.delete(POLICY).status_code == 204
    assert _actors(client) == [
        ("policy_changed", "deploy"),
        ("status_changed", "Ada"),
        ("refusals_decided", "Ada"),
        ("note", "Ada"),
        ("policy_changed", "deploy"),
    ]
    others = [item for item in client.get("/api/v1/events").json()["items"] if item["kind"] not in CHANGES]
    assert {item["actor"] for item in others} <= {None}


def test_an_event_names_who_was_logged_in_and_the_page_shows_it(client: TestClient) -> None:
    client.put(POLICY, json=PINS)
    client.post("/report", content=report_body())
    browser = from_elsewhere(client, "203.0.113.9", accept="text/html")
    link = service_of(client).sessions.make_link(at=datetime.now(UTC), name="Grace")
    token = token_of(browser.get("/login"))
    assert browser.post("/login", data={"form_token": token, "link": link.secret}).status_code == 303
    token = token_of(browser.get("/violations/1"))
    assert browser.post("/violations/1", data={"form_token": token, "status": "expected"}).status_code == 303
    other_pins = f"{site().leaf.pin}\n{site().root.pin}"
    fields = {"form_token": token, "action": "save", "mode": "report-only", "pins": other_pins, "all_the_same": "yes"}
    assert browser.post(f"/hosts/{HOST}/policy", data=fields).status_code == 303
    assert browser.post(f"/hosts/{HOST}/policy", data={"form_token": token, "action": "withdraw"}).status_code == 303
    assert _actors(client) == [
        ("policy_changed", "tests"),
        ("status_changed", "Grace"),
        ("policy_changed", "Grace"),
        ("policy_changed", "Grace"),
    ]
    assert "by Grace" in words_of(browser.get(f"/hosts/{HOST}/history"))


def test_an_event_names_the_command_line(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = service_of(client).settings
    monkeypatch.setenv("HPKP_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("HPKP_LOG_DIR", str(settings.log_root))
    client.post("/report", content=report_body())
    assert client.get("/api/v1/violations").json()["items"]
    for words in (
        ["policy", "set", HOST, "--pin", str(site().root.pin)],
        ["mark", "1", "--as", "resolved"],
        ["refusals", HOST, "--as", "open"],
    ):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, done.output
    assert {actor for _, actor in _actors(client)} == {"command line"}
    assert {kind for kind, _ in _actors(client)} == {"policy_changed", "status_changed", "refusals_decided"}
