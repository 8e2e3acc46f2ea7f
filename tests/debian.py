"""Programs that some tests need and PyPI does not have: from PATH, else from Debian packages, else a loud failure.

The packages, and those that they depend on and the machine lacks, are unpacked below ``.cache/debian``, not installed;
nobody needs to be root for that.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CACHE = Path(__file__).parents[1] / ".cache" / "debian"
_APT = _CACHE / "apt"
_OWN_LISTS = ("-o", f"Dir::State={_APT}/state", "-o", f"Dir::Cache={_APT}/cache", "-o", "APT::Sandbox::User=")
_STATUS = ("-o", "Dir::State::status=/var/lib/dpkg/status")


@dataclass(frozen=True)
class Program:
    """A program that can be run: its path, and the folder in which its package was unpacked, if it was."""

    path: Path
    root: Path = Path("/")
    environment: dict[str, str] = field(default_factory=dict)

    def file(self, name: str) -> Path:
        """Return a file of the package by the name under which it would be installed."""
        return self.root / name.lstrip("/")


@functools.cache
def program(name: str, package: str) -> Program:
    """Return a program, unpacking its Debian package where the machine does not have it."""
    if found := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        return Program(Path(found))
    root = _CACHE / package
    if not (root / "complete").exists():
        try:
            _unpack(package, root)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise RuntimeError(
                f"These tests need {name}, which is neither on PATH nor to be had as a Debian package: {said}\n"
                f"Install it, such as with: apt-get install {package}"
            ) from error
    directories = [root / "usr/sbin", root / "usr/bin", root / "sbin", root / "bin"]
    path = next(directory / name for directory in directories if (directory / name).exists())
    libraries = sorted({str(library.parent) for library in root.rglob("*.so.*")})
    return Program(path, root, {"LD_LIBRARY_PATH": ":".join(libraries)})


def _unpack(package: str, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    options: Sequence[str] = ()
    try:
        wanted = _missing(package)
    except subprocess.CalledProcessError:  # the machine has no lists of packages, or they are out of date
        options = (*_OWN_LISTS, *_STATUS)
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (_APT / folder).mkdir(parents=True, exist_ok=True)
        _run("apt-get", *options, "update")
        wanted = _missing(package, *options)
    _run("apt-get", *options, "download", *wanted, folder=root)
    for archive in sorted(root.glob("*.deb")):
        _run("dpkg", "-x", str(archive), str(root))
        archive.unlink()
    (root / "complete").touch()


def _missing(package: str, *options: str) -> list[str]:
    """Return the package and what it depends on, as far as the machine lacks it."""
    told = _run("apt-get", *options, "--simulate", "-y", "--no-install-recommends", "install", package).splitlines()
    return [line.split()[1] for line in told if line.startswith("Inst ")] or [package]


def _run(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout
