"""Every question of the health board, put to a real Prometheus that scrapes a running service."""

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.dashboards.boards import FILES, FOLDER
from tests.dashboards.metrics import metric_names
from tests.debian import debian_program
from tests.reports import report_body
from tests.server import running_service

[HEALTH] = [file for file in FILES if file.engine == "prometheus"]
CONFIGURATION = FOLDER / "prometheus" / "prometheus.yaml"
_STARTED = re.compile(r'msg="Listening on"[^\n]* address=(\S+)')
_PATIENCE = 180.0
_QUIET = {"Store errors", "Refused by us"}
"""Panels of what does not happen in the test: their value is 0."""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, and a client of it."""

    client: httpx.Client

    def ask(self, path: str, **parameters: Any) -> Any:
        """Return what it answers, which has to be success."""
        answer = self.client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, expression: str) -> list[float]:
        """Return the values that an expression has now."""
        return [float(sample["value"][1]) for sample in self.ask("query", query=expression)["result"]]


@contextmanager
def _prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run it with the committed rules, scraping the target every half second."""
    program = debian_program("prometheus", package="prometheus")
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    configuration["rule_files"] = [str(FOLDER / "prometheus" / name) for name in configuration["rule_files"]]
    [job] = configuration["scrape_configs"]
    del job["authorization"]
    job["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    log = folder / "prometheus.log"
    command = [
        str(program.path),
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=dict(program.environment), stdout=stream, stderr=stream)
    try:
        with httpx.Client(base_url=_address(process, log), timeout=20, trust_env=False) as client:
            yield Prometheus(client)
    finally:
        process.kill()
        process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if match := _STARTED.search(log.read_text()):
            return f"http://{match[1]}"
        time.sleep(0.05)
    raise AssertionError(f"Prometheus did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has seen a service take reports and refuse others, for a while."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running_service(folder) as service, _prometheus(folder, service.url.removeprefix("http://")) as running:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for body in (report_body(), b"hello"):
                httpx.post(f"{service.url}/report", content=body, trust_env=False)
            if running.values("job:hpkp_commit_wait_seconds:p99_rate5m > 0") and len(
                running.values("count_over_time(hpkp_commit_seconds_count[1m]) > 6")
            ):
                break
            time.sleep(0.2)
        yield running


def _expression(text: str) -> str:
    """Put in the variables as Grafana does: all that were chosen, as a regular expression."""
    return text.replace("$job", "(hpkp)").replace("$__rate_interval", "15s")


def _questions() -> list[Any]:
    return [
        pytest.param(panel["title"], target, id=f"{panel['title'].replace(' ', '-')}-{target['refId']}")
        for panel in HEALTH.panels()
        for target in panel["targets"]
    ]


@pytest.mark.parametrize(("title", "target"), _questions())
def test_prometheus_answers_a_panel(prometheus: Prometheus, title: str, target: dict[str, Any]) -> None:
    expression = _expression(target["expr"])
    assert "$" not in expression
    found = prometheus.values(expression)
    assert found
    assert all(math.isfinite(value) for value in found)
    if title in _QUIET:
        assert set(found) == {0.0}
    now = time.time()
    over_time = prometheus.ask("query_range", query=expression, start=now - 30, end=now, step=5)
    assert over_time["resultType"] == "matrix"
    assert over_time["result"]
    for name in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        assert all(series["metric"][name] for series in over_time["result"])


def test_the_board_shows_what_happened(prometheus: Prometheus) -> None:
    [taken] = prometheus.values('hpkp_submissions_total{outcome="accepted"}')
    [counted] = prometheus.values('hpkp_folded_reports_total{result="accepted"}')
    [refused] = prometheus.values('hpkp_submissions_total{outcome="unreadable"}')
    assert taken > 1
    assert counted == 1, "the same bytes again are a retry"
    assert refused > 1


def test_the_variable_finds_the_job(prometheus: Prometheus) -> None:
    [variable] = HEALTH.variables("query")
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert asked is not None
    assert prometheus.ask(f"label/{asked[2]}/values", **{"match[]": asked[1]}) == ["hpkp"]


def test_rules_are_worked_out_without_a_fault(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in rules):
            break
        time.sleep(0.2)
    assert {rule["health"] for rule in rules} == {"ok"}
    assert prometheus.values("job_outcome:hpkp_submissions:rate5m")


def test_counters_are_asked_for_their_rate_over_an_interval_that_fits() -> None:
    text = json.dumps([target["expr"] for panel in HEALTH.panels() for target in panel["targets"]])
    named = re.findall(r"(\w+)\((hpkp_\w+)\{[^}]*\}(\[[^\]]+\])?", text)
    assert {name for _, name, _ in named} <= metric_names()
    for function, name, window in named:
        counts = name.endswith(("_total", "_bucket", "_sum", "_count"))
        assert function in (("rate", "increase") if counts else ("sum", "max"))
        assert window == {"rate": "[$__rate_interval]", "increase": "[1h]"}.get(function, "")


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    program = debian_program("promtool", package="prometheus")
    token = tmp_path / "token"
    token.touch()
    for path in (FOLDER / "prometheus").glob("*.yaml"):
        text = path.read_text().replace("/tokens/prometheus", str(token))
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        [str(program.path), "check", "config", "prometheus.yaml"],
        env=dict(program.environment), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
