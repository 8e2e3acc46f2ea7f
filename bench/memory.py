"""How much memory the service holds: after many reports, and under a flood in which every chain is another one."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress, TaskID

from bench.bodies import Material, Mix
from bench.load import Loader
from bench.running import Processors, Server
from bench.targets import reports_in, running_service

_PIECE_SECONDS = 3.0
_EARLY = 0.1
"""The part of the load after which the memory is compared with that at the end: caches are full by then."""


@dataclass(frozen=True, slots=True)
class Held:
    """The memory of the service and its fold in bytes of PSS: at first, after a tenth, at the end, most."""

    load: str
    sent: int
    stored: int
    begun: int
    early: int
    end: int
    most: int


def measure_memory(
    material: Material,
    loader: Loader,
    *,
    reports: int,
    flood: int,
    seconds: float,
    directory: Path,
    processors: Processors,
    progress: Progress,
) -> list[Held]:
    """Send so many reports, and so many of a flood, each to an empty store and for so many seconds at most.

    Of the flood the service takes what its limits allow.
    """
    found = []
    for number, (mix, requests) in enumerate(((material.zipf, reports), (material.distinct, flood))):
        if not requests:
            continue
        place = directory / str(number)
        url = f"sqlite:///{place}/hpkp.sqlite3"
        with running_service(material, url, directory=place, on=processors.server) as server:
            task = progress.add_task(f"Memory: {mix.name}", total=requests)
            sent, *memory = _watch(
                server, loader, mix, requests=requests, seconds=seconds, progress=progress, task=task
            )
            server.wait_until_counted()
            progress.remove_task(task)
        found.append(Held(mix.name, sent, reports_in(url), *memory))
    return found


def _watch(
    server: Server, loader: Loader, mix: Mix, *, requests: int, seconds: float, progress: Progress, task: TaskID
) -> tuple[int, int, int, int, int]:
    """Send in pieces, and look at the process after each; stop when the time is over.

    Returns the number of requests, and the memory at the beginning, after a tenth, at the end, and the most.
    """
    begun = early = end = most = server.memory()
    sent, over = 0, time.monotonic() + seconds
    while sent < requests and time.monotonic() < over:
        sent += loader.load(server.url, mix, seconds=_PIECE_SECONDS, path="/report").requests
        end = server.memory()
        most = max(most, end)
        if early == begun or sent < _EARLY * requests:
            early = end
        progress.update(task, completed=sent)
    return sent, begun, early, end, most
