"""The commands that work on the store without a server: policy, readiness, token, db, demo; and how serve refuses."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli.scenario import HOST, play, scenario_named
from app.cli.terminal import opened, read_settings
from app.demo.rollout import make_keys
from app.demo.scenarios import SCENARIOS, Scenario
from app.hpkp.judgement.causes import OF_RELEASES, Cause
from app.ingest.envelope import Envelope
from app.wiring import DirectIntake
from tests.support.authority import make_root, make_site
from tests.support.demo import demo_store
from tests.support.reports import report_body

runner = CliRunner()
LIVE, BACKUP = make_root("Live").pin, make_root("Backup").pin


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def _json(*arguments: str, code: int = 0) -> Any:
    return json.loads(_run(*arguments, "--json", code=code).stdout)


def test_policy_set_and_show_agree() -> None:
    stored = _json(
        "policy", "set", "WWW.Example.COM.", "--pin", f"{LIVE}=live key", "--pin", f'pin-sha256="{BACKUP}"',
        "--max-age", "300", "--include-subdomains", "--report-uri", "https://r.example.net/report",
        "--own-key", BACKUP, "--effective-from", "2026-01-01",
    )  # fmt: skip
    assert stored == _json("policy", "show", "www.example.com")
    assert stored["pins"] == [{"sha256": LIVE, "label": "live key"}, {"sha256": BACKUP, "label": ""}]
    assert stored["effective_from"] == "2026-01-01T00:00:00Z"
    assert stored["header"] == (
        f'pin-sha256="{LIVE}"; pin-sha256="{BACKUP}"; max-age=300; includeSubDomains; '
        'report-uri="https://r.example.net/report"'
    )


def test_a_header_and_a_file_make_policies_too(tmp_path: Path) -> None:
    header = f'max-age=5; pin-sha256="{LIVE}"; pin-sha256="{BACKUP}"'
    assert _json("policy", "set", "a.example", "--header", header)["max_age"] == 5
    site = make_site()
    (tmp_path / "leaf.pem").write_text(site.leaf.pem)
    stored = _json("policy", "set", "b.example", "--pin-file", "leaf.pem", "--pin", BACKUP)
    assert {"sha256": site.leaf.pin, "label": "leaf.pem"} in stored["pins"]


def test_a_changed_policy_is_a_new_revision_and_the_same_is_none() -> None:
    for pins in ((LIVE, BACKUP), (LIVE, BACKUP), (LIVE,)):
        _run("policy", "set", "a.example", *(word for pin in pins for word in ("--pin", pin)))
    assert [policy["revision"] for policy in _json("policy", "show", "a.example", "--revisions")] == [2, 1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("set", "a.example", "--pin", "AAAA"), "32 bytes"),
        (("set", "a.example"), "--pin"),
        (("set", "192.0.2.1", "--pin", LIVE), "IP address"),
        (("set", "a b", "--pin", LIVE), "no label"),
        (("set", "a.example", "--header", "pin-sha256=x"), "double quotes"),
        (("set", "a.example", "--pin-file", "missing.pem"), "missing.pem"),
        (("set", "a.example", "--pin", LIVE, "--effective-from", "2999-01-01"), "future"),
    ],
)
def test_a_policy_that_cannot_be_one_is_refused_with_the_reason(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in _run("policy", *arguments, code=2).stderr


def test_no_policy_is_exit_code_two_for_show_and_readiness() -> None:
    _run("db", "upgrade")
    assert "hpkp policy set a.example" in _run("policy", "show", "a.example", code=2).stderr
    assert "hpkp policy set a.example" in _run("readiness", "a.example", code=2).stderr


def test_readiness_cannot_tell_without_exposure_and_says_no_for_a_single_pin() -> None:
    _run("policy", "set", "a.example", "--pin", LIVE, "--pin", BACKUP, "--effective-from", "2026-01-01")
    answer = _json("readiness", "a.example", code=2)
    assert answer["verdict"] == "not_enough_data"
    assert "too_few_covered_days" in {finding["code"] for finding in answer["findings"]}
    assert "NOT ENOUGH DATA to enforce" in _run("readiness", "a.example", code=2).stdout

    _run("policy", "set", "a.example", "--pin", LIVE)
    assert _json("readiness", "a.example", code=1)["verdict"] == "not_ready"


def test_tokens_are_shown_once_listed_and_revoked() -> None:
    text = _json("token", "new", "grafana", "--scope", "read")["token"]
    assert text.startswith("hpkp_")
    assert "exists" in _run("token", "new", "grafana", code=2).stderr
    listed = _run("token", "list")
    assert "grafana  read" in listed.stdout
    assert text not in listed.stdout
    _run("token", "revoke", "grafana")
    assert _json("token", "list") == []
    assert "not found" in _run("token", "revoke", "grafana", code=2).stderr


def test_a_token_expires_after_the_days_that_were_asked_for() -> None:
    start = datetime(2026, 11, 1, 12, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        assert _json("token", "new", "month", "--expires", "30")["expires_at"] == "2026-12-01T12:00:00Z"
        _run("token", "new", "always")
        assert (
            "month  read  created 2026-11-01 12:00  never used  expires 2026-12-01 12:00"
            in _run("token", "list").stdout
        )
        assert "always  read  created 2026-11-01 12:00  never used  never expires" in _run("token", "list").stdout
    with time_machine.travel(start + timedelta(days=30), tick=False):
        assert "EXPIRED 2026-12-01 12:00" in _run("token", "list").stdout
    for days in ("0", "-1", "1000000", "x"):
        _run("token", "new", "wrong", "--expires", days, code=2)
    assert [token["name"] for token in _json("token", "list")] == ["always", "month"]


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb"])
def test_what_is_no_name_is_refused(name: str) -> None:
    for words in (("new",), ("login-link",)):
        assert "a name has 1 to 100 printable characters" in _run("token", *words, name, code=2).stderr


def test_a_log_in_link_is_printed_for_the_address_of_the_pages() -> None:
    assert _run("token", "login-link").stdout.startswith("http://127.0.0.1:8000/login?link=")
    made = _json("token", "login-link", "Ada", "--scope", "read", "--url", "https://collector.example/")
    assert made["url"].startswith("https://collector.example/login?link=")
    assert (made["name"], made["scope"]) == ("Ada", "read")
    secret = made["url"].partition("=")[2]
    with opened() as service:
        session = service.sessions.redeem_link(secret, at=datetime.now(UTC))
        assert session is not None
        assert (session.name, session.scope) == ("Ada", "read")
    assert _json("token", "end-sessions") == {"ended": 1}
    with opened() as service:
        assert service.sessions.find(session.cookie, at=datetime.now(UTC)) is None


def test_the_schema_is_made_once() -> None:
    first = _json("db", "upgrade")
    assert first["before"] is None
    assert _json("db", "upgrade") == {"before": first["after"], "after": first["after"]}


def test_serve_refuses_to_open_the_api_to_the_world_without_a_token() -> None:
    refused = _run("serve", "--host", "0.0.0.0", code=2)
    assert "hpkp token new" in refused.stderr
    assert "--intake-only" in refused.stderr
    with time_machine.travel(datetime.now(UTC) - timedelta(days=2)):
        _run("token", "new", "short", "--expires", "1")
    assert "without an API token" in _run("serve", "--host", "0.0.0.0", code=2).stderr  # that one has expired


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("HPKP_MAX_LOG_BYTES", "many", "HPKP_MAX_LOG_BYTES"),
        ("HPKP_UNKNOWN_HOSTS", "perhaps", "HPKP_UNKNOWN_HOSTS"),
        ("HPKP_DATABASE_URL", "nonsense", "of HPKP_DATABASE_URL cannot be used"),
        ("HPKP_DATABASE_URL", "sqlite:////proc/none/hpkp.sqlite3", "of HPKP_DATABASE_URL cannot be used"),
        ("HPKP_TRUST_ANCHORS", "/nowhere.pem", "HPKP_TRUST_ANCHORS: /nowhere.pem"),
        ("HPKP_KNOWN_CERTIFICATES", "/nowhere.pem", "HPKP_KNOWN_CERTIFICATES: /nowhere.pem"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    monkeypatch.setenv(name, value)
    assert reason in _run("token", "new", "one", code=2).stderr


def test_the_demo_fills_an_empty_store_and_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    demo = demo_store().copy_to(tmp_path)
    # Its operators have no control pins, and register no releases of apps.
    assert set(demo.told["by_cause"]) == set(Cause) - {Cause.CONTROL} - OF_RELEASES
    assert sum(demo.told["by_cause"].values()) == demo.told["reports"] > 5000
    assert {host["host"]: host["verdict"] for host in demo.told["hosts"]} == {
        "api.example.net": "not_ready",
        "beta.example.com": "not_enough_data",
        "login.example.com": "not_enough_data",
        "news.example.org": None,
        "shop.example.com": "ready",
        "www.example.com": "not_ready",
    }
    assert "not empty" in _run("demo", "--database", str(demo.database), code=2).stderr

    for name, value in demo.settings.items():
        monkeypatch.setenv(name, value)
    answer = _json("readiness", demo.told["host"], code=1)
    blockers = {finding["code"] for finding in answer["findings"] if finding["severity"] == "blocker"}
    assert blockers == {"no_pin_in_live_chain", "open_own_key_not_pinned", "lockout_share_over_limit"}
    login = _json("readiness", "login.example.com", code=2)
    assert {finding["code"] for finding in login["findings"] if finding["withholds"]} == {"too_few_covered_days"}
    assert {audience["audience"] for audience in login["audiences"]} == {"the site", "com.example.shop"}
    assert "max-age=5184000" in login["plan"]["next_step"]["header"]


@pytest.mark.parametrize(
    "scenario", [scenario for scenario in SCENARIOS if scenario.name in ("clean", "key-loss", "pasted-pins")]
)
def test_a_story_that_the_demo_plays_has_the_right_verdict_every_day(scenario: Scenario) -> None:
    played = _json("demo", "--scenario", scenario.name)
    right = [scenario.right(day)[0].value for day in range(scenario.days)]
    assert [day["verdict"] for day in played["verdicts"]] == right


@pytest.mark.parametrize("hour", [0, 5, 6, 11, 12, 17, 18, 23])
def test_a_story_is_the_same_at_whatever_hour_it_is_played(hour: int, tmp_path: Path) -> None:
    until = datetime(2026, 6, 12, hour, 59, 59, 999_999, tzinfo=UTC)
    keys, scenario = make_keys(HOST, at=until - timedelta(days=10)), scenario_named("key-loss")
    roots, catalog = tmp_path / "roots.pem", tmp_path / "catalog.toml"
    roots.write_text(keys.roots_pem)
    catalog.write_text(keys.catalog)
    with opened(read_settings(trust_anchors=roots, catalog=catalog), creates=True) as service:
        service.rejudging.run_if_knowledge_changed(at=until)
        verdicts = [answer.verdict for _, answer in play(service, scenario, keys, until=until)]
    assert verdicts == [scenario.right(day)[0] for day in range(scenario.days)]


def test_prune_frees_what_strangers_have_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts without a policy at once, sources with few reports, and in the end all that is over the size limit."""
    _run("policy", "set", HOST, "--pin", LIVE, "--pin", BACKUP)
    at = datetime.now(UTC)
    with opened(read_settings()) as service:
        intake = DirectIntake(service)
        for host, label in ((HOST, "site"), (HOST, "site"), ("a.example", "x"), ("b.example", "y"), (HOST, "z")):
            body = report_body(host=host, at=at)
            received = int(at.timestamp() * 1000)
            at += timedelta(milliseconds=1)
            intake.take([(body, Envelope("192.0.2.1", label), received)])
    assert {what: count for what, count in _json("prune").items() if count} == {}
    assert _json("prune", "--unknown-hosts")["hosts"] == 2
    assert _json("prune", "--sources-below", "2")["sources"] == 1
    with opened(read_settings()) as service:
        assert [host.name for host in service.hosts.list(limit=9, after=None)] == [HOST]
    monkeypatch.setenv("HPKP_MAX_STORE_BYTES", "1")
    assert _json("prune")["violations"] == 1


def test_policy_set_without_pins_changes_the_given_fields_only() -> None:
    _run("policy", "set", "a.example", "--pin", LIVE, "--pin", BACKUP, "--max-age", "300")
    _run("policy", "set", "a.example", code=2)
    changed = _json("policy", "set", "a.example", "--report-uri", "https://reports.example.net/report")
    assert changed["revision"] == 2
    assert (changed["report_uri"], changed["max_age"]) == ("https://reports.example.net/report", 300)
    assert [pin["sha256"] for pin in changed["pins"]] == [LIVE, BACKUP]
    assert "no policy for b.example" in _run("policy", "set", "b.example", "--max-age", "5", code=2).stderr


def test_a_withdrawn_policy_is_no_longer_in_force() -> None:
    _run("policy", "set", "a.example", "--pin", LIVE, "--pin", BACKUP)
    assert _json("policy", "withdraw", "a.example")["withdrawn"]
    assert "no policy for a.example" in _run("policy", "show", "a.example", code=2).stderr
    assert "no policy for a.example" in _run("policy", "withdraw", "a.example", code=2).stderr
