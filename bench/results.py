"""What a run has measured, beside the goals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.bodies import DISTINCT, ZIPF
from bench.ingest import Measured, Spread
from bench.load import Answers
from bench.machine import Conditions
from bench.memory import Held
from bench.queries import READINESS, SUMMARY, Answered
from bench.targets import SkippedTarget

OF_BARE, CPU_OF_BARE, P99_AT_60, OF_BARE_TWO_WORKERS = 0.60, 1.8, 5.0, 0.45
DISTINCT_ACKNOWLEDGED_OF_BARE, DISTINCT_JUDGED = 0.08, 900.0
ANSWER_P95, GROWTH = 20.0, 1.2
MEMORY_MB = {ZIPF: 225.0, DISTINCT: 250.0}

_SMALL, _LARGE = 120_000, 9_800_000
"""The stores that the goals speak of: 100 thousand and 10 million reports, about."""
_LONG = {ZIPF: 1_000_000, DISTINCT: 20_000}
"""The requests after which the goals ask for the memory."""


@dataclass(slots=True)
class Results:
    """What was measured; None or empty for the rest."""

    conditions: Conditions
    load: str
    """What the load was made with."""
    apart: bool
    """Whether the servers and the load had processors of their own."""
    ingest: list[Measured] = field(default_factory=list)
    two_workers: list[Measured] = field(default_factory=list)
    skipped: list[SkippedTarget] = field(default_factory=list)
    queries: list[Answered] = field(default_factory=list)
    memory: list[Held] = field(default_factory=list)

    def ours(self, bodies: str) -> Measured | None:
        """Return the service on SQLite with these bodies."""
        return next((m for m in self.ingest if m.target.ours and m.target.bodies == bodies), None)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to reach. ``reached`` is None where it was not measured, or less than the goal speaks of."""

    name: str
    goal: str
    measured: str = "not measured"
    reached: bool | None = None


def figures(results: Results) -> Iterator[Figure]:
    """Compare what was measured with every goal."""
    zipf, distinct = results.ours(ZIPF), results.ours(DISTINCT)
    yield _ratio(
        "Ingest, one worker, SQLite, sustained, ratio to the bare server",
        OF_BARE,
        Spread.of(zipf.of_bare) if zipf else None,
    )
    yield _cpu(zipf, results.ingest)
    yield _p99("Ingest, p99 at 60% of its maximum", zipf.relaxed if zipf else None)
    yield from _distinct(distinct, results.ingest)
    two = next((measured for measured in results.two_workers if measured.target.ours), None)
    name = "Ingest, two workers, PostgreSQL, ratio to the bare server with two"
    yield _ratio(name, OF_BARE_TWO_WORKERS, Spread.of(two.of_bare) if two else None)
    for question in (SUMMARY, READINESS):
        yield _answer(question, results.queries)
    yield from _memory(results.memory)


def _ratio(name: str, goal: float, found: Spread | None) -> Figure:
    told = f"at least {goal}"
    if found is None:
        return Figure(name, told)
    return Figure(name, told, f"{found.median:.3f} ({found.least:.3f} to {found.greatest:.3f})", found.median >= goal)


def _cpu(ours: Measured | None, found: Sequence[Measured]) -> Figure:
    name, goal = "CPU per request, all processes, ratio to the bare server", f"at most {CPU_OF_BARE:g}"
    if ours is None:
        return Figure(name, goal)
    spread = Spread.of([a.cpu_us / b.cpu_us for a, b in zip(ours.rounds, found[0].rounds, strict=True)])
    measured = f"{spread.median:.2f} ({spread.least:.2f} to {spread.greatest:.2f})"
    return Figure(name, goal, measured, spread.median <= CPU_OF_BARE)


def _distinct(ours: Measured | None, found: Sequence[Measured]) -> Iterator[Figure]:
    """Compare the worst case: how fast it is accepted, and how fast it is judged and counted."""
    accepted = "Every leaf different, acknowledged, ratio to the bare server"
    judged, goal = "Every leaf different, judged", f"at least {DISTINCT_JUDGED:,.0f}/s"
    if ours is None:
        yield _ratio(accepted, DISTINCT_ACKNOWLEDGED_OF_BARE, None)
        yield Figure(judged, goal)
        return
    pairs = zip(ours.rounds, found[0].rounds, strict=True)
    of_bare = Spread.of([a.acknowledged_rate / b.rate for a, b in pairs])
    yield _ratio(accepted, DISTINCT_ACKNOWLEDGED_OF_BARE, of_bare)
    rate = ours.spread(lambda answers: answers.rate)
    measured = f"{rate.median:,.0f}/s ({rate.least:,.0f} to {rate.greatest:,.0f}), sharing its processor"
    yield Figure(judged, goal, measured, rate.median >= DISTINCT_JUDGED)


def _p99(name: str, found: Answers | None) -> Figure:
    told = f"at most {P99_AT_60:g} ms"
    return Figure(name, told) if found is None else Figure(name, told, f"{found.p99:.1f} ms", found.p99 <= P99_AT_60)


def _answer(question: str, found: Sequence[Answered]) -> Figure:
    name = f"{question[0].upper()}{question[1:]}, 10 million reports"
    goal = f"p95 at most {ANSWER_P95:g} ms, and {GROWTH} times that at 100 thousand"
    if len(found) < 2:
        return Figure(name, goal)
    least, most = found[0].times[question].p95, found[-1].times[question].p95
    measured = f"{most:.1f} ms at {found[-1].reports:,} reports, {most / least:.1f} times that at {found[0].reports:,}"
    if found[0].reports > _SMALL or found[-1].reports < _LARGE:
        return Figure(name, goal, measured)
    return Figure(name, goal, measured, most <= ANSWER_P95 and most <= GROWTH * least)


def _memory(found: Sequence[Held]) -> Iterator[Figure]:
    if not found:
        yield Figure("Memory, service and fold, PSS", f"under {MEMORY_MB[ZIPF]:g} MB")
    for held in found:
        goal = f"under {MEMORY_MB[held.load]:g} MB"
        measured = f"{held.most / 1e6:.0f} MB after {held.sent:,} requests"
        reached = held.most < MEMORY_MB[held.load] * 1e6 if held.sent >= _LONG[held.load] else None
        yield Figure(
            f"Memory, service and fold, PSS, {held.load}, {_LONG[held.load]:,} requests", goal, measured, reached
        )
