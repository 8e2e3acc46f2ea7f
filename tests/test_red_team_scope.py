"""Evidence of another name, cause or address than the one that is asked about, over HTTP: none of it makes `ready`."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.demo.rollout import (
    Act,
    AddControl,
    CarryPins,
    Chain,
    CountInstalls,
    Expose,
    ExposeControl,
    Keys,
    Register,
    RunProbe,
    Send,
    SendCanary,
    SetPolicy,
    pinning_field,
)
from app.demo.scenarios import CONTROL_PINS
from app.demo.site import issue
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.pins import Pin
from app.hpkp.readiness import RULES, Verdict, assess_readiness
from app.hpkp.readiness.policy_rules import unpinned_subdomains
from app.hpkp.report import Sender
from tests.support.authority import Issued
from tests.support.red_team import RedTeam, red_team
from tests.support.tls_server import resolve
from tests.test_scenarios import HOST

SHOP = f"shop.{HOST}"
APP = "com.example.shop"
UNREACHED = "127.0.0.2"
"""An address at which nothing listens."""


def _put(team: RedTeam, path: str, **members: Any) -> None:
    answer = team.driver.client.put(f"/api/v1/hosts/{path}", json=members)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def covering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedTeam]:
    """Return a rollout with includeSubDomains that is `ready`; one name below the host has a policy of its own."""
    with red_team(tmp_path, monkeypatch, days=0) as team:
        resolve(monkeypatch, {HOST: ["127.0.0.1"], SHOP: ["127.0.0.1"]})
        assert team.driver.policy is not None
        team.driver.policy = replace(team.driver.policy, include_subdomains=True)
        _put(team, f"{HOST}/policy", **team.driver._members(team.driver.policy))
        team.next_day(16)
        assert team.decisive() == ("ready", set())
        yield team


def _probe_shop(team: RedTeam, chain: Chain, *, pins: tuple[Pin, ...]) -> None:
    """Probe the name below the host, which serves a chain and the header of its own policy."""
    assert team.driver.policy is not None
    members = [{"sha256": str(pin)} for pin in pins]
    _put(team, f"{SHOP}/policy", pins=members, report_uri=team.driver.policy.report_uri)
    team.driver.host.deploy(*(Issued(issued.certificate, issued.key) for issued in chain))
    team.driver.host.replies = {"": (200, [pinning_field(team.driver.policy)])}
    answer = team.driver.client.post(f"/api/v1/hosts/{SHOP}/probe")
    assert answer.status_code == 200, answer.text


def _of_shop(keys: Keys, team: RedTeam, *, pinned: bool) -> Chain:
    key = keys.leaf[0].key if pinned else None
    return issue(SHOP, keys.intermediate, team.at, key=key), keys.intermediate


def test_a_name_below_the_host_that_serves_an_unpinned_chain(covering: RedTeam) -> None:
    shop = _of_shop(covering.keys, covering, pinned=False)
    _probe_shop(covering, shop, pins=(shop[0].pin, covering.keys.backup))
    assert covering.decisive() == ("not_ready", {"subdomain_not_pinned"})
    finding = covering.finding("subdomain_not_pinned")
    assert finding is not None
    assert finding["evidence"]["subdomains"] == [SHOP]
    covering.later(minutes=5)
    situation = covering.service.readiness.gather(HOST, at=covering.at)
    assert situation is not None
    others = tuple(rule for rule in RULES if rule is not unpinned_subdomains)
    assert assess_readiness(situation, rules=others).verdict is Verdict.READY, "a false one"
    covering.next_day(3)  # what was seen counts as long as the name has a policy
    assert covering.decisive() == ("not_ready", {"subdomain_not_pinned"})


def test_a_name_below_the_host_with_a_pinned_key_withholds_nothing(covering: RedTeam) -> None:
    shop = _of_shop(covering.keys, covering, pinned=True)
    _probe_shop(covering, shop, pins=(shop[0].pin, covering.keys.backup))
    assert covering.decisive() == ("ready", set())


def test_what_a_name_below_the_host_serves_now_ends_what_it_served(covering: RedTeam) -> None:
    shop = _of_shop(covering.keys, covering, pinned=False)
    _probe_shop(covering, shop, pins=(shop[0].pin, covering.keys.backup))
    covering.later(minutes=5)
    _probe_shop(covering, _of_shop(covering.keys, covering, pinned=True), pins=(shop[0].pin, covering.keys.backup))
    assert covering.decisive() == ("ready", set())


def test_a_name_below_the_host_that_was_given_up_blocks_no_longer(covering: RedTeam) -> None:
    shop = _of_shop(covering.keys, covering, pinned=False)
    _probe_shop(covering, shop, pins=(shop[0].pin, covering.keys.backup))
    covering.later(minutes=5)
    answer = covering.driver.client.delete(f"/api/v1/hosts/{SHOP}/policy")
    assert answer.status_code == 204, answer.text
    assert covering.decisive() == ("not_ready", {"subdomain_not_pinned"}), "it was served a few minutes ago"
    covering.next_day(3)
    assert covering.decisive() == ("ready", set())


def test_without_include_subdomains_a_name_below_the_host_is_another_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        resolve(monkeypatch, {HOST: ["127.0.0.1"], SHOP: ["127.0.0.1"]})
        shop = _of_shop(team.keys, team, pinned=False)
        _probe_shop(team, shop, pins=(shop[0].pin, team.keys.backup))
        assert team.decisive() == ("ready", set())


@pytest.mark.parametrize("sender", [Sender.CHROMIUM, Sender.TRUSTKIT_APPLE])
def test_what_is_expected_of_one_cause_does_not_hold_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> None:
    """Clients with outdated pins harm nobody while their chain has a pin; without it they would be locked out."""

    def policy(keys: Keys) -> SetPolicy:
        return SetPolicy((keys.retired, keys.reissued[1].pin, keys.backup))

    with red_team(tmp_path, monkeypatch, policy=policy, days=0) as team:
        keys = team.keys
        send = Send(keys.renewed, (*keys.renewed, keys.old_root), (keys.retired, keys.reissued[1].pin), 1, sender)
        body = team.body(send)
        team.play(SetPolicy((keys.leaf[0].pin, keys.renewed[0].pin, keys.backup)), RunProbe())
        team.later(minutes=5)
        team.driver.post(body, address="198.51.100.7")
        (violation,) = team.get("/violations", host=HOST)["items"]
        assert violation["cause"] == "stale_known_pins"
        team.set_status(violation["id"], "expected")
        team.later(hours=2)  # reports are counted by the hour
        team.play(SetPolicy((keys.leaf[0].pin, keys.backup), own_keys=(keys.renewed[0].pin,)))
        team.next_day(16)
        assert team.decisive() == ("ready", set())
        body = team.body(send)
        team.driver.post(body, address="198.51.100.8")
        (violation,) = team.get("/violations", host=HOST)["items"]
        assert violation["cause"] != "stale_known_pins"
        assert team.verdict() == "not_ready"
        assert team.finding("decision_outgrown") is not None
        team.set_status(violation["id"], "expected")
        assert team.decisive() == ("ready", set())


def _monitor(keys: Keys, uri: str) -> Register:
    """Register a release that reports to a URI, and has the pins of the policy."""
    entry = PinEntry(HOST, Scope.EXACT, PinMode.MONITOR, carry((keys.leaf[0].pin, keys.backup)), report_uris=(uri,))
    return Register(AppRelease(APP, "3.9", Platform.IOS, (PinLayer(Form.TRUSTKIT_PLIST, (entry,)),)))


@pytest.mark.parametrize(
    ("uri", "verdict"),
    [
        ("https://reports.example.net/report/ios-3.9", "ready"),  # the collector of the stage, by a label of its own
        ("https://elsewhere.example.net/report/ios-3.9", "not_enough_data"),
    ],
)
def test_the_silence_of_a_release_that_reports_elsewhere_is_no_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, verdict: str
) -> None:
    def daily() -> Iterable[Act]:
        return RunProbe(header=False), SendCanary(), CountInstalls(APP, Platform.IOS, (("3.9", 30_000),))

    with red_team(tmp_path, monkeypatch, days=0, daily=daily) as team:
        team.play(_monitor(team.keys, uri))
        team.next_day(16)
        assert team.verdict() == verdict
        (release,) = team.ask()["releases"]
        assert release["verdict"] == verdict
        assert (team.finding("release_reports_elsewhere") is not None) is (verdict != "ready")


def test_an_address_that_no_probe_reached_until_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its clients received the header for all those days is unknown."""
    with red_team(tmp_path, monkeypatch, days=0) as team:
        resolve(monkeypatch, {HOST: ["127.0.0.1", UNREACHED]})
        team.next_day(15)
        assert "address_not_reached" in team.decisive()[1]
        resolve(monkeypatch, {HOST: ["127.0.0.1"]})  # what answers there from now on is the same server
        team.later(minutes=5)
        team.play(RunProbe())
        verdict, codes = team.decisive()
        assert (verdict, codes & {"too_few_covered_days"}) == ("not_enough_data", {"too_few_covered_days"})
        (site,) = team.ask()["audiences"]
        assert {reason for day in site["days"] for reason in day["missing"]} == {"not_probed"}


def test_an_address_that_one_probe_did_not_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with red_team(tmp_path, monkeypatch, days=0) as team:
        team.next_day(8)
        resolve(monkeypatch, {HOST: ["127.0.0.1", UNREACHED]})
        team.later(minutes=5)
        team.play(RunProbe())
        resolve(monkeypatch, {HOST: ["127.0.0.1"]})
        team.next_day(7)
        assert team.decisive() == ("ready", set())


PROXIED = "proxied"
UNREADABLE = "unreadable"


@pytest.mark.parametrize(
    ("met", "code"),
    [(PROXIED, "interception_share_not_bounded"), (UNREADABLE, "unknown_share_over_limit")],
)
@pytest.mark.parametrize("reporting", [20, 60], ids=["a third reports", "all report"])
def test_what_was_reported_of_those_who_report_stands_for_those_who_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, met: str, code: str, reporting: int
) -> None:
    """With a third of the control clients reporting, 0.5 % behind a proxy are more than the limit of 1 %."""

    def daily() -> Iterable[Act]:
        return RunProbe(), SendCanary(), Expose(None, 40_000), Expose(None, 40_000, app=APP), ExposeControl(60)

    with red_team(tmp_path, monkeypatch, days=0, daily=daily) as team:
        keys = team.keys
        team.play(CarryPins(APP), AddControl(CONTROL_PINS))
        team.next_day(15)
        team.play(Send(keys.leaf, (*keys.leaf, keys.old_root), CONTROL_PINS, reporting))
        assert team.decisive() == ("ready", set())
        known = keys.leaf[0].pin, keys.backup
        if met == PROXIED:
            proxied = (*keys.proxied, keys.proxy_root)
            team.play(Send(keys.proxied, proxied, known, 200, Sender.TRUSTKIT_APPLE))
        else:
            team.play(Send((), (), known, 20, Sender.TRUSTKIT_APPLE))
        assert team.decisive() == (("not_enough_data", {code}) if reporting < 60 else ("ready", set()))
        for violation in team.get("/violations", host=HOST)["items"]:
            if violation["cause"] != "control":
                team.set_status(violation["id"], "expected")
        assert team.decisive() == ("ready", set()), "one decision ends it"
