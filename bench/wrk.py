"""wrk, the load generator: from the path, or out of Debian's packages, unpacked below the cache without root."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")


@dataclass(frozen=True, slots=True)
class Wrk:
    """A wrk that runs: its program, and where its libraries are if not where the system has them."""

    program: str
    version: str
    libraries: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What it needs in the environment."""
        return _environment(self.libraries)


def _environment(libraries: Path | None) -> dict[str, str]:
    return {} if libraries is None else {"LD_LIBRARY_PATH": str(libraries)}


def find_wrk(cache: Path, *, fetch: bool) -> Wrk | str:
    """Return wrk, fetching it if need be and allowed, or the reason why there is none."""
    if program := shutil.which("wrk"):
        return _tried(program, None)
    directory = cache / "wrk"
    program = str(directory / "usr/bin/wrk")
    if not Path(program).exists():
        if not fetch:
            return "wrk is not installed, and was not to be fetched"
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            return "wrk is not installed, and this is no Debian whose package could be unpacked"
        directory.mkdir(parents=True, exist_ok=True)
        for command in (["apt-get", "download", *_PACKAGES], ["sh", "-c", 'for f in *.deb; do dpkg -x "$f" .; done']):
            done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"{command[0]} did not bring wrk: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}"
    return _tried(program, next(directory.glob("usr/lib/*/"), None))


def _tried(program: str, libraries: Path | None) -> Wrk | str:
    try:
        said = subprocess.run(
            [program, "--version"],
            env=os.environ | _environment(libraries),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return f"wrk does not run: {error.strerror}"
    # It prints its version and ends with 1.
    found = re.match(r"wrk (?:debian/)?([\w.]+)", said.stdout)
    return Wrk(program, found[1], libraries) if found else f"wrk does not run: {said.stderr.strip()[:200]}"
