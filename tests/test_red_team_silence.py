"""Silence where nobody could have reported a violation, over HTTP and TLS: none of these is `ready`.

Each differs in one thing from a rollout that is. `tests.test_covered_days` plays more of them through the use cases.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.demo.rollout import (
    Act,
    AddControl,
    CarryPins,
    Expose,
    ExposeControl,
    Keys,
    RunProbe,
    Send,
    SendCanary,
    Serve,
    SetPolicy,
)
from app.demo.scenarios import CONTROL_PINS, routine
from app.hpkp.pins import Pin
from app.hpkp.report import Sender
from tests.support.red_team import RedTeam, red_team
from tests.test_scenarios import HOST, START

APP = "com.example.shop"
FEW_DAYS = {"too_few_covered_days"}
DAY = timedelta(days=1)
Play = Callable[..., RedTeam]


def _pins(keys: Keys) -> SetPolicy:
    return SetPolicy((keys.leaf[0].pin, keys.backup))


def _put(team: RedTeam, path: str, **members: Any) -> None:
    answer = team.driver.client.put(f"/api/v1/hosts/{HOST}{path}", json=members)
    assert answer.status_code == 200, answer.text


def _expose(team: RedTeam, day: date, **members: Any) -> None:
    _put(team, f"/exposure/{day}", **members)


def _audience(team: RedTeam, name: str) -> dict[str, Any]:
    (found,) = [audience for audience in team.ask()["audiences"] if audience["audience"] == name]
    return dict(found)


def _missing(team: RedTeam, name: str = "the site") -> set[str]:
    return {reason for day in _audience(team, name)["days"] for reason in day["missing"]}


def test_a_collector_that_was_installed_a_moment_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with red_team(tmp_path, monkeypatch, days=0) as team:
        assert team.driver.policy is not None
        members = team.driver._members(team.driver.policy)
        _put(team, "/policy", **members, effective_from=(team.at - 30 * DAY).isoformat())
        for ago in range(31):
            _expose(team, (team.at - ago * DAY).date(), clients=20_000)
        team.play(*routine())
        assert team.decisive() == ("not_enough_data", FEW_DAYS)
        assert _audience(team, "the site")["covered_days"] == 0
        assert _missing(team) == {"not_probed", "no_canary"}


def test_exposure_of_a_single_day_four_weeks_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def daily() -> Iterable[Act]:
        return RunProbe(), SendCanary()

    with red_team(tmp_path, monkeypatch, days=28, daily=daily) as team:
        _expose(team, (team.at - 27 * DAY).date(), clients=20_000)
        assert team.decisive() == ("not_enough_data", {"too_few_covered_days", "covered_days_too_old"})
        assert _audience(team, "the site")["covered_days"] == 1
        assert _missing(team) == {"exposure_unknown"}


def test_a_header_that_was_not_served_until_a_second_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def daily() -> Iterable[Act]:
        return RunProbe(header=False), SendCanary(), Expose(4000, 4000)

    with red_team(tmp_path, monkeypatch, daily=daily) as team:
        team.later(seconds=1)
        team.play(RunProbe())
        assert team.decisive() == ("not_enough_data", FEW_DAYS)
        assert _missing(team) == {"pins_not_served"}


@pytest.mark.parametrize("carried", ["unknown", "none", "others"])
def test_installs_of_releases_that_carry_no_pins_of_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carried: str
) -> None:
    def daily() -> Iterable[Act]:
        return RunProbe(), SendCanary()

    with red_team(tmp_path, monkeypatch, daily=daily) as team:
        for ago in range(15):
            _expose(team, (team.at - ago * DAY).date(), clients=30_000, app=APP, app_version="3.9")
        if carried != "unknown":
            pins = [] if carried == "none" else [str(team.keys.retired), str(team.keys.backup)]
            _put(team, "/releases", app=APP, app_version="3.9", pins=pins)
        assert team.decisive() == ("not_enough_data", FEW_DAYS)
        named = {audience["audience"] for audience in team.ask()["audiences"]}
        assert named == ({"the site", f"{APP} 3.9"} if carried == "unknown" else {"the site"})


def test_a_release_said_to_be_without_pins_that_reports_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        _expose(team, team.at.date(), clients=30_000, app=APP, app_version="4.2")
        _put(team, "/releases", app=APP, app_version="4.2", pins=[])
        assert team.decisive() == ("ready", set())
        known = team.keys.leaf[0].pin, team.keys.backup
        met = (*team.keys.proxied, team.keys.proxy_root)
        team.play(Send(team.keys.proxied, met, known, 40, Sender.TRUSTKIT_APPLE))
        assert team.decisive() == ("not_enough_data", FEW_DAYS)
        assert _missing(team, f"{APP} 4.2") >= {"release_pins_unknown"}


@pytest.mark.parametrize(
    ("exposed", "codes"),
    [
        (Expose(28_000, 20), {"lockout_share_not_bounded"}),
        (Expose(28_000, None), FEW_DAYS),
        (Expose(28_000, 0), FEW_DAYS),
    ],
    ids=["of 20 clients", "of clients that nobody counted", "of nobody"],
)
def test_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exposed: Expose, codes: set[str]) -> None:
    def daily() -> Iterable[Act]:
        return RunProbe(), SendCanary(), exposed

    with red_team(tmp_path, monkeypatch, daily=daily) as team:
        assert team.decisive() == ("not_enough_data", codes)


def test_app_installs_behind_interception_beside_many_visitors_of_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def daily() -> Iterable[Act]:
        return *routine(sessions=400_000, clients=40_000), Expose(None, 3000, app=APP)

    with red_team(tmp_path, monkeypatch, days=0, daily=daily) as team:
        team.play(CarryPins(APP))
        team.next_day(15)
        assert team.decisive() == ("ready", set())
        known = team.keys.leaf[0].pin, team.keys.backup
        team.play(Send(team.keys.proxied, (*team.keys.proxied, team.keys.proxy_root), known, 45, Sender.TRUSTKIT_APPLE))
        assert team.decisive() == ("not_ready", {"interception_share_over_limit"})
        answer = team.ask()
        assert answer["audiences"][0]["audience"] == APP, "the host's verdict is that of its worst audience"
        assert (answer["estimate"]["audience"], answer["estimate"]["of"]) == (APP, 3000)
        assert _audience(team, "the site")["verdict"] == "ready"
        team.later(minutes=1)
        team.set_status(team.get("/violations", host=HOST)["items"][0]["id"], "expected")
        assert team.decisive() == ("ready", set())


def test_visitors_of_whom_half_received_control_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def daily() -> Iterable[Act]:
        return *routine(), ExposeControl(2000)

    with red_team(tmp_path, monkeypatch, days=0, daily=daily) as team:
        team.play(AddControl(CONTROL_PINS))
        team.next_day(15)
        assert team.decisive() == ("not_enough_data", {"control_never_reported", "lockout_share_not_bounded"})
        assert _audience(team, "the site")["clients"] == 2000


def test_a_canary_that_arrives_by_another_report_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        assert team.decisive() == ("ready", set())
        assert team.driver.policy is not None
        other = replace(team.driver.policy, report_uri=f"{team.driver.client.base_url}/report/other")
        _put(team, "/policy", **team.driver._members(other), effective_from=(START + timedelta(hours=1)).isoformat())
        assert _missing(team) >= {"no_canary", "pins_not_served"}
        assert _audience(team, "the site")["covered_days"] == 0
        assert team.verdict() != "ready"


@pytest.mark.parametrize("change", ["label", "own key", "order"])
def test_what_clients_do_not_see_restarts_no_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        assert team.decisive() == ("ready", set())
        assert team.driver.policy is not None
        members = team.driver._members(team.driver.policy)
        if change == "label":
            members["pins"] = [{**pin, "label": "in the safe"} for pin in members["pins"]]
        elif change == "own key":
            members["own_keys"] = [str(team.keys.renewed[0].pin)]
        else:
            members["pins"] = members["pins"][::-1]
        team.later(minutes=1)
        _put(team, "/policy", **members)
        assert team.decisive() == ("ready", set())


@pytest.mark.parametrize("change", ["pin", "max-age", "includeSubDomains"])
def test_what_clients_see_restarts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        assert team.driver.policy is not None
        members = team.driver._members(team.driver.policy)
        if change == "pin":
            members["pins"] = [*members["pins"], {"sha256": str(Pin(bytes((9,)) * 32))}]
        elif change == "max-age":
            members["max_age"] = 600
        else:
            members["include_subdomains"] = True
        team.later(minutes=1)
        _put(team, "/policy", **members)
        assert _audience(team, "the site")["covered_days"] == 0
        verdict, codes = team.decisive()
        assert verdict != "ready"
        assert codes >= FEW_DAYS


def test_the_server_is_given_a_header_that_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        assert team.decisive() == ("ready", set())
        team.later(minutes=1)
        team.driver.host.replies = {"": (200, [("Public-Key-Pins-Report-Only", "max-age=1")])}
        assert team.driver.client.post(f"/api/v1/hosts/{HOST}/probe").status_code == 200
        assert team.verdict() != "ready"
        team.next_day()
        assert "pins_not_served" in _missing(team)
        team.play(Serve(team.keys.leaf), RunProbe())
        team.next_day()
        assert team.decisive() == ("ready", set()), "the day is no evidence, and there are enough others"
