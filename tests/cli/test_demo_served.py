"""``hpkp demo --serve``: one command from nothing to the pages."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx


def test_the_demo_serves_itself_on_a_free_port_until_it_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app.cli", "demo", "--scenario", "clean", "--serve", "--database", "demo.sqlite3"]
    said = tmp_path / "said"
    with said.open("wb") as stream:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=stream, stderr=stream)
    try:
        url = _wait_for_address(process, said)
        assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
        assert list((tmp_path / "demo.sqlite3-log").iterdir()), "it is the demo's database that is served"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    assert "www.example.com" in said.read_text()


def _wait_for_address(process: "subprocess.Popen[bytes]", said: Path) -> str:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"Uvicorn running on (http://[^ ]+)", said.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(said.read_text())
