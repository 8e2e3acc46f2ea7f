"""What an expert would name, whose policy a report is about, and what two places must not decide apart: over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from typer.testing import CliRunner

from app.cli import app
from app.hpkp.pins import parse_pin
from app.hpkp.policy import Mode
from app.hpkp.readiness import RULES, Rule, Verdict, assess_readiness
from app.hpkp.readiness.policy_rules import subdomains
from app.hpkp.readiness.refusal_rules import refusals
from app.hpkp.readiness.violation_rules import enforcing_clients, reopened
from app.hpkp.report import Sender
from app.hpkp.user_agents.senders import MODELS
from app.hpkp.violation_status import MEANINGS
from app.samples.forms import FORMS
from app.samples.incident import Incident
from app.samples.rollout import Keys, Look, Send, Serve, SetPolicy
from app.samples.site import issue
from tests.application import StartApp
from tests.authority import Issued, new_key
from tests.dashboards.stores import sqlite_store, whole_season
from tests.red_team import RedTeam, network, red_team
from tests.test_stories import HOST

SHOP = f"shop.{HOST}"


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedTeam]:
    """Return a rollout that is `ready`."""
    with red_team(tmp_path, monkeypatch) as team:
        assert team.decisive() == ("ready", set())
        yield team


def _put(team: RedTeam, host: str, **members: Any) -> None:
    answer = team.stage.client.put(f"/api/v1/hosts/{host}/policy", json=members)
    assert answer.status_code == 200, answer.text


def _codes(team: RedTeam) -> set[str]:
    return {finding["code"] for finding in team.ask()["findings"]}


# Gaps in the policy


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:8000/report", "https://10.1.2.3/report", "https://[fd00::1]/report", "https://collector/report"],
)
def test_a_report_uri_that_no_client_reaches_withholds(start: StartApp, uri: str) -> None:
    client = start()
    pins = [{"sha256": "A" * 43 + "="}, {"sha256": "B" * 43 + "="}]
    path = f"/api/v1/hosts/{HOST}"
    assert client.put(f"{path}/policy", json={"pins": pins, "report_uri": uri}).status_code == 200
    (finding,) = [
        found
        for found in client.get(f"{path}/readiness").json()["findings"]
        if found["code"] == "report_uri_unreachable"
    ]
    assert finding["withholds"] is True


def test_both_pins_live_on_one_machine_withhold_until_a_pin_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rsa = new_key("rsa2048")

    def policy(keys: Keys) -> SetPolicy:
        return SetPolicy((keys.leaf[0].pin, parse_pin(_second(keys).pin)))

    def _second(keys: Keys) -> Issued:
        by = Issued(keys.intermediate.certificate, keys.intermediate.key)
        valid = keys.leaf[0].certificate
        return by.issue(
            HOST, key=rsa, not_before=valid.not_valid_before_utc, not_after=valid.not_valid_after_utc
        )  # fmt: skip

    with red_team(tmp_path, monkeypatch, policy=policy) as team:
        by = Issued(team.keys.intermediate.certificate, team.keys.intermediate.key)
        team.stage.host.deploy(_second(team.keys), by)  # beside the other: a pair, one chain for each kind of key
        team.play(Look())
        assert team.decisive() == ("not_enough_data", {"no_offline_backup"})


@pytest.mark.parametrize(("days", "told"), [(5, True), (40, False)])
def test_a_served_intermediate_that_expires_soon_is_told(team: RedTeam, days: int, told: bool) -> None:
    of, root = team.keys.intermediate, team.keys.old_root
    short = (
        x509.CertificateBuilder(root.certificate.subject, of.certificate.subject, of.certificate.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(team.at - timedelta(days=300))
        .not_valid_after(team.at + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root.key, hashes.SHA256())
    )
    team.later(minutes=1)
    team.play(Serve((team.keys.leaf[0], replace(of, certificate=short))), Look())
    assert ("intermediate_expires_soon" in _codes(team)) is told
    assert team.verdict() == "ready"


def test_subdomains_are_told_until_one_is_seen(team: RedTeam) -> None:
    assert team.stage.policy is not None
    _put(team, HOST, **team.stage._members(replace(team.stage.policy, include_subdomains=True)))
    assert "subdomains_not_seen" in _codes(team)
    answer = team.stage.client.put(f"/api/v1/hosts/{SHOP}/exposure/{team.at.date()}", json={"clients": 100})
    assert answer.status_code == 200
    assert "subdomains_not_seen" not in _codes(team)


# Attribution (RFC 7469 sections 2.6 and 3)


def test_a_report_about_a_noted_host_counts_for_the_policy_of_that_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with red_team(tmp_path, monkeypatch, days=0) as team:
        assert team.stage.policy is not None
        _put(team, HOST, **team.stage._members(replace(team.stage.policy, include_subdomains=True)))
        team.stage.policy = replace(team.stage.policy, include_subdomains=True)
        team.next_day(16)  # the probe of the first day saw the header without includeSubDomains
        assert team.decisive() == ("ready", set())
        leaf = issue(SHOP, team.keys.intermediate, team.at)
        pins = [{"sha256": str(leaf.pin)}, {"sha256": str(team.keys.backup)}]
        _put(team, SHOP, pins=pins, report_uri=team.stage.policy.report_uri)
        for number in range(5):
            met = [leaf.der, team.keys.intermediate.der]
            incident = Incident(
                hostname=SHOP, noted_hostname=HOST, include_subdomains=True,
                known_pins=(team.keys.leaf[0].pin, team.keys.backup), served=met,
                validated=[*met, team.keys.old_root.der], at=team.at,
            )  # fmt: skip
            team.post(FORMS[Sender.CHROMIUM].sample(incident).body, address=network(number), status=204)
        verdict, codes = team.decisive()
        assert verdict == "not_ready"
        assert any(code.startswith("open_") for code in codes)
        assert {found["host"] for found in team.get("/violations")["items"] if found["hostname"] == SHOP} == {HOST}
        of_shop = team.get(f"/hosts/{SHOP}/readiness")["findings"]
        assert not any(finding["code"].startswith("open_") for finding in of_shop)


# Clients that are locked out now


@pytest.mark.parametrize("sender", list(Sender))
def test_two_hundred_clients_with_stale_pins_that_enforce_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> None:
    def policy(keys: Keys) -> SetPolicy:
        return SetPolicy((keys.renewed[0].pin, keys.reissued[1].pin, keys.backup), Mode.ENFORCE, 300)

    with red_team(tmp_path, monkeypatch, policy=policy, days=0) as team:
        keys = team.keys
        team.next_day()
        team.play(SetPolicy((keys.leaf[0].pin, keys.backup), Mode.ENFORCE, 300))
        team.next_day(4)
        assert team.decisive() == ("ready", set())
        stale = keys.renewed[0].pin, keys.reissued[1].pin
        if sender is Sender.RFC7469:  # a form of its own: nothing but the report-uri says that it enforces
            for number in range(200):
                body = team.body(Send(keys.leaf, (*keys.leaf, keys.old_root), stale, 1, Sender.GO_HPKP))
                body = body.replace(b'"known-pins"', f'"build":"{number}","known-pins"'.encode())
                team.post(body, address=network(number), path="/report?mode=enforce", status=204)
        else:
            team.play(Send(keys.leaf, (*keys.leaf, keys.old_root), stale, 200, sender, enforced=True))
        answer = team.ask()
        assert answer["verdict"] == "not_ready"
        assert answer["findings"][0]["code"] == "locked_out_now"
        assert {one["sender"] for one in team.get("/violations", host=HOST)["items"]} == {sender}
        in_app = MODELS[sender].pins_in_app
        ends = {
            False: "browsers stay locked out until max-age has passed",
            True: "Apps keep their pins until they are updated",
            None: "or, if they are programs with pins, until they are updated",
        }
        told = {kind for kind, text in ends.items() if text in answer["plan"]["do"][0]}
        assert told == {in_app}


# What two places must not decide apart


def test_the_step_of_a_policy_that_ends_is_the_same_on_plan_and_board(team: RedTeam) -> None:
    keys = team.keys
    team.play(SetPolicy((keys.leaf[0].pin, keys.backup), Mode.ENFORCE, 0))
    team.later(minutes=1)
    step = team.ask()["plan"]["step"]
    team.service.readiness.record(HOST, at=team.at)
    database = Path(team.service.settings.database_url.removeprefix("sqlite:///"))
    with sqlite_store(database) as store:
        asked = store.ask(f"SELECT next_step FROM hosts_v1 WHERE host = '{HOST}'", whole_season(team.at))
    assert asked.column("next_step") == [step]
    assert "300" not in step


@pytest.mark.parametrize("uri", ["https://{}./report", "https://{}?to=hpkp", "https://bücher.{}/report"])
def test_linter_and_verdict_find_the_same_report_uri_under_the_pins(team: RedTeam, uri: str) -> None:
    assert team.stage.policy is not None
    named = uri.format(HOST)
    policy = replace(team.stage.policy, report_uri=named, include_subdomains=True)
    _put(team, HOST, **team.stage._members(policy))
    pins = "; ".join(f'pin-sha256="{pin.pin}"' for pin in policy.pins)
    value = f'{pins}; max-age=300; includeSubDomains; report-uri="{named}"'
    linted = CliRunner().invoke(app, ["header", "lint", "--host", HOST, "--report-only", "--json", value])
    assert "report_uri_on_pinned_host" in linted.output, linted.output
    assert "report_uri_on_pinned_host" in _codes(team)
    assert team.verdict() != "ready", "browsers do not report to the host whose pins fail"


def test_each_status_means_the_same_on_page_and_command_line(team: RedTeam) -> None:
    keys = team.keys
    team.play(Send(keys.misissued, (*keys.misissued, keys.new_root), (keys.leaf[0].pin, keys.backup), 1))
    (violation,) = team.get("/violations", host=HOST)["items"]
    page = team.stage.client.get(f"/violations/{violation['id']}", headers={"accept": "text/html"}).text
    told = " ".join(CliRunner().invoke(app, ["mark", "--help"], env={"COLUMNS": "2000"}).output.split())
    for meaning in MEANINGS.values():
        assert meaning in page
        assert meaning in told


# Rules that no story is about


def _cut_short(team: RedTeam) -> None:
    known = team.keys.leaf[0].pin, team.keys.backup
    body = team.body(Send(team.keys.leaf, team.keys.leaf, known, 1))
    for number in range(20):
        team.post(body[: len(body) // 3], address=network(number), status=400)


def _cover_subdomains(team: RedTeam) -> None:
    assert team.stage.policy is not None
    _put(team, HOST, **team.stage._members(replace(team.stage.policy, include_subdomains=True)))


def _enforce_already(team: RedTeam) -> None:
    keys = team.keys
    known = keys.retired, keys.renewed[0].pin
    team.play(Send(keys.leaf, (*keys.leaf, keys.old_root), known, 3, Sender.TRUSTKIT_APPLE, enforced=True))


def _ignore_what_is_proven(team: RedTeam) -> None:
    keys = team.keys
    known = keys.leaf[0].pin, keys.backup
    team.play(Send(keys.misissued, (*keys.misissued, keys.new_root), known, 1))
    (violation,) = team.get("/violations", host=HOST)["items"]
    team.set_status(violation["id"], "ignored")


@pytest.mark.parametrize(
    ("rule", "play", "code"),
    [
        (refusals, _cut_short, "reports_refused"),
        (subdomains, _cover_subdomains, "subdomains_not_seen"),
        (enforcing_clients, _enforce_already, "clients_enforce_already"),
        (reopened, _ignore_what_is_proven, "decision_outgrown"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_without_a_rule_that_no_story_is_about_a_situation_fails(
    team: RedTeam, rule: Rule, play: Callable[[RedTeam], None], code: str
) -> None:
    play(team)
    assert code in _codes(team)
    team.later(minutes=5)
    situation = team.service.readiness.gather(HOST, at=team.at)
    assert situation is not None
    others = tuple(other for other in RULES if other is not rule)
    assert code not in {finding.code for finding in assess_readiness(situation, rules=others).findings}
    if rule is refusals:
        assert assess_readiness(situation, rules=others).verdict is Verdict.READY, "a false one"
