"""Every question of the health board, put to a real Prometheus that scrapes a running service."""

import math
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dashboards.boards import FILES, FOLDER
from tests.support.dashboards.metrics import metric_names
from tests.support.dashboards.prometheus import PATIENCE, Prometheus, running_prometheus
from tests.support.debian import debian_program
from tests.support.reports import report_body
from tests.support.server import running_service

[HEALTH] = [file for file in FILES if file.engine == "prometheus"]
_QUIET = {"Targets down", "Server-side rejections", "Failing jobs"}
"""Panels of what does not happen in the test: their value is 0."""


_NEVER = "Since the last canary"
"""Without a value until a canary arrives: 0 would be the year 1970."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has seen a service take reports and refuse others, for a while."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running_service(folder) as service, running_prometheus(folder, service.url.removeprefix("http://")) as running:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for body in (report_body(), b"hello"):
                service.client.post("/report", content=body)
            if running.values("job:hpkp_commit_wait_seconds:p99_rate5m > 0") and len(
                running.values("count_over_time(hpkp_commit_seconds_count[1m]) > 6")
            ):
                break
            time.sleep(0.2)
        yield running


def _expression(text: str) -> str:
    """Put in the variables as Grafana does: all that were chosen, as a regular expression."""
    values = {"job": "(hpkp)", "instance": "(.+)", "__rate_interval": "15s", "__interval": "15s"}
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], text)


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
    if title == _NEVER:
        assert found == []
        return
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


def test_the_variables_find_the_job_and_its_collectors(prometheus: Prometheus) -> None:
    found = {}
    for variable in HEALTH.variables("query"):
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert asked is not None
        found[variable["name"]] = prometheus.ask(f"label/{asked[2]}/values", **{"match[]": _expression(asked[1])})
    assert found["job"] == ["hpkp"]
    [instance] = found["instance"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", instance)


def test_rules_are_worked_out_without_a_fault(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in rules):
            break
        time.sleep(0.2)
    assert {rule["health"] for rule in rules} == {"ok"}
    assert prometheus.values("job_outcome:hpkp_submissions:rate5m")


def test_counters_are_asked_over_an_interval_that_fits() -> None:
    """A count over time adds up only if each bar counts its own interval; the present may count any time."""
    for panel in HEALTH.panels():
        for target in panel["targets"]:
            named = re.findall(r"(\w*) ?\((\w+)\{[^}]*\}(\[[^\]]+\])?", target["expr"])
            assert named, panel["title"]
            assert {name for _, name, _ in named} <= metric_names() | {"up"}
            for function, name, window in named:
                counts = name.endswith(("_total", "_bucket", "_sum", "_count"))
                assert function in (("rate", "increase") if counts else ("sum", "max", "count", "delta", ""))
                wanted = {"rate": ["[$__rate_interval]"], "increase": ["[$__interval]"]}.get(function, [""])
                if target["instant"] and function == "increase":
                    wanted = ["[1h]", "[24h]"]
                if function == "delta":  # of a gauge
                    wanted = ["[24h]"]
                assert window in wanted, panel["title"]


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
