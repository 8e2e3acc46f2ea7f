"""The example alerts for Prometheus, held against promtool and the service's own metrics."""

import re
import subprocess
from pathlib import Path

from app.metrics import Metrics
from app.outcomes import Outcome
from tests.debian import debian_program

RULES = Path(__file__).parents[1] / "examples" / "prometheus"


def _promtool(*arguments: str) -> None:
    program = debian_program("promtool", package="prometheus")
    done = subprocess.run(
        [program.path, *arguments], env=program.environment, cwd=RULES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    _promtool("check", "rules", "alerts.yaml")


def test_the_rules_alert_when_they_should_and_not_before() -> None:
    _promtool("test", "rules", "alerts_test.yaml")


def test_the_rules_speak_of_metrics_and_outcomes_that_there_are() -> None:
    text = (RULES / "alerts.yaml").read_text()
    known = {f"{family.name}{'_total' * (family.type == 'counter')}" for family in Metrics().registry.collect()}
    assert set(re.findall(r"hpkp_[a-z_]+", text)) <= known
    told = {outcome for group in re.findall(r'outcome=~?"([a-z_|]+)"', text) for outcome in group.split("|")}
    assert told <= set(Outcome)
