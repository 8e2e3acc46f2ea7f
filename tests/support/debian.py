"""Programs that tests judge by: from PATH, else from Debian packages unpacked without root, else a loud failure."""

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CACHE = Path(__file__).parents[2] / ".cache" / "debian"
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where servers are; seldom on the PATH of anybody but root
_OURS_TO_BRING = "lib"  # of what the package needs, its libraries; no init system, no Perl
_NEVER = ("libc6", "libc-bin")  # of another version than the loader's it would crash


@dataclass(frozen=True, slots=True)
class Program:
    """A command that can be run: with its environment, and with its package's files below `root`."""

    path: Path
    root: Path
    environment: Mapping[str, str]


@functools.cache
def debian_program(command: str, *, package: str) -> Program:
    """Return the command, bringing its package where the machine has none; RuntimeError says what to install."""
    if found := shutil.which(command, path=os.pathsep.join((os.environ.get("PATH", ""), *_SBIN))):
        path = Path(found).resolve()
        return Program(path, path.parents[2], os.environ)
    try:
        root = debian_package(package)
        path = next(path for folder in ("usr/sbin", "usr/bin") if (path := root / folder / command).exists())
    except (OSError, RuntimeError, StopIteration) as error:
        raise RuntimeError(
            f"These tests need the command {command}, which is neither on PATH nor to be had as a Debian package "
            f"({error!r}). Install it, such as with: apt-get install {package}"
        ) from error
    search = os.pathsep.join((*_library_folders(root), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])))
    return Program(path, root, os.environ | {"LD_LIBRARY_PATH": search})


def _library_folders(root: Path) -> Iterator[str]:
    """Name the folders with libraries; some packages keep theirs one folder deeper, where their own programs look."""
    for pattern in ("usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib/*-linux-*/*"):
        yield from (str(folder) for folder in root.glob(pattern) if any(folder.glob("lib*.so*")))


@functools.cache
def debian_package(package: str) -> Path:
    """Return the folder into which the package and the libraries that the machine lacks are unpacked."""
    root = _CACHE / package
    with one_at_a_time(_CACHE):
        if not root.exists():
            with tempfile.TemporaryDirectory(dir=_CACHE) as work:
                downloads, tree = Path(work, "downloads"), Path(work, "tree")
                downloads.mkdir()
                try:
                    _download(package, downloads, options=())
                except RuntimeError:  # the machine's package lists are missing or old
                    _download(package, downloads, options=_own_lists())
                for archive in downloads.glob("*.deb"):
                    _run("dpkg", "-x", str(archive), str(tree))
                tree.rename(root)
    return root


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Make a folder, and let one process at a time fill it: tests run in several."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _own_lists() -> tuple[str, ...]:
    """Fetch today's package lists into a folder of our own, as anybody may, and return the options that use them."""
    state, cache = _CACHE.parent / "apt" / "state", _CACHE.parent / "apt" / "cache"
    for folder in (state / "lists" / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    settings = (f"Dir::State={state}", f"Dir::State::lists={state}/lists", f"Dir::Cache={cache}")
    options = tuple(word for setting in (*settings, "APT::Sandbox::User=root") for word in ("-o", setting))
    _run("apt-get", *options, "update")
    return options


def _download(package: str, folder: Path, *, options: tuple[str, ...]) -> None:
    plan = _run("apt-get", *options, "install", "--simulate", "--no-install-recommends", "-qq", package)
    wanted = [package]
    for line in plan.splitlines():
        name = line.removeprefix("Inst ").split()[0]
        if (
            line.startswith("Inst ")
            and name.startswith((_OURS_TO_BRING, package))
            and not name.endswith("-dev")
            and name not in (package, *_NEVER)
        ):
            wanted.append(name)
    _run("apt-get", *options, "download", "-qq", *wanted, directory=folder)


def _run(*command: str, directory: Path | None = None) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
