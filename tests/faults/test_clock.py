"""A clock that is wrong: instants are the store's to be given, so these reports are received when the test says."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, func, select

from app.hpkp.clock import ImplausibleClock
from app.hpkp.hosts import Host
from app.hpkp.probe_result import Probe, describe_live
from app.hpkp.x509.anchors import KnownCertificates
from app.settings import Settings
from app.store import tables
from app.store.canaries import add_canary, hosts_without_canary_since
from app.store.engine import DAY_MS, HOUR_MS, from_ms, now_ms, open_engine, upgrade, writing
from app.store.probes import add_probe
from app.store.read.probes import hosts_not_probed_since
from app.usecases.clock import Clock
from app.usecases.retention import Retention
from tests.support.postgres import postgres_database
from tests.support.reports import HOST, distinct_bodies, report_body, site
from tests.support.server import RunningService, running_service
from tests.support.store.ingest_harness import AT, IngestHarness, Taken, submission


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Open an empty store."""
    if request.param == "postgresql":
        with postgres_database() as url:
            opened = open_engine(url)
            yield opened
            opened.dispose()
        return
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    opened = open_engine(url)
    yield opened
    opened.dispose()


def test_a_clock_that_goes_back_loses_nothing_and_counts_nothing_twice(engine: Engine) -> None:
    """Sent: 50 reports at noon, 50 others an hour before that, in one batch with retries of the first ones.

    Acknowledged: all; the retries as such. Found: 100, each in the hour that the clock showed; the violation was last
    seen at the later of the two times.
    """
    harness = IngestHarness.at(engine)
    bodies = distinct_bodies(100)
    assert harness.take(*(submission(body, at=AT) for body in bodies[:50])) == [Taken.ACCEPTED] * 50
    after = [submission(body, at=AT - HOUR_MS) for body in bodies]
    assert harness.take(*after) == [Taken.DUPLICATE] * 50 + [Taken.ACCEPTED] * 50
    violation = harness.only(tables.violations)
    assert (violation.reports, violation.last_received_at) == (100, AT)
    hours = {row.hour: row.reports for row in harness.rows(tables.rollup_hours)}
    assert hours == {AT: 50, AT - HOUR_MS: 50}
    # And when it is right again, a retry is still one.
    assert harness.take(*(submission(body, at=AT + HOUR_MS) for body in bodies)) == [Taken.DUPLICATE] * 100


def _retention(engine: Engine) -> Retention:
    settings = Settings(_env_file=None, keep_rollups_days=30, keep_rows_days=30, keep_bodies_days=30)
    return Retention(engine, settings, Clock(engine))


def _stored(engine: Engine) -> dict[str, int]:
    """Count what pruning may delete."""
    kinds = (tables.violations, tables.reports, tables.rollup_hours, tables.rollup_days, tables.host_days, tables.hosts)
    with engine.connect() as connection:
        return {t.name: connection.scalar(select(func.count()).select_from(t)) or 0 for t in kinds}


def _events(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(tables.events.c.kind).order_by(tables.events.c.id)))


def test_a_clock_that_is_far_ahead_deletes_nothing_until_it_is_confirmed(engine: Engine) -> None:
    """Also not when reports were received by it: they must not make it plausible."""
    harness, retention = IngestHarness.at(engine), _retention(engine)
    harness.take(submission())
    assert retention.clock.check(at=from_ms(AT)) is None
    before = _stored(engine)
    ahead = AT + 1000 * DAY_MS
    for _ in range(2):
        with pytest.raises(ImplausibleClock, match=r"1,000 days after the last time.*hpkp clock confirm"):
            retention.prune(at=from_ms(ahead))
    assert _stored(engine) == before
    harness.take(submission(report_body(port=99), at=ahead))
    with pytest.raises(ImplausibleClock):
        retention.prune(at=from_ms(ahead + HOUR_MS))
    assert _stored(engine)["violations"] == 2
    assert _events(engine) == ["clock_implausible"], "once, however often it is asked"
    retention.clock.confirm(at=from_ms(ahead + HOUR_MS))
    assert retention.prune(at=from_ms(ahead + 2 * HOUR_MS))["violations"] == 1
    assert _events(engine) == ["clock_implausible", "clock_confirmed", "pruned"]


def test_reports_from_when_the_clock_was_ahead_are_a_doubt_that_one_confirmation_ends(engine: Engine) -> None:
    harness, retention = IngestHarness.at(engine), _retention(engine)
    harness.take(submission())
    assert retention.clock.check(at=from_ms(AT)) is None
    harness.take(submission(report_body(port=99), at=AT + 1000 * DAY_MS))
    now = AT + DAY_MS
    with pytest.raises(ImplausibleClock, match="received 999 days later"):
        retention.prune(at=from_ms(now))
    retention.clock.confirm(at=from_ms(now))
    assert retention.clock.check(at=from_ms(now)) is None
    retention.prune(at=from_ms(now))
    assert _stored(engine)["violations"] == 2
    # Others from the future are another doubt.
    harness.take(submission(report_body(port=100), at=AT + 2000 * DAY_MS))
    assert retention.clock.check(at=from_ms(now)) is not None


def test_a_clock_that_is_far_behind_is_a_doubt(engine: Engine) -> None:
    retention = _retention(engine)
    assert retention.clock.check(at=from_ms(AT)) is None
    with pytest.raises(ImplausibleClock, match="2 days before a time that it showed already"):
        retention.prune(at=from_ms(AT - 2 * DAY_MS))
    retention.clock.confirm(at=from_ms(AT - 2 * DAY_MS))
    retention.prune(at=from_ms(AT - 2 * DAY_MS))


@pytest.mark.parametrize("days", [-0.9, 0, 0.5, 6.9])
def test_a_clock_that_was_set_or_was_off_for_days_is_no_doubt(engine: Engine, days: float) -> None:
    retention = _retention(engine)
    assert retention.clock.check(at=from_ms(AT)) is None
    assert retention.clock.check(at=from_ms(AT + int(days * DAY_MS))) is None


def test_silence_for_years_is_no_doubt_while_the_collector_runs(engine: Engine) -> None:
    """The last report may be old: what counts is what the clock showed."""
    IngestHarness.at(engine).take(submission())
    clock = Clock(engine)
    assert [clock.check(at=from_ms(AT + day * DAY_MS)) for day in range(0, 1000, 6)] == [None] * 167


def test_on_a_store_on_which_it_was_never_checked_the_newest_record_stands_for_it(engine: Engine) -> None:
    IngestHarness.at(engine).take(submission())
    assert Clock(engine).check(at=from_ms(AT + 6 * DAY_MS)) is None
    with writing(engine) as connection:
        connection.execute(tables.clock.delete())
    assert Clock(engine).check(at=from_ms(AT + 8 * DAY_MS)) is not None


def test_an_empty_store_believes_the_clock(engine: Engine) -> None:
    assert Clock(engine).check(at=from_ms(AT + 1000 * DAY_MS)) is None


def test_retries_are_known_after_a_clock_that_was_ahead(engine: Engine) -> None:
    """Digests of retries expire by what is received now, not by what was received in the future."""
    harness = IngestHarness.at(engine)
    harness.take(submission(report_body(port=99), at=AT + 1000 * DAY_MS))
    assert harness.take(submission()) == [Taken.ACCEPTED]
    assert harness.take(submission(report_body(port=1), at=AT + 1)) == [Taken.ACCEPTED]
    assert harness.take(submission(at=AT + HOUR_MS)) == [Taken.DUPLICATE]


def test_hosts_are_due_although_they_were_looked_at_in_the_future(engine: Engine) -> None:
    harness = IngestHarness.at(engine)
    harness.set_policy(HOST)
    future, hour = from_ms(AT + 1000 * DAY_MS), timedelta(hours=1)
    with writing(engine) as connection:
        add_probe(connection, describe_live(Probe(Host(HOST), 443, future, fault="none"), KnownCertificates()))
        add_canary(connection, HOST, b"n" * 16, report_uri="https://reports.example.net/", at=future)
        assert hosts_not_probed_since(connection, from_ms(AT) - hour, until=from_ms(AT)) == [HOST]
        assert hosts_without_canary_since(connection, from_ms(AT) - hour, until=from_ms(AT)) == [HOST]
        assert hosts_not_probed_since(connection, future - hour, until=future) == []
        assert hosts_without_canary_since(connection, future - hour, until=future) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("days", [-1000, 1000], ids=["ahead", "behind"])
def test_a_service_whose_clock_is_implausible_tells_it_everywhere_until_it_is_confirmed(
    tmp_path: Path, kind: str, days: int
) -> None:
    """The time that the clock showed last is moved: for the service that is as if its clock had been."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
        if kind == "postgresql":
            url = stack.enter_context(postgres_database())
        settings = {"HPKP_DATABASE_URL": url, "HPKP_VERDICT_INTERVAL_MINUTES": "0.02", "HPKP_KEEP_ROLLUPS_DAYS": "30"}
        service = stack.enter_context(running_service(tmp_path, **settings))
        policy = {"pins": [{"sha256": site().leaf.pin}, {"sha256": site().root.pin}]}
        service.client.put(f"/api/v1/hosts/{HOST}/policy", json=policy).raise_for_status()
        _wait_until(lambda: _verdicts(service) == 1, "the first verdict")
        service.stop()
        with closing_engine(url) as engine, writing(engine) as connection:
            connection.execute(tables.clock.update().values(shown_at=now_ms() + days * DAY_MS))
        service = stack.enter_context(running_service(tmp_path, **settings))

        def problems() -> list[str]:
            told: list[str] = httpx.get(f"{service.url}/readyz").json()["problems"]
            return told

        def command(*words: str) -> subprocess.CompletedProcess[str]:
            environment = os.environ | settings | {"HPKP_LOG_DIR": str(service.log_root)}
            return subprocess.run(
                [sys.executable, "-m", "app.cli", *words], env=environment, capture_output=True, text=True, check=False
            )

        _wait_until(lambda: any("The clock of the collector shows" in text for text in problems()), "the doubt")
        _wait_until(lambda: any("background job pruning is failing" in text for text in problems()), "pruning")
        assert 'hpkp_upkeep_failing{job="clock"} 1.0' in service.client.get("/metrics").text
        assert "The clock of the collector shows" in service.client.get("/upkeep").text
        events = service.client.get("/api/v1/events").json()["items"]
        assert "clock_implausible" in {event["kind"] for event in events}
        readiness = service.client.get(f"/api/v1/hosts/{HOST}/readiness").json()
        [finding] = [f for f in readiness["findings"] if f["code"] == "clock_implausible"]
        assert finding["withholds"]
        assert "hpkp clock confirm" in finding["fix"]
        assert _verdicts(service) == 1, "it is about the service, not the host"
        pruned = command("prune")
        assert (pruned.returncode, "hpkp clock confirm" in pruned.stderr) == (2, True)
        assert "Traceback" not in pruned.stderr
        assert command("clock", "check").returncode == 1
        assert command("clock", "confirm").returncode == 0
        assert command("clock", "check").returncode == 0
        assert command("prune").returncode == 0
        _wait_until(lambda: problems() == [], "all to be well")
        service.stop()


def _verdicts(service: RunningService) -> int:
    return len(service.client.get(f"/api/v1/hosts/{HOST}/verdicts").json()["items"])


def _wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 180
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    """Open a store within a block."""
    engine = open_engine(url)
    yield engine
    engine.dispose()
