"""wrk, the load generator: from the path, or out of Debian's packages, unpacked without root."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian import debian_program


@dataclass(frozen=True, slots=True)
class Wrk:
    """A wrk that runs, with its environment."""

    program: Path
    environment: Mapping[str, str]
    version: str


def find_wrk(*, fetch: bool) -> Wrk | str:
    """Return wrk, fetching it if need be and allowed, or the reason why there is none."""
    if not fetch and shutil.which("wrk") is None:
        return "wrk is not installed, and was not to be fetched"
    try:
        found = debian_program("wrk", package="wrk")
        said = subprocess.run(
            [found.path, "--version"], env=found.environment, capture_output=True, text=True, check=False
        )
    except (OSError, RuntimeError) as error:
        return f"wrk is not to be had: {error.__cause__ or error}"
    # It prints its version and ends with 1.
    version = re.match(r"wrk (?:debian/)?([\w.]+)", said.stdout)
    return Wrk(found.path, found.environment, version[1]) if version else f"wrk does not run: {said.stderr.strip()}"
