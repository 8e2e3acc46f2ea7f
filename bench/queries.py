"""How fast questions are answered, over HTTP, by stores of very different sizes.

A store is filled (`bench.fill`), the service started on it, and each question asked one after the other on one
connection, in rounds, so that none profits from being asked many times running.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from rich.progress import Progress

from bench.bodies import HOSTS, Material
from bench.fill import DAYS, fill_store
from bench.running import Processors
from bench.targets import running_service
from tests.support.admin import ADMIN

_BUSIEST, _QUIET = HOSTS[0], HOSTS[-1]
_PATIENCE = 10.0
"""Seconds that one question may take in all; a slow one is asked fewer times."""
_AT_LEAST = 3
_TIMEOUT = 120.0
_UNDISTURBED = {"HPKP_PRUNE_INTERVAL_HOURS": "0"}


class WrongAnswer(Exception):
    """A question was not answered with 200, or not by what the store holds."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the busiest host unless it says otherwise."""

    name: str
    path: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Times:
    """How long the answers to a question took, in milliseconds."""

    asked: int
    median: float
    p95: float
    bytes: int
    """Size of an answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A store of a size, and how long it took to answer each question."""

    reports: int
    store_bytes: int
    times: Mapping[str, Times]


SUMMARY, READINESS = "summary, 30 days by the hour", "readiness"


def questions(routes: Sequence[str], *, at: datetime) -> list[Question]:
    """Return the questions that the service, by its routes, can be asked."""
    month = {"since": f"{at - timedelta(days=30):%Y-%m-%dT%H:00:00Z}"}
    quarter = {"since": f"{at - timedelta(days=DAYS):%Y-%m-%dT%H:00:00Z}"}
    summary = "/api/v1/hosts/{}/summary"
    asked = [
        Question(SUMMARY, summary.format(_BUSIEST), month | {"interval": "hour"}),
        Question("summary, 90 days by the day", summary.format(_BUSIEST), quarter | {"interval": "day"}),
        Question("summary, 30 days, a quiet host", summary.format(_QUIET), month | {"interval": "hour"}),
        Question("violations of a host, 50", "/api/v1/violations", {"host": _BUSIEST, "limit": "50"}),
        Question("violations of all hosts, 50", "/api/v1/violations", {"limit": "50"}),
        Question("hosts", "/api/v1/hosts", {}),
        Question(READINESS, f"/api/v1/hosts/{_BUSIEST}/readiness", {}),
    ]
    if "/api/v1/export" in routes:
        day = {"since": f"{at - timedelta(days=2):%Y-%m-%dT%H:00:00Z}", "host": _BUSIEST, "format": "ndjson"}
        asked.append(Question("export, 2 days as NDJSON", "/api/v1/export", day))
    return asked


def measure_queries(
    sizes: Sequence[int],
    material: Material,
    *,
    violations: int,
    asks: int,
    directory: Path,
    processors: Processors,
    progress: Progress,
) -> list[Answered]:
    """Fill a store of each size, and ask."""
    found = []
    for size in sizes:
        place = directory / str(size)
        place.mkdir(parents=True)
        database, at = place / "hpkp.sqlite3", datetime.now(UTC)
        held = fill_store(database, material, reports=size, violations=violations, progress=progress, at=at)
        url = f"sqlite:///{database}"
        with (
            running_service(material, url, directory=place, on=processors.server, **_UNDISTURBED) as server,
            httpx.Client(base_url=server.url, headers=ADMIN, timeout=_TIMEOUT, trust_env=False) as client,
        ):
            _demand_reports(client, held)
            times = _ask(client, asks=asks, at=at, progress=progress)
        found.append(Answered(held, database.stat().st_size, times))
        for file in place.glob("hpkp.sqlite3*"):
            file.unlink()
    return found


def _demand_reports(client: httpx.Client, held: int) -> None:
    """Check that the service sees what was filled in."""
    hosts = _get(client, Question("hosts", "/api/v1/hosts", {"limit": "500"})).json()["items"]
    seen = sum(host["reports"] for host in hosts)
    if seen != held:
        raise WrongAnswer(f"the store was filled with {held} reports, and the service counts {seen}")


def _get(client: httpx.Client, question: Question) -> httpx.Response:
    answer = client.get(question.path, params=dict(question.parameters))
    if answer.status_code != 200:
        raise WrongAnswer(f"{question.name}: {answer.status_code} {answer.text[:200]}")
    return answer


def _ask(client: httpx.Client, *, asks: int, at: datetime, progress: Progress) -> dict[str, Times]:
    routes = list(client.get("/openapi.json").json()["paths"])
    asked = questions(routes, at=at)
    task = progress.add_task("Asking", total=asks)
    took: dict[str, list[float]] = {question.name: [] for question in asked}
    sizes = {question.name: len(_get(client, question).content) for question in asked}
    for _ in range(asks):
        for question in asked:
            times = took[question.name]
            if len(times) >= _AT_LEAST and sum(times) > _PATIENCE:
                continue
            started = time.perf_counter()
            _get(client, question)
            times.append(time.perf_counter() - started)
        progress.advance(task)
    progress.remove_task(task)
    return {name: _times(times, sizes[name]) for name, times in took.items()}


def _times(times: Sequence[float], size: int) -> Times:
    ordered = [1e3 * taken for taken in sorted(times)]
    return Times(
        len(ordered), ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)], size
    )
