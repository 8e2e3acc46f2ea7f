"""A load on a server: so many connections, so many seconds, and what came back."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.bodies import Mix
from bench.running import bound_to
from bench.wrk import Wrk, find_wrk

CONNECTIONS = 64
_SCRIPT = Path(__file__).with_name("load.lua")
_TRIES = 3
_CLOSE_ENOUGH = 0.05
_OF_A_DAY = 80_000_000
"""Reports with the date of a day, one for each millisecond; what is left of the day is enough for one more load."""
_NOT_ANSWERED = 4 * CONNECTIONS
"""More than a load may have sent without counting an answer."""


class LoadFailed(Exception):
    """The load generator itself failed."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back in a load. Latencies are of the client, in milliseconds."""

    requests: int
    refused: int
    """Answers of 400 and more."""
    broken: int
    """Connections that failed."""
    seconds: float
    p50: float
    p99: float
    load_busy: float
    """The share of its processor that the load generator used; near 1 it was the limit, and not the server."""
    behind: float = 0
    """Seconds after the load until the server had counted all that it had accepted."""
    cpu_us: float = 0
    """Processor time of all processes of the server for each request, in microseconds, kernel included."""

    @property
    def accepted(self) -> int:
        """Answers of 2xx."""
        return self.requests - self.refused

    @property
    def rate(self) -> float:
        """Sustained rate: accepted requests in a second, until all of them were counted."""
        return self.accepted / (self.seconds + self.behind)

    @property
    def acknowledged_rate(self) -> float:
        """Accepted requests in a second, counted or not."""
        return self.accepted / self.seconds


class Loader:
    """Sends loads. Each goes on in dates and chains where the last one ended: none repeats what another one sent."""

    def __init__(self, *, on: frozenset[int], fetch: bool) -> None:
        self.loads = 0
        """How many loads were sent so far."""
        self.accepted = 0
        """How many of their requests were answered with 2xx."""
        self.requests = 0
        """How many requests were answered."""
        self._number = 0
        self._on = on
        found = find_wrk(fetch=fetch)
        self._wrk = found if isinstance(found, Wrk) else None
        self.description = (
            f"wrk {found.version}"
            if isinstance(found, Wrk)
            else f"bench/client.py, which is slow and likely the limit itself ({found})"
        )

    def load(
        self, url: str, mix: Mix, *, seconds: float, path: str, pause: float = 0, connections: int = CONNECTIONS
    ) -> Answers:
        """Load a server; ``pause`` is the mean wait of a connection between two requests, in milliseconds."""
        self.loads += 1
        days, first = divmod(self._number, _OF_A_DAY)
        day = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"
        command, environment = self._command(
            url, [str(mix.directory), path, day, str(first), f"{pause:.3f}"], connections=connections, seconds=seconds
        )
        before, started = os.times(), time.monotonic()
        with bound_to(self._on):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        after, took = os.times(), time.monotonic() - started
        if done.returncode or not done.stdout.strip():
            raise LoadFailed(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
        found = json.loads(done.stdout.splitlines()[-1])
        if not found["requests"]:
            raise LoadFailed(f"no answer from {url} in {took:.0f} s\n{done.stderr.strip()[-1000:]}")
        used = after.children_user + after.children_system - before.children_user - before.children_system
        answers = Answers(
            requests=found["requests"],
            refused=found["refused"],
            broken=found["broken"],
            seconds=found["duration"] / 1e6,
            p50=found["p50"] / 1e3,
            p99=found["p99"] / 1e3,
            load_busy=used / took,
        )
        self.accepted += answers.accepted
        self.requests += answers.requests
        self._number += answers.requests + _NOT_ANSWERED
        return answers

    def load_at(self, rate: float, url: str, mix: Mix, *, seconds: float, path: str) -> Answers:
        """Load a server with about so many requests in a second, in pauses as between independent clients.

        How long to pause depends on how long the answers take, so it is tried out first.
        """
        pause = max(0.1, CONNECTIONS / rate * 1e3 - 1)
        for _ in range(_TRIES):
            tried = self.load(url, mix, seconds=min(1, seconds), path=path, pause=pause)
            if math.isclose(tried.rate, rate, rel_tol=_CLOSE_ENOUGH):
                break
            # A round of a connection is a pause and the rest; only the pause can be chosen.
            pause = max(0.1, pause + (CONNECTIONS / rate - CONNECTIONS / max(1, tried.rate)) * 1e3)
        return self.load(url, mix, seconds=seconds, path=path, pause=pause)

    def _command(
        self, url: str, arguments: Sequence[str], *, connections: int, seconds: float
    ) -> tuple[list[str], Mapping[str, str]]:
        if self._wrk is None:
            return [sys.executable, "-m", "bench.client", url, str(connections), str(seconds), *arguments], os.environ
        size = ["-t1", f"-c{connections}", f"-d{max(1, math.ceil(seconds))}s", "--timeout", "20s"]
        return [str(self._wrk.program), *size, "-s", str(_SCRIPT), url, "--", *arguments], self._wrk.environment
