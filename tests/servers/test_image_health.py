"""The health check of the image: it asks the port of the settings, and fails where no service answers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import running_service
from tests.support.servers.running import free_port

ROOT = Path(__file__).parents[2]


def _check(port: int | None) -> int:
    """Run the command of the Dockerfile with the port in the environment, or without; return its exit code."""
    found = re.search(r"^HEALTHCHECK .*\\\n\s*CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    program, *arguments = json.loads(found[1])
    assert program == "python"
    environment = {name: value for name, value in os.environ.items() if name != "HPKP_PORT"}
    told = {} if port is None else {"HPKP_PORT": str(port)}
    return subprocess.run([sys.executable, *arguments], env=environment | told, capture_output=True).returncode


def test_the_service_listens_and_the_check_asks_on_the_port_of_the_settings(tmp_path: Path) -> None:
    port = free_port()
    assert _check(port) == 1
    with running_service(tmp_path, HPKP_PORT=str(port)) as service:
        assert service.url == f"http://127.0.0.1:{port}"
        assert _check(port) == 0
        assert service.stop() == 0
    assert _check(port) == 1
