"""Who takes part in the measurement of the intake: the limit, the service, and its peers.

Each is started in a directory of its own, and each that stores can be asked how many reports it holds.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from sqlalchemy import func, select

from app.store import tables
from app.store.engine import open_engine
from bench.bodies import HOSTS, Material, Mix
from bench.postgres import durable_database
from bench.running import ROOT, Processors, Server, running
from tests.support.admin import ADMIN, add_admin_token_at

_SERVERS = Path(__file__).parent / "servers"
_LOOKOUT_PARTS = ("django>=3.2,<3.3", "django-lookout==0.1.2", "gunicorn>=23", "setuptools<81")
"""Django-Lookout imports pkg_resources, which setuptools 81 no longer has."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server with the bodies that it is given."""

    name: str
    answer: str
    """What an answer of 2xx means."""
    mix: Mix
    start: Callable[[Path], AbstractContextManager[Server]]
    stored: Callable[[Path], int] | None = None
    """How many reports it holds, read from its directory."""
    fresh: bool = False
    """Whether every round begins with an empty store."""
    ours: bool = False

    @property
    def bodies(self) -> str:
        """What the bodies are, in a word."""
        return self.mix.name


@dataclass(frozen=True, slots=True)
class SkippedTarget:
    """Who would take part, and why it does not."""

    name: str
    reason: str


def bare(mix: Mix, processors: Processors, *, workers: int = 1) -> Target:
    """Return the limit: the same uvicorn with an application that answers 204 and does nothing."""
    return Target(
        name="bare ASGI application" if workers == 1 else f"bare ASGI application, {workers} workers",
        answer="nothing is stored",
        mix=mix,
        start=partial(
            _uvicorn,
            "bench.servers.bare:app",
            # It has no use for the client's address, and does not pay for it.
            options=("--lifespan", "off", "--no-proxy-headers", "--workers", str(workers)),
            on=processors.server if workers == 1 else processors.all,
        ),
    )


def naive(mix: Mix, processors: Processors) -> Target:
    """Return the first thing that one would write."""
    return Target(
        name="FastAPI + SQLModel, a commit each",
        answer="committed, synced",
        mix=mix,
        start=partial(_uvicorn, "bench.servers.naive:app", options=("--lifespan", "on"), on=processors.server),
        stored=partial(_count, "SELECT count(*) FROM received_reports"),
    )


def service(mix: Mix, material: Material, processors: Processors, *, fresh: bool = False, **settings: str) -> Target:
    """Return the service with its own SQLite file, and policies for the hosts."""
    return Target(
        name="this service, SQLite",
        answer="in the ingest log, synced",
        mix=mix,
        start=partial(_sqlite_service, material, settings, on=processors.server),
        stored=lambda directory: reports_in(_url(directory)),
        fresh=fresh,
        ours=True,
    )


def two_workers(mix: Mix, material: Material, processors: Processors) -> Target | SkippedTarget:
    """Return the service with two workers on PostgreSQL."""
    name = "this service, PostgreSQL, 2 workers"
    said = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "--workers" not in said.stdout:
        return SkippedTarget(name, "`hpkp serve` has no --workers")
    urls: dict[Path, str] = {}
    return Target(
        name=name,
        answer="in the ingest log, synced",
        mix=mix,
        start=partial(_postgres_service, material, urls, on=processors.all),
        stored=lambda directory: reports_in(urls[directory]),
        ours=True,
    )


def lookout(mix: Mix, processors: Processors, cache: Path) -> Target | SkippedTarget:
    """Return Django-Lookout, which takes reports of many kinds and keeps their JSON."""
    name = "Django-Lookout 0.1.2"
    environment = cache / "lookout"
    if reason := _install(environment, _LOOKOUT_PARTS):
        return SkippedTarget(name, reason)
    return Target(
        name=name,
        answer="committed, synced",
        mix=mix,
        start=partial(_lookout, environment, on=processors.server),
        stored=partial(_count, "SELECT count(*) FROM lookout_report"),
    )


@contextmanager
def running_service(
    material: Material, url: str, *options: str, directory: Path, on: frozenset[int], **settings: str
) -> Iterator[Server]:
    """Run the service on a store, with a policy for each host."""
    placed = {"HPKP_DATABASE_URL": url, "HPKP_LOG_DIR": str(directory / "log")}
    environment = placed | {"HPKP_TRUST_ANCHORS": str(material.roots)} | settings
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", *options]
    add_admin_token_at(url)
    with running(command, directory=directory, on=on, environment=environment) as server:
        set_policies(server.url, material)
        yield server


def set_policies(url: str, material: Material) -> None:
    """Set the policy of each host: the pins that the reports know."""
    policy = {"pins": [{"sha256": pin} for pin in material.pins], "max_age": 5_184_000, "mode": "report-only"}
    with httpx.Client(base_url=url, headers=ADMIN, trust_env=False) as client:
        for host in HOSTS:
            client.put(f"/api/v1/hosts/{host}/policy", json=policy).raise_for_status()


def reports_in(url: str) -> int:
    """Ask a store of the service how many reports it has counted."""
    engine = open_engine(url)
    with engine.connect() as connection:
        found = connection.scalar(select(func.sum(tables.rollup_hours.c.reports)))
    engine.dispose()
    return int(found or 0)


def _url(directory: Path) -> str:
    return f"sqlite:///{directory}/hpkp.sqlite3"


@contextmanager
def _sqlite_service(
    material: Material, settings: Mapping[str, str], directory: Path, *, on: frozenset[int]
) -> Iterator[Server]:
    with running_service(material, _url(directory), directory=directory, on=on, **settings) as server:
        yield server


@contextmanager
def _postgres_service(
    material: Material, urls: dict[Path, str], directory: Path, *, on: frozenset[int]
) -> Iterator[Server]:
    """Run PostgreSQL and two workers on it; put down in ``urls`` where the store of a directory is."""
    with durable_database() as url:
        urls[directory] = url
        with running_service(material, url, "--workers", "2", directory=directory, on=on) as server:
            yield server


def _lookout(environment: Path, directory: Path, *, on: frozenset[int]) -> AbstractContextManager[Server]:
    command = [str(environment / "bin/gunicorn"), "django_site:application", "--chdir", str(_SERVERS)]
    options = ["--bind", "127.0.0.1:0", "--workers", "1", "--worker-class", "gthread", "--threads", "4"]
    variables = {"BENCH_DATABASE": str(directory / "reports.sqlite3")}
    return running([*command, *options], directory=directory, on=on, environment=variables)


def _install(environment: Path, parts: Sequence[str]) -> str:
    """Make a virtual environment with these parts; return why it cannot be, or nothing."""
    note = environment / "made-of"
    if note.exists() and note.read_text() == " ".join(parts):
        return ""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        return "uv is not on the path, so that no environment for it can be made"
    # Django 3.2 imports distutils, which Python 3.12 no longer has; Django 4 lacks what Django-Lookout imports.
    python = sys.executable if sys.version_info < (3, 12) else "3.11"
    commands = (
        ["venv", "--clear", "--python", python, str(environment)],
        ["pip", "install", "--python", str(environment / "bin/python"), *parts],
    )
    for command in commands:
        done = subprocess.run([uv, "--quiet", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            return f"its environment cannot be made: {done.stderr.strip().splitlines()[-1]}"
    note.write_text(" ".join(parts))
    return ""


def _uvicorn(
    application: str, directory: Path, *, options: tuple[str, ...], on: frozenset[int]
) -> AbstractContextManager[Server]:
    command = [sys.executable, "-m", "uvicorn", application, "--port", "0", "--no-access-log", "--no-server-header"]
    environment = {"BENCH_DATABASE": str(directory / "reports.sqlite3")}
    return running([*command, *options], directory=directory, on=on, environment=environment)


def _count(query: str, directory: Path) -> int:
    with closing(sqlite3.connect(directory / "reports.sqlite3")) as connection:
        return int(connection.execute(query).fetchone()[0])
