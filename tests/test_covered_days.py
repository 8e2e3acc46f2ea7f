"""What was once `ready` and must not be: silence counts only on days on which a violation would have been reported.

Each case plays a rollout into a real database through the use cases, day by day, and asks them for the verdict; every
one differs in one thing from the careful operator's, which reaches `ready`.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.answers.readiness import readiness_answer
from app.cli.store_driver import StoreDriver
from app.demo.forms import FORMS
from app.demo.incident import Incident, SampleApp
from app.demo.rollout import CarryPins, Expose, Keys, make_keys
from app.hpkp.audience import SITE, UNKNOWN_APPS, Audience
from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.readiness import Readiness, Verdict
from app.hpkp.readiness.text import write_text
from app.hpkp.report import Sender
from app.metrics import Metrics
from app.service import Service, open_service
from tests.support.application import settings_for
from tests.support.postgres import postgres_database

HOST = Host("www.example.com")
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
DAY = timedelta(days=1)
REPORT_URI = "https://reports.example.net/report"
APP = "com.example.shop"


@functools.cache
def _keys() -> Keys:
    return make_keys(HOST, at=NOW)


@dataclass
class Operator:
    """Rolls out pins on a service of its own; ``careful`` does what every day needs."""

    service: Service
    driver: StoreDriver = field(init=False)

    def __post_init__(self) -> None:
        self.driver = StoreDriver(self.service, HOST, NOW)

    @property
    def policy(self) -> PinningPolicy:
        """The pins of the key in use and of the backup key."""
        pins = tuple(map(ExpectedPin, (_keys().leaf[0].pin, _keys().backup)))
        return PinningPolicy(HOST, pins, max_age=300, report_uri=REPORT_URI)

    def publish(self, policy: PinningPolicy, *, days_ago: float) -> None:
        """Enter a policy."""
        self.driver.moment = NOW - days_ago * DAY
        self.driver.publish(policy)

    def careful(
        self,
        *,
        days: int = 20,
        header: Callable[[int], bool] = lambda ago: True,
        look: Callable[[int], bool] = lambda ago: True,
        canary: Callable[[int], bool] = lambda ago: True,
        exposed: Callable[[int], tuple[Expose, ...]] = lambda ago: (Expose(None, 4000),),
    ) -> None:
        """Look, send a canary and count clients at noon of every day since so many days; each may be left out."""
        for ago in reversed(range(days + 1)):
            self.driver.moment = NOW - ago * DAY - timedelta(hours=6)
            if look(ago):
                self.driver.probe(_keys().leaf, header=header(ago))
            if canary(ago):
                self.driver.send_canary(arrives=True)
            self.driver.count(exposed(ago))

    def count_before(self, counted: Callable[[date], ExposedDay], *, days: int = 30) -> None:
        """Tell of past days today."""
        told = [counted((NOW - ago * DAY).date()) for ago in range(days + 1)]
        self.service.records.record_exposure(told, origin="api", at=NOW)

    def intercept(self, clients: int, *, days_ago: int, version: str = "4.2") -> None:
        """Let installs of the app meet a proxy; each reports once."""
        self.driver.moment = NOW - days_ago * DAY
        for number in range(clients):
            app = SampleApp(APP, version, f"0B5A2C1E-7C39-4E57-9C55-{version.replace('.', '')}{number:010}")
            incident = Incident(
                hostname=HOST,
                noted_hostname=HOST,
                known_pins=tuple(pin.pin for pin in self.policy.pins),
                served=[issued.der for issued in _keys().proxied],
                validated=[issued.der for issued in (*_keys().proxied, _keys().proxy_root)],
                at=self.driver.moment,
                app=app,
            )
            body = FORMS[Sender.TRUSTKIT_APPLE].sample(incident).body
            self.driver.post(body, address=f"198.51.{100 + number % 100}.{1 + number // 100}")

    def ask(self, at: datetime = NOW) -> Readiness:
        """Ask for the verdict; the answer for the same moment, asked as a past one, has to be the same."""
        assessed = self.service.readiness.assess(HOST, at=at)
        assert assessed is not None
        policy, answer = assessed
        past = self.service.readiness.assess(HOST, at=at, past=True)
        assert past is not None
        assert readiness_answer(*past, at=at) == readiness_answer(policy, answer, at=at)
        return answer


@pytest.fixture
def operator(application_store: str, tmp_path: Path) -> Iterator[Operator]:
    roots = tmp_path / "roots.pem"
    roots.write_text(_keys().roots_pem)
    with ExitStack() as stack:
        store = {}
        if application_store == "postgresql":
            store["database_url"] = stack.enter_context(postgres_database())
        service = open_service(settings_for(tmp_path, trust_anchors=roots, **store), Metrics())
        stack.callback(service.engine.dispose)
        service.rejudging.run_if_knowledge_changed(at=NOW - 40 * DAY)
        yield Operator(service)


def _codes(answer: Readiness) -> set[str]:
    return {finding.code for finding in answer.findings if finding.withholds or finding.severity == "blocker"}


def _missing(answer: Readiness, audience: Audience = SITE) -> set[str]:
    (found,) = [known for known in answer.audiences if known.audience == audience]
    return {reason for day in found.days.days for reason in day.missing}


def _covered(answer: Readiness, audience: Audience = SITE) -> int:
    (found,) = [known for known in answer.audiences if known.audience == audience]
    return len(found.days.covered)


@pytest.mark.both_databases
def test_what_a_careful_operator_does_reaches_ready(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful()
    answer = operator.ask()
    assert (answer.verdict, _codes(answer), _missing(answer)) == (Verdict.READY, set(), set())
    assert (_covered(answer), answer.estimate.of, answer.audiences[0].days.last) == (19, 4000, date(2026, 11, 19))


def test_a_collector_installed_a_moment_ago_has_seen_nothing_of_the_past(operator: Operator) -> None:
    operator.publish(replace(operator.policy, effective_from=NOW - 30 * DAY), days_ago=0.01)
    operator.count_before(lambda day: ExposedDay(HOST, day, None, 20_000))
    operator.driver.moment = NOW
    operator.driver.probe(_keys().leaf, header=True)
    operator.driver.send_canary(arrives=True)
    answer = operator.ask()
    assert (answer.verdict, _covered(answer)) == (Verdict.NOT_ENOUGH_DATA, 0)
    assert _missing(answer) == {"not_probed", "no_canary"}


def test_exposure_of_a_single_day_four_weeks_ago_covers_no_other(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=30)
    operator.careful(days=30, exposed=lambda ago: (Expose(None, 20_000),) if ago == 27 else ())
    answer = operator.ask()
    assert (answer.verdict, _covered(answer)) == (Verdict.NOT_ENOUGH_DATA, 1)
    assert _codes(answer) == {"too_few_covered_days", "covered_days_too_old"}
    finding = answer.findings[0]
    assert finding.evidence["missing"]["2026-11-19"] == ["exposure_unknown"]  # type: ignore[index]
    assert "2026-10-25 to 2026-11-19: exposure is unknown" in finding.message
    assert "hpkp exposure import" in finding.fix


def test_a_header_served_since_a_second_ago_was_not_there_before(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(header=lambda ago: False)
    operator.driver.moment = NOW
    operator.driver.probe(_keys().leaf, header=True)
    answer = operator.ask()
    assert (answer.verdict, _covered(answer)) == (Verdict.NOT_ENOUGH_DATA, 0)
    assert _missing(answer) == {"pins_not_served"}


def test_a_day_between_a_look_with_the_header_and_one_without_is_none(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(header=lambda ago: ago != 5)
    answer = operator.ask()
    assert _covered(answer) == 19 - 3, "the day itself, the one before and the one after"
    days = {day.day for day in answer.audiences[0].days.days if day.missing}
    assert days == {date(2026, 11, 14), date(2026, 11, 15), date(2026, 11, 16)}


def test_looks_too_far_apart_say_nothing_of_the_time_between(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(look=lambda ago: ago in (20, 10, 0))
    assert _missing(operator.ask()) == {"not_probed"}
    operator.careful(look=lambda ago: ago % 2 == 1)
    assert operator.ask().verdict is Verdict.READY, "two days apart is near enough"


@pytest.mark.parametrize("recorded", ["nothing", "no pins", "other pins"])
def test_installs_of_releases_without_these_pins_could_not_have_reported(operator: Operator, recorded: str) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (Expose(None, 30_000, APP, "3.9"),))
    if recorded != "nothing":
        pins: tuple[Pin, ...] = () if recorded == "no pins" else (_keys().retired, _keys().backup)
        operator.driver.carry_pins(CarryPins(APP, "3.9", pins))
    answer = operator.ask()
    assert (answer.verdict, answer.estimate.of) == (Verdict.NOT_ENOUGH_DATA, None)
    named = {str(known.audience) for known in answer.audiences}
    # The header is served, so the site is in use; what carries no pins of the policy is no audience of it.
    assert named == ({"the site", f"{APP} 3.9"} if recorded == "nothing" else {"the site"})
    if recorded == "nothing":
        assert _missing(answer, Audience(APP, "3.9")) == {"release_pins_unknown"}
        assert any(f"hpkp exposure release {HOST} {APP} 3.9" in step for step in answer.plan.do)


@pytest.mark.both_databases
def test_installs_of_releases_that_carry_the_pins_are_evidence_of_their_own(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (Expose(None, 4000), Expose(None, 5000, APP, "4.2")))
    operator.driver.carry_pins(CarryPins(APP, "4.2"))
    answer = operator.ask()
    assert answer.verdict is Verdict.READY
    assert {(str(known.audience), known.estimate.of) for known in answer.audiences} == {
        ("the site", 4000), (f"{APP} 4.2", 5000),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("exposed", "code"),
    [(Expose(28_000, 20), "lockout_share_not_bounded"), (Expose(28_000, None), "too_few_covered_days")],
    ids=["of 20 clients", "of clients that were not counted"],
)
def test_sessions_never_stand_in_for_clients(operator: Operator, exposed: Expose, code: str) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (exposed,))
    answer = operator.ask()
    assert (answer.verdict, _codes(answer)) == (Verdict.NOT_ENOUGH_DATA, {code})


@pytest.mark.both_databases
def test_installs_behind_interception_are_not_measured_against_visitors_of_the_site(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (Expose(None, 40_000), Expose(None, 3000, APP, "4.2")))
    operator.driver.carry_pins(CarryPins(APP, "4.2"))
    operator.intercept(45, days_ago=3)
    answer = operator.ask()
    assert (answer.verdict, _codes(answer)) == (Verdict.NOT_READY, {"interception_share_over_limit"})
    worst, site = answer.audiences
    assert (worst.audience, worst.verdict) == (Audience(APP, "4.2"), Verdict.NOT_READY)
    assert (site.audience, site.verdict) == (SITE, Verdict.READY)
    assert f"for {APP} 4.2" in answer.headline
    operator.driver.set_status(Cause.PRIVATE_ROOT, "expected")
    assert operator.service.readiness.assess(HOST, at=NOW + timedelta(minutes=1))[1].verdict is Verdict.READY  # type: ignore[index]


def test_reports_of_an_app_whose_installs_are_unknown_withhold_until_one_decision(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (Expose(None, 40_000),))
    operator.intercept(5, days_ago=3)
    answer = operator.ask()
    assert (answer.verdict, _codes(answer)) == (Verdict.NOT_ENOUGH_DATA, {"too_few_covered_days"})
    assert answer.audiences[0].audience == UNKNOWN_APPS
    assert f"{APP} 4.2" in answer.findings[0].message
    operator.driver.set_status(Cause.PRIVATE_ROOT, "expected")
    assert operator.service.readiness.assess(HOST, at=NOW + timedelta(minutes=1))[1].verdict is Verdict.READY  # type: ignore[index]


@pytest.mark.both_databases
def test_clients_are_counted_against_the_release_that_they_run(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (Expose(None, 3000, APP, "4.1"), Expose(None, 100_000, APP, "4.2")))
    for version in ("4.1", "4.2"):
        operator.driver.carry_pins(CarryPins(APP, version))
    operator.intercept(2, days_ago=3, version="4.1")
    operator.intercept(40, days_ago=3, version="4.2")
    answer = operator.ask()
    met = {known.audience.version: known.estimate.interception for known in answer.audiences}
    assert (met["4.1"].at_most, met["4.2"].at_most) == (2, 40)
    assert met["4.2"].at_least >= 38
    assert "interception_share_over_limit" not in _codes(answer), "42 of 3000 would be too many"


@pytest.mark.parametrize("days_without_canary", [range(1, 12), range(15)], ids=["gap", "since then"])
def test_a_day_without_a_canary_is_no_evidence(operator: Operator, days_without_canary: range) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(canary=lambda ago: ago not in days_without_canary)
    answer = operator.ask()
    assert answer.verdict is Verdict.NOT_ENOUGH_DATA
    assert _missing(answer) == {"no_canary"}
    assert "covered_days_too_old" in _codes(answer)


def test_a_canary_of_another_report_uri_says_nothing_of_this_one(operator: Operator) -> None:
    operator.publish(replace(operator.policy, report_uri="https://other.example.net/report"), days_ago=20)
    operator.careful()
    at = NOW + timedelta(minutes=5)
    operator.service.policies.set(replace(operator.policy, effective_from=NOW - 20 * DAY), at=at)
    answer = operator.service.readiness.assess(HOST, at=at)
    assert answer is not None
    assert _missing(answer[1]) == {"no_canary", "pins_not_served"}


def _changed(policy: PinningPolicy) -> dict[str, PinningPolicy]:
    named = tuple(replace(pin, label="the key in the safe") for pin in policy.pins)
    return {
        "labels": replace(policy, pins=named),
        "order": replace(policy, pins=policy.pins[::-1]),
        "own keys": replace(policy, own_keys=frozenset({_keys().renewed[0].pin})),
        "pins": replace(policy, pins=(*policy.pins, ExpectedPin(_keys().renewed[0].pin))),
        "includeSubDomains": replace(policy, include_subdomains=True),
        "report-uri": replace(policy, report_uri="https://other.example.net/report"),
        "max-age": replace(policy, max_age=600),
        "mode": replace(policy, mode=Mode.ENFORCE),
    }


@pytest.mark.parametrize("what", ["labels", "order", "own keys"])
def test_what_clients_do_not_see_restarts_no_clock(operator: Operator, what: str) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful()
    operator.publish(_changed(operator.policy)[what], days_ago=0.01)
    answer = operator.ask()
    assert (answer.verdict, _covered(answer)) == (Verdict.READY, 19)


@pytest.mark.parametrize("what", ["pins", "includeSubDomains", "report-uri", "max-age", "mode"])
def test_what_clients_see_restarts_it(operator: Operator, what: str) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful()
    operator.publish(_changed(operator.policy)[what], days_ago=0.01)
    answer = operator.ask()
    assert (answer.verdict is Verdict.READY, _covered(answer)) == (False, 0)


def test_adding_an_own_key_hides_no_violation_of_before(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(exposed=lambda ago: (Expose(None, 40_000), Expose(None, 3000, APP, "4.2")))
    operator.driver.carry_pins(CarryPins(APP, "4.2"))
    operator.intercept(45, days_ago=3)
    operator.publish(_changed(operator.policy)["own keys"], days_ago=0.01)
    assert "interception_share_over_limit" in _codes(operator.ask())


def test_a_withdrawal_in_between_ends_what_was_observed(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful()
    operator.service.policies.withdraw(HOST, at=NOW - timedelta(hours=2))
    operator.publish(operator.policy, days_ago=0.01)
    assert _covered(operator.ask()) == 0


def test_days_that_were_covered_long_ago_say_nothing_of_today(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=60)
    operator.careful(days=60, exposed=lambda ago: (Expose(None, 4000),) if ago > 30 or ago < 4 else ())
    answer = operator.ask()
    assert (answer.verdict, _codes(answer), _covered(answer)) == (
        Verdict.NOT_ENOUGH_DATA, {"too_few_covered_days"}, 3,
    )  # fmt: skip


def test_text_and_answer_tell_the_same_of_every_audience(operator: Operator) -> None:
    operator.publish(operator.policy, days_ago=20)
    operator.careful(
        canary=lambda ago: ago != 7, exposed=lambda ago: (Expose(None, 4000), Expose(None, 9000, APP, "4.2"))
    )
    answer, policy = operator.ask(), operator.policy
    told = readiness_answer(policy, answer, at=NOW)["audiences"]
    lines = [line.text.strip() for line in write_text(policy, answer, at=NOW, verbose=True)]
    assert len(told) == 2
    for audience in told:
        verdict = audience["verdict"].replace("_", " ")
        begin = f"{audience['audience']}: {audience['covered_days']} days ({audience['needed_days']} required)"
        (line,) = [line for line in lines if line.startswith(begin)]
        assert line.endswith(f": {verdict}")
        reasons = {f"{day['day']}" for day in audience["days"] if "no_canary" in day["missing"]}
        assert reasons == {"2026-11-13"}
    assert any("2026-11-13: no canary arrived" in line for line in lines)
    assert answer.estimate.audience == Audience(APP, "4.2"), "its pins are not recorded, so it is the worst"
