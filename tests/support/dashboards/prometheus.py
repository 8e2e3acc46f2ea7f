"""A real Prometheus with the committed rules and a token, scraping a service that runs."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.admin import TOKEN
from tests.support.dashboards.boards import FOLDER
from tests.support.debian import debian_program

CONFIGURATION = FOLDER / "prometheus" / "prometheus.yaml"
PATIENCE = 180.0
_STARTED = re.compile(r'msg="Listening on"[^\n]* address=(\S+)')


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, and a client of it."""

    client: httpx.Client

    @property
    def address(self) -> str:
        """Where it answers."""
        return str(self.client.base_url).rstrip("/")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression has a value."""
        deadline = time.monotonic() + PATIENCE
        while not self.values(expression):
            assert time.monotonic() < deadline, f"never so: {expression}"
            time.sleep(0.2)

    def ask(self, path: str, **parameters: Any) -> Any:
        """Return what it answers, which has to be success."""
        answer = self.client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, expression: str) -> list[float]:
        """Return the values that an expression has now."""
        return [float(sample["value"][1]) for sample in self.ask("query", query=expression)["result"]]


@contextmanager
def running_prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run it with the committed rules and a token, scraping the target every half second."""
    program = debian_program("prometheus", package="prometheus")
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    configuration["rule_files"] = [str(FOLDER / "prometheus" / name) for name in configuration["rule_files"]]
    [job] = configuration["scrape_configs"]
    (folder / "token").write_text(TOKEN)
    job["authorization"]["credentials_file"] = str(folder / "token")
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
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if match := _STARTED.search(log.read_text()):
            return f"http://{match[1]}"
        time.sleep(0.05)
    raise AssertionError(f"Prometheus did not start:\n{log.read_text()}")
