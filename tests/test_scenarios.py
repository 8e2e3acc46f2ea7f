"""Whole rollouts, day by day, through the service over HTTP and TLS: the verdict is right every day, with the reason.

Each scenario is played once on a real socket with the clock set; what the rules looked at is kept, so that each rule
left out, and each threshold ten times off, is seen to make a scenario fail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine

from app.app_configs.writers import write_config
from app.demo.rollout import CarryPins, Chain, CountInstalls, Keys, Retire, Rollout, make_keys, pinning_field
from app.demo.scenarios import SCENARIOS, Scenario
from app.hpkp.app_pins.lockout import check_releases
from app.hpkp.app_pins.release import AppRelease
from app.hpkp.deployment import paths_to_check
from app.hpkp.findings import Severity
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy
from app.hpkp.readiness import RULES, Readiness, ReadinessInput, Rule, assess_readiness
from app.hpkp.readiness.evidence_rules import clock
from app.hpkp.readiness.policy_rules import subdomains, unpinned_subdomains
from app.hpkp.readiness.refusal_rules import refusals
from app.hpkp.readiness.release_rules import (
    differing_pins,
    expired_releases,
    reporting_elsewhere,
    some_paths,
    unknown_releases,
    unregistered_releases,
)
from app.hpkp.readiness.violation_rules import enforcing_clients, evaluation, reopened
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.main import create_app
from app.service import Service
from tests.support.admin import ADMIN
from tests.support.application import keep_clock, settings_for
from tests.support.authority import Issued
from tests.support.dashboards.grafana import Range
from tests.support.golden.readiness_text import GOLDEN, golden_file, golden_text
from tests.support.same_answers import check_that_all_say_the_same
from tests.support.tls_server import TlsServer, resolve, tls_server
from tests.support.web_server import served

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOST = Host("www.example.com")


@dataclass
class HttpDriver:
    """Plays on a service over HTTP; the host itself is a TLS server."""

    client: httpx.Client
    host: TlsServer
    policy: PinningPolicy | None = None
    service: Service | None = None

    @property
    def _path(self) -> str:
        return f"/api/v1/hosts/{HOST}"

    def set_policy(self, policy: PinningPolicy, *, report_uri_on_host: bool) -> None:
        uri = f"https://{HOST}/report" if report_uri_on_host else f"{self.client.base_url}/report/canary"
        self.policy = replace(policy, report_uri=uri)
        self._put(f"{self._path}/policy", self._members(self.policy))

    @staticmethod
    def _members(policy: PinningPolicy) -> dict[str, Any]:
        pins = [{"sha256": str(pin.pin)} for pin in policy.pins]
        rest: dict[str, Any] = {"mode": policy.mode, "max_age": policy.max_age, "report_uri": policy.report_uri}
        rest["include_subdomains"] = policy.include_subdomains
        return {"pins": pins, "own_keys": sorted(map(str, policy.own_keys)), **rest}

    def _put(self, path: str, members: dict[str, Any]) -> None:
        answer = self.client.put(path, json=members)
        assert answer.status_code == 200, answer.text

    def post(self, body: bytes, *, address: str) -> None:
        answer = self.client.post("/report", content=body, headers={"x-forwarded-for": address})
        assert answer.status_code == 204, answer.text

    def expose(self, sessions: int | None, clients: int | None, *, app: str) -> None:
        today = datetime.now(UTC).date()
        self._put(f"{self._path}/exposure/{today}", {"sessions": sessions, "clients": clients, "app": app})

    def carry_pins(self, release: CarryPins) -> None:
        assert release.pins is None
        self._put(f"{self._path}/releases", {"app": release.app, "app_version": release.version})

    def register(self, release: AppRelease) -> None:
        """Register a release; the collector of the scenarios is this one, under the name that it has here."""
        files = [
            write_config(layer, layer.form).replace("https://reports.example.net", str(self.client.base_url))
            for layer in release.layers
        ]
        path = f"/api/v1/apps/{release.app}/releases/{release.version}"
        self._put(path, {"platform": release.platform, "files": files})

    def count_installs(self, installs: CountInstalls) -> None:
        day = datetime.now(UTC).date().isoformat()
        counts = [
            {"platform": installs.platform, "day": day, "version": version, "count": count}
            for version, count in installs.by_version
        ]
        answer = self.client.put(f"/api/v1/apps/{installs.app}/installs", json=counts)
        assert answer.status_code == 200, answer.text

    def retire(self, release: Retire) -> None:
        path = f"/api/v1/apps/{release.app}/releases/{release.version}"
        answer = self.client.patch(path, json={"platform": release.platform, "retired": True})
        assert answer.status_code == 200, answer.text

    def add_control(self, pins: tuple[Pin, ...]) -> None:
        answer = self.client.post(f"{self._path}/control", json={"pins": list(map(str, pins))})
        assert answer.status_code == 200, answer.text

    def expose_control(self, clients: int) -> None:
        today = datetime.now(UTC).date()
        self._put(f"{self._path}/exposure/{today}", {"clients": clients, "control": True})

    def send_canary(self, *, arrives: bool) -> None:
        """Send one; a dead report-uri is one that leads elsewhere, and back when it is alive."""
        if not arrives:
            return
        answer = self.client.post(f"{self._path}/canary")
        assert answer.status_code == 200, answer.text

    def probe(self, chain: Chain, *, header: bool) -> None:
        assert self.policy is not None
        self.host.deploy(*(Issued(issued.certificate, issued.key) for issued in chain))
        name, value = pinning_field(self.policy)
        self.host.replies = {"": (200, [(name, value)] if header else [])}
        answer = self.client.post(f"{self._path}/probe")
        assert answer.status_code == 200, answer.text

    def ask(self, *, at: datetime | None = None) -> dict[str, Any]:
        """Ask for the verdict of now or of a past moment, of a service that ran all the time."""
        if self.service is not None:
            keep_clock(self.service)
        answer = self.client.get(f"{self._path}/readiness", params={} if at is None else {"at": at.isoformat()})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def set_status(self, cause: Cause, status: str) -> None:
        found = self.client.get("/api/v1/violations", params={"cause": cause, "limit": "500"}).json()["items"]
        assert found
        for violation in found:
            self.client.patch(f"/api/v1/violations/{violation['id']}", json={"status": status, "note": "a story"})


@dataclass
class Played:
    """A day of a scenario: what the rules looked at, and what the service answered over HTTP, then and at the end."""

    scenario: Scenario
    day: int
    inputs: ReadinessInput
    answer: dict[str, Any]
    looking_back: dict[str, Any]


@contextmanager
def open_driver(directory: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[HttpDriver, Service]]:
    """Run the service and the host; both on sockets of their own."""
    roots, catalog = directory / "roots.pem", directory / "catalog.toml"
    roots.write_text(keys.roots_pem)
    catalog.write_text(keys.catalog)
    first = Issued(keys.leaf[0].certificate, keys.leaf[0].key)
    with tls_server(first) as host:
        resolve(monkeypatch, {HOST: ["127.0.0.1"]})
        settings = settings_for(
            directory, trust_anchors=roots, catalog=catalog, probe_port=host.port, probe_private_addresses=True,
            probe_paths=("/",), verdict_interval_minutes=0, prune_interval_hours=0,
        )  # fmt: skip
        app = create_app(settings)
        with served(app) as url, httpx.Client(base_url=url, headers=ADMIN, timeout=60, trust_env=False) as client:
            yield HttpDriver(client, host, service=app.state.service), app.state.service


def play_scenario(scenario: Scenario, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Keys, list[Played]]:
    """Play a scenario; return its keys and its days."""
    keys, found = make_keys(HOST, at=START + timedelta(days=10)), list[Played]()
    with time_machine.travel(START) as time, open_driver(directory, keys, monkeypatch) as (driver, service):
        rollout = Rollout(keys, driver)
        rollout.play([scenario.day0(keys)], at=START)
        for day in range(scenario.days):
            noon, evening = (START + timedelta(days=day, hours=hours) for hours in (6, 12))
            time.move_to(noon)
            rollout.play(scenario.acts(keys, day), at=noon)
            time.move_to(evening)
            answer = driver.ask()  # first: this waits until the reports of the day are counted
            inputs = service.readiness.gather(HOST, at=evening)
            assert inputs is not None
            found.append(Played(scenario, day, inputs, answer, {}))
        service.readiness.record(HOST, at=evening)
        shown = Range(START, evening + timedelta(hours=1))
        said = check_that_all_say_the_same(driver.client, service.settings, HOST, shown=shown)
        assert said.verdict == scenario.right(scenario.days - 1)[0]
        for played in found:
            played.looking_back = driver.ask(at=datetime.fromisoformat(played.answer["at"]))
    return keys, found


_PLAYED: dict[str, list[Played]] = {}
_KEYS: dict[str, Keys] = {}


def _is_right(played: Played, answer: Readiness) -> bool:
    verdict, decisive = played.scenario.right(played.day)
    found = frozenset(f.code for f in answer.findings if f.severity is Severity.BLOCKER or f.withholds)
    return (answer.verdict, found) == (verdict, decisive)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_verdict_is_right_on_every_day(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mentioned: set[str] = set()
    _KEYS[scenario.name], days = play_scenario(scenario, tmp_path, monkeypatch)
    for played in days:
        verdict, decisive = scenario.right(played.day)
        found = {f["code"] for f in played.answer["findings"] if f["severity"] == "blocker" or f["withholds"]}
        assert (played.answer["verdict"], found) == (verdict.value, set(decisive)), f"day {played.day}"
        mentioned |= {finding["code"] for finding in played.answer["findings"]}
        assert played.answer["as_of"] is None
        of_now = {"as_of": None, "counted_until": played.answer["counted_until"]}
        assert played.looking_back | of_now == played.answer, f"day {played.day}"
    assert scenario.mentions <= mentioned
    _PLAYED[scenario.name] = days


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_is_printed_on_decisive_days_is_what_was_reviewed(scenario: Scenario) -> None:
    inputs = [played.inputs for played in _PLAYED[scenario.name]]
    assert golden_text(scenario, _KEYS[scenario.name], inputs) == golden_file(scenario).read_text(encoding="utf-8")


def test_the_old_release_is_named_before_and_after_the_rotation_and_the_new_ones_are_not() -> None:
    """Day by day, over HTTP: the verdict by release, with installs; before the rotation by a check of its chain."""
    keys = _KEYS["three-releases"]
    renewed = tuple(read_certificate(one.der, position=i) for i, one in enumerate((*keys.renewed, keys.old_root)))
    known = KnownCertificates(public=tuple(one for one in renewed[-1:] if isinstance(one, Certificate)))
    for played in _PLAYED["three-releases"]:
        found = {release["version"]: release for release in played.answer["releases"]}
        served_old = played.day < 6
        if "1.0" in found:
            assert found["1.0"]["verdict"] == ("ready" if served_old else "not_ready"), played.day
            assert found["1.0"]["can_report"] is False
            assert (found["1.0"]["installs"]["count"], found["1.0"]["installs"]["of"]) == (3_410, 284_000)
        else:
            assert played.day >= 12, "retired"
        assert {found[version]["outcome"] for version in ("2.0", "3.0") if version in found} == {"matches"}
        if "3.0" in found:
            assert found["3.0"]["verdict"] == ("ready" if played.day > 15 else "not_enough_data"), played.day
        blockers = [f for f in played.answer["findings"] if f["code"] == "release_locked_out"]
        assert bool(blockers) is (6 <= played.day < 12)
        for blocker in blockers:
            assert "com.example.shop 1.0 (ios): 3,410 of 284,000 installs (1.2%)" in blocker["message"]
            assert not {"2.0", "3.0"} & {release["version"] for release in blocker["evidence"]["releases"]}
        if served_old:  # what `hpkp check` says before the rotation
            releases = [check.release for check in played.inputs.evidence.releases]
            paths = paths_to_check(renewed, known, host=str(HOST), at=played.inputs.at)
            checks = check_releases(releases, [], paths, host=str(HOST), at=played.inputs.at)
            assert [str(check.release.version) for check in checks if check.deployable is False] == ["1.0"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_headline_of_a_story_names_the_host_in_at_most_twenty_words(scenario: Scenario) -> None:
    for played in _PLAYED[scenario.name]:
        headline = assess_readiness(played.inputs).headline
        assert len(headline.split()) <= 20
        assert HOST in headline


def test_every_reviewed_answer_is_that_of_a_story() -> None:
    assert sorted(GOLDEN.iterdir()) == sorted(golden_file(scenario) for scenario in SCENARIOS)


def _all_days() -> list[Played]:
    """Return every day of every scenario; these tests stand behind those that play them."""
    assert set(_PLAYED) == {scenario.name for scenario in SCENARIOS}, "run the whole file: it plays the scenarios first"
    return [played for days in _PLAYED.values() for played in days]


NOT_OF_ROLLOUTS = (
    clock, evaluation, refusals, subdomains, unpinned_subdomains, enforcing_clients, reopened,
    unknown_releases, some_paths, expired_releases, reporting_elsewhere, differing_pins, unregistered_releases,
)  # fmt: skip
OF_ROLLOUTS = [rule for rule in RULES if rule not in NOT_OF_ROLLOUTS]
"""No scenario is about a service whose clock is wrong (`tests.faults.test_clock`), one that is behind with its own work
(`tests.store.test_policies`), what was refused, subdomains, clients that enforce a report-only policy, or decisions
that are outgrown (`tests.test_red_team`; without each of these a situation of `tests.test_red_team_faults` fails). What
else is told of releases: `tests.hpkp.test_release_verdicts`."""


@pytest.mark.parametrize("rule", OF_ROLLOUTS, ids=lambda rule: rule.__name__)
def test_without_a_rule_a_story_fails(rule: Rule) -> None:
    others = tuple(other for other in RULES if other is not rule)
    days = _all_days()
    answers = [(played, assess_readiness(played.inputs, rules=others)) for played in days]
    wrong = [played for played, answer in answers if not _is_right(played, answer)]
    mentioned = {(played.scenario.name, f.code) for played, answer in answers for f in answer.findings}
    unmentioned = [s for s in SCENARIOS for code in s.mentions if (s.name, code) not in mentioned]
    assert wrong or unmentioned


@pytest.mark.parametrize("factor", [10, 0.1])
@pytest.mark.parametrize(
    "name", ["observation", "covered_age", "probe_age", "canary_age", "lockout_share", "interception_share"]
)
def test_with_a_threshold_ten_times_off_a_story_fails(name: str, factor: float) -> None:
    def shifted(inputs: ReadinessInput) -> ReadinessInput:
        limits = inputs.limits
        return replace(inputs, limits=replace(limits, **{name: getattr(limits, name) * factor}))

    assert not all(_is_right(played, assess_readiness(shifted(played.inputs))) for played in _all_days())
