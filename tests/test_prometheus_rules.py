"""The alerts and recorded rules for Prometheus, held against promtool and the service's own metrics."""

import re
import subprocess
from pathlib import Path

import yaml

from app.outcomes import Outcome
from tests.support.dashboards.boards import FILES
from tests.support.dashboards.metrics import metric_names
from tests.support.debian import debian_program

RULES = Path(__file__).parents[1] / "dashboards" / "prometheus"

NAMES = ("alerts.yaml", "rules.yaml")
ROOT = RULES.parents[1]


def _promtool(*arguments: str) -> None:
    program = debian_program("promtool", package="prometheus")
    done = subprocess.run(
        [program.path, *arguments], env=program.environment, cwd=RULES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    _promtool("check", "rules", *NAMES)


def test_the_rules_alert_when_they_should_and_not_before() -> None:
    _promtool("test", "rules", "alerts_test.yaml")


def test_every_alert_says_what_to_do_and_where_to_look() -> None:
    boards = {file.model["uid"] for file in FILES}
    told = (ROOT / "docs" / "alerts.md").read_text()
    rules = [rule for group in yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    assert rules
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert f"\n#### {rule['alert']}\n" in told
        assert rule["annotations"]["dashboard_url"].removeprefix("/d/") in boards


def test_the_rules_speak_of_metrics_and_outcomes_that_there_are() -> None:
    text = "".join((RULES / name).read_text() for name in NAMES)
    known = metric_names()
    assert set(re.findall(r"(?<![:\w])hpkp_[a-z_]+", text)) <= known
    told = {outcome for group in re.findall(r'outcome=~?"([a-z_|]+)"', text) for outcome in group.split("|")}
    assert told <= set(Outcome)
