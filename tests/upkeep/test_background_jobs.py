"""The background jobs of a real service, while one host's policy cannot be read, and while the store is away."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.support.authority import make_site
from tests.support.server import RunningService, running_service
from tests.support.tls_server import tls_server

_PATIENCE = 180.0
BROKEN = "broken.example"
GOOD = "localhost"


def _wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def _upkeep(service: RunningService) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"{service.url}/readyz", timeout=60).json()["upkeep"]
    return told


def _failing(service: RunningService) -> dict[str, int]:
    return {name: job["failing"] for name, job in _upkeep(service).items()}


def _change_pins(directory: Path, host: str, change: Callable[[str], str]) -> None:
    with closing(sqlite3.connect(directory / "hpkp.sqlite3", timeout=60)) as store:
        pins = store.execute("SELECT pins FROM policy_revisions WHERE host = ?", (host,)).fetchone()[0]
        store.execute("UPDATE policy_revisions SET pins = ? WHERE host = ?", (change(pins), host))
        store.commit()


def test_a_host_whose_policy_cannot_be_read_stops_no_job_and_is_told_everywhere(tmp_path: Path) -> None:
    """Its name comes before the other one's, so that each job meets it first. Then it is repaired."""
    today = datetime.now(UTC)
    site = make_site(GOOD, not_before=today - timedelta(days=1), not_after=today + timedelta(days=89))
    with tls_server(site.leaf, site.intermediate) as server:
        policy = {
            "pins": [{"sha256": site.leaf.pin}, {"sha256": site.root.pin}],
            "report_uri": "http://127.0.0.1:9/report",
        }
        with running_service(tmp_path) as service:
            for host in (BROKEN, GOOD):
                service.client.put(f"/api/v1/hosts/{host}/policy", json=policy).raise_for_status()
            service.stop()
        good: list[str] = []

        def spoil(pins: str) -> str:
            good.append(pins)
            return '[{"sha256": "nothing"}]'

        _change_pins(tmp_path, BROKEN, spoil)
        settings = {
            "HPKP_PROBE_PORT": str(server.port),
            "HPKP_PROBE_INTERVAL_HOURS": "1",
            "HPKP_PROBE_PRIVATE_ADDRESSES": "true",
            "HPKP_CANARY_INTERVAL_HOURS": "1",
            "HPKP_VERDICT_INTERVAL_MINUTES": "0.02",
            "HPKP_ALERT_WEBHOOK": "http://127.0.0.1:9/",
            "HPKP_ALERT_INTERVAL_MINUTES": "0.02",
        }
        with running_service(tmp_path, **settings) as service:
            per_host = {"probes", "canaries", "verdicts", "alerts"}
            _wait_until(lambda: all(_failing(service)[name] == 1 for name in per_host), "the failures")
            _wait_until(
                lambda: service.client.get(f"/api/v1/hosts/{GOOD}/probe").status_code == 200, "the other's probe"
            )
            _wait_until(
                lambda: bool(service.client.get(f"/api/v1/hosts/{GOOD}/verdicts").json()["items"]), "its verdict"
            )
            assert {name for name, count in _failing(service).items() if count} == per_host
            ready = httpx.get(f"{service.url}/readyz")
            assert ready.status_code == 200
            assert "The background job probes is failing; /upkeep says why." in ready.json()["problems"]
            page = service.client.get("/upkeep").text
            metrics = service.client.get("/metrics").text
            for name in per_host:
                job = _upkeep(service)[name]
                assert job["last_failed_at"] is not None
                assert f'hpkp_upkeep_failing{{job="{name}"}} 1.0' in metrics
                assert f"background job {name} failed: " in service.log.read_text()
            assert f"{BROKEN}: " in page
            _change_pins(tmp_path, BROKEN, lambda _: good[0])
            _wait_until(lambda: not any(_failing(service).values()), "all to be well")
            assert httpx.get(f"{service.url}/readyz").json()["problems"] == []
            service.stop()


def test_jobs_go_on_by_themselves_when_the_store_is_back(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "hpkp.sqlite3", tmp_path / "elsewhere.sqlite3"
    with running_service(tmp_path, "--workers", "2", HPKP_VERDICT_INTERVAL_MINUTES="0.02") as service:
        _wait_until(lambda: _upkeep(service).get("verdicts", {}).get("last_run_at") is not None, "a run")
        file.rename(elsewhere)
        _wait_until(lambda: _failing(service)["verdicts"] == 1, "the failure")
        elsewhere.rename(file)
        _wait_until(lambda: not any(_failing(service).values()), "all to be well")
        service.stop()
