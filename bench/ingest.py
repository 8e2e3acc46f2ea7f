"""How fast reports are taken, durably, beside the limit and the peers: interleaved rounds in one run.

::

    start all ──> warm each ──> round 1: A B C ── round 2: A B C ── … ──> 60% of its maximum: A B C

Speed is told as the ratio to the bare server in the same round, so that a machine which is slower for a while is slower
for both. After every load of a server that stores, its store is asked what it holds; the rate of the service is the
sustained one, until it has counted all that it accepted.
"""

import re
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from rich.progress import Progress

from bench.bodies import Mix
from bench.load import CONNECTIONS, Answers, Loader, LoadFailed
from bench.running import Server, ServerFailed
from bench.targets import SkippedTarget, Target

_ERROR = re.compile(r"\w*(?:Error|Exception|ImproperlyConfigured): ")
_SHARE = 0.6
_FAST_ENOUGH = 500
"""Requests in a second below which a load of a few seconds says nothing about the slowest hundredth."""


class Miscounted(Exception):
    """A store holds fewer reports than were answered with 2xx, or more than were sent."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the greatest value."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum values up."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(slots=True)
class Measured:
    """What was measured of a target."""

    target: Target
    rounds: list[Answers] = field(default_factory=list)
    of_bare: list[float] = field(default_factory=list)
    """In each round, its rate in parts of the bare server's."""
    relaxed: Answers | None = None
    """At 60% of its maximum."""

    def spread(self, value: Callable[[Answers], float]) -> Spread:
        """Return a value over the rounds."""
        return Spread.of([value(answers) for answers in self.rounds])

    @property
    def relaxed_share(self) -> float | None:
        """The share of its own maximum that the relaxed load really reached."""
        return None if self.relaxed is None else self.relaxed.rate / self.spread(_rate).median


@dataclass(slots=True)
class _RunningTarget:
    """A target that takes part: its directory, and its server while one runs."""

    measured: Measured
    directory: Path
    loader: Loader
    running: ExitStack = field(default_factory=ExitStack)
    server: Server | None = None
    starts: int = 0
    accepted: int = 0
    loads: int = 0

    def start(self, warm: Mix, warm_seconds: float) -> None:
        """Start the server, or another one, on an empty store, and let it get warm."""
        self.running.close()
        self.starts, self.accepted, self.loads = self.starts + 1, 0, 0
        self.server = self.running.enter_context(self.measured.target.start(self._store()))
        self.load(warm, warm_seconds)

    def load(self, mix: Mix, seconds: float) -> Answers:
        """Load it as hard as the connections allow."""
        return self._counted(lambda url: self.loader.load(url, mix, seconds=seconds, path="/report"))

    def load_at(self, rate: float, mix: Mix, seconds: float) -> Answers:
        """Load it with about so many requests in a second."""
        return self._counted(lambda url: self.loader.load_at(rate, url, mix, seconds=seconds, path="/report"))

    def _store(self) -> Path:
        return self.directory / str(self.starts)

    def _counted(self, send: Callable[[str], Answers]) -> Answers:
        """Send a load, then ask the store: all that was acknowledged, and nothing twice."""
        assert self.server is not None  # started before
        accepted, loads = self.loader.accepted, self.loader.loads
        used, requests = self.server.processor_seconds(), self.loader.requests
        answers = send(self.server.url)
        behind = self.server.wait_until_counted() if self.measured.target.ours else 0
        used = self.server.processor_seconds() - used
        answers = replace(answers, behind=behind, cpu_us=used / (self.loader.requests - requests) * 1e6)
        self.accepted += self.loader.accepted - accepted
        self.loads += self.loader.loads - loads
        target = self.measured.target
        if target.stored is not None:
            stored = target.stored(self._store())
            # What was on its way when a load ended may have been stored; nobody counted the answer.
            if not self.accepted <= stored <= self.accepted + CONNECTIONS * self.loads:
                said = f"answered {self.accepted} reports with 2xx and holds {stored}"
                raise Miscounted(f"{target.name} ({target.bodies}) {said}")
        return answers


def measure_ingest(
    targets: Sequence[Target],
    loader: Loader,
    *,
    rounds: int,
    seconds: float,
    warm_seconds: float,
    directory: Path,
    progress: Progress,
) -> tuple[list[Measured], list[SkippedTarget]]:
    """Measure targets in interleaved rounds; the first is the bare server.

    Returns what was measured, and which peers could not take part. Raises Miscounted.
    """
    task = progress.add_task("Ingest", total=len(targets) * (rounds + 2))
    warm = targets[0].mix
    runners: list[_RunningTarget] = []
    skipped: list[SkippedTarget] = []

    def show(what: str, target: Target) -> None:
        progress.update(task, advance=1, description=f"{what}: {target.name}, {target.bodies}")

    with ExitStack() as stack:
        for number, target in enumerate(targets):
            show("Warming up", target)
            runner = _RunningTarget(Measured(target), directory / str(number), loader)
            stack.callback(runner.running.close)
            try:
                if not target.fresh:
                    runner.start(warm, warm_seconds)
            except (ServerFailed, LoadFailed) as error:
                if target.ours or number == 0:
                    raise
                skipped.append(SkippedTarget(target.name, _reason(str(error))))
                continue
            runners.append(runner)
        for number in range(rounds):
            for runner in runners:
                target, measured = runner.measured.target, runner.measured
                show(f"Round {number + 1}", target)
                if target.fresh:
                    runner.start(warm, warm_seconds)
                measured.rounds.append(runner.load(target.mix, seconds))
                measured.of_bare.append(measured.rounds[number].rate / runners[0].measured.rounds[number].rate)
        for runner in runners:
            target, measured = runner.measured.target, runner.measured
            show(f"At {_SHARE:.0%}", target)
            highest = measured.spread(_rate).median
            if highest >= _FAST_ENOUGH and not target.fresh:
                measured.relaxed = runner.load_at(_SHARE * highest, target.mix, seconds)
    progress.remove_task(task)
    return [runner.measured for runner in runners], skipped


def _rate(answers: Answers) -> float:
    return answers.rate


def _reason(log: str) -> str:
    """Return the line of a log that tells best why a server failed: the last error in it, else its last line."""
    lines = log.strip().splitlines() or ["it said nothing"]
    return next((line.strip() for line in reversed(lines) if _ERROR.match(line)), lines[-1])
