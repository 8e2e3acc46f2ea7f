"""The rollout guide, followed to the letter on loopback, reaches `ready`.

Its commands are taken out of its text and run. What they find there is real: a directory as certbot keeps it, a TLS
server with the header that `hpkp header make` wrote, logs of HAProxy, and clients that report control pins. Time passes
day by day; what the running service does by itself every few hours is done once a day by the commands for it.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import time_machine
from typer.testing import CliRunner

from app.cli import app
from app.demo.forms import FORMS
from app.demo.incident import Incident
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.report import Sender
from app.main import create_app
from app.service import Service
from tests.support.application import keep_clock, settings_for
from tests.support.authority import NOW, Issued
from tests.support.lineage import CertbotTree
from tests.support.same_answers import environment_of
from tests.support.tls_server import TlsServer, resolve, tls_server
from tests.support.web_server import served

GUIDE = (Path(__file__).parents[1] / "docs" / "rollout-guide.md").read_text(encoding="utf-8")
HOST = Host("www.example.com")
DAY = timedelta(days=1)
CLIENTS, IN_CONTROL = 5000, 240


def _commands(step: int) -> list[str]:
    """Return the commands of a step, as they are printed."""
    (section,) = re.findall(rf"^## {step}\. .*?(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def _log_line(at: datetime, client: int) -> str:
    """Write a request as HAProxy does with ``option httplog``."""
    address = f"10.{client // 62_500}.{client // 250 % 250}.{client % 250}"
    return (
        f"{at:%b %e %H:%M:%S} lb haproxy[14389]: {address}:33317 [{at:%d/%b/%Y:%H:%M:%S}.655] https-in app/srv1 "
        '10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"\n'
    )


@dataclass
class Reader:
    """Somebody who follows the guide; ``paths`` says where what it names is on this machine."""

    environment: dict[str, str]
    paths: dict[str, str]
    host: TlsServer
    client: httpx.Client
    clock: time_machine.Traveller
    service: Service

    def wait_until(self, at: datetime) -> None:
        """Let time pass, as in a service that runs all the while."""
        self.clock.move_to(at)
        keep_clock(self.service)

    def run(self, command: str, *, exit_codes: tuple[int, ...] = (0,)) -> str:
        """Run a command of the guide; return what it printed."""
        for printed, here in self.paths.items():
            command = command.replace(printed, here)
        program, *arguments = shlex.split(command)
        assert program == "hpkp", command
        done = CliRunner().invoke(app, arguments, env=self.environment)
        assert done.exit_code in exit_codes, (command, done.output, done.exception)
        return done.output

    def serve_header(self, configuration: str) -> None:
        """Let the host send the field that a line for HAProxy sets."""
        (value,) = re.findall(r"set-header Public-Key-Pins-Report-Only '([^']+)'", configuration)
        self.host.serve_header("Public-Key-Pins-Report-Only", value)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Return somebody with a site whose certificate certbot keeps, and a collector."""
    start = NOW - timedelta(hours=3)
    tree = CertbotTree(tmp_path / "letsencrypt")
    first = tree.add(1)
    leaf = tree.add(2, key=first.key)
    tree.link(2)
    roots = tmp_path / "roots.pem"
    roots.write_text(tree.site.root.pem)
    with tls_server(Issued(leaf.certificate, leaf.key), tree.site.intermediate) as host:
        resolve(monkeypatch, {HOST: ["127.0.0.1"]})
        settings = settings_for(
            tmp_path, trust_anchors=roots, probe_port=host.port, probe_private_addresses=True,
            verdict_interval_minutes=0, prune_interval_hours=0,
        )  # fmt: skip
        with (
            time_machine.travel(start) as clock,
            served(application := create_app(settings)) as url,
            httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
        ):
            (tmp_path / "safe").mkdir()
            paths = {
                "/etc/letsencrypt/live/www.example.com": str(tree.live),
                "/media/safe": str(tmp_path / "safe"),
                "www.example.com.backup.csr": str(tmp_path / "safe" / "www.example.com.backup.csr"),
                "https://reports.example.net/report": f"{url}/report",
                "/var/log/haproxy-control.log": str(tmp_path / "haproxy-control.log"),
                "/var/log/haproxy.log": str(tmp_path / "haproxy.log"),
            }
            yield Reader(environment_of(settings), paths, host, client, clock, application.state.service)


def _post_control(reader: Reader, at: datetime) -> None:
    """Let every client of the control share report the control pins, as each has to."""
    told = json.loads(reader.run(f"hpkp control show {HOST} --json"))
    pins = [parse_pin(pin["sha256"]) for pin in told["pins"]]
    for number in range(IN_CONTROL):
        incident = Incident(
            hostname=HOST, noted_hostname=HOST, known_pins=pins, served=[], validated=[], at=at,
        )  # fmt: skip
        body = FORMS[Sender.CHROMIUM].sample(incident).body
        answer = reader.client.post("/report", content=body, headers={"x-forwarded-for": f"10.9.{number % 240}.{7}"})
        assert answer.status_code == 204


def test_whoever_follows_the_guide_reaches_ready(reader: Reader) -> None:
    start = datetime.now(UTC)
    (pin,) = _commands(1)
    assert "the key of the generation before" in reader.run(pin)
    for step in (3, 4, 5):
        for command in _commands(step):
            name, _, value = command.removeprefix("export ").partition("=")
            if command.startswith("export "):
                reader.environment[name] = value
            elif command != "hpkp serve":  # it is running
                reader.run(command)
    make, probe = (command for command in _commands(6) if command.startswith("hpkp"))
    reader.serve_header(reader.run(make))
    assert "as the policy says" in reader.run(probe)
    make, show, count_control, measured = _commands(7)
    reader.run(make)
    assert "Public-Key-Pins-Report-Only" in reader.run(show)
    count, readiness = (command for command in _commands(8) if "what-if" not in command)

    verdicts: dict[int, str] = {}
    for day in range(16):
        at = start + day * DAY + timedelta(hours=1)  # the first steps took some time
        reader.wait_until(at)
        reader.run(f"hpkp probe {HOST}")
        reader.run(f"hpkp canary {HOST}")
        if day == 1:
            _post_control(reader, at)
            Path(reader.paths["/var/log/haproxy-control.log"]).write_text(
                "".join(_log_line(at, number) for number in range(IN_CONTROL))
            )
        Path(reader.paths["/var/log/haproxy.log"]).write_text(
            "".join(_log_line(at, number) for number in range(CLIENTS))
        )
        reader.wait_until(at + timedelta(hours=12))  # at night
        reader.run(count)
        if day == 1:
            reader.run(count_control)
            assert f"Of {IN_CONTROL} clients that received them on {at.date()} at least" in reader.run(measured)
        reader.run(readiness, exit_codes=(0, 2))
        verdicts[day] = json.loads(reader.run(f"{readiness} --json", exit_codes=(0, 2)))["verdict"]
    assert verdicts == dict.fromkeys(range(15), "not_enough_data") | {15: "ready"}
    impact = json.loads(reader.run(f"{readiness} --json"))["impact"]
    assert "divided by the share of clients that report" in impact
