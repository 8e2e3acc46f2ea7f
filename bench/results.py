"""What a run has measured, beside the goals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.bodies import DISTINCT, ZIPF
from bench.contenders import Absent
from bench.ingest import Measured, Spread
from bench.load import Answers
from bench.machine import Conditions
from bench.memory import Held
from bench.queries import READINESS, SUMMARY, Answered

OF_BARE, DISTINCT_OF_ZIPF, P99_AT_60, OF_BARE_TWO_WORKERS = 0.38, 0.5, 5.0, 0.35
ANSWER_P95, GROWTH, MEMORY_MB = 10.0, 1.2, 150.0

_SMALL, _LARGE = 120_000, 9_800_000
"""The stores that the goals speak of: 100 thousand and 10 million reports, about."""
_LONG = {ZIPF: 1_000_000, DISTINCT: 20_000}
"""The requests after which the goals ask for the memory."""


@dataclass(slots=True)
class Results:
    """What was measured; None or empty where it was not."""

    conditions: Conditions
    load: str
    """What the load was made with."""
    apart: bool
    """Whether the servers and the load had processors of their own."""
    ingest: list[Measured] = field(default_factory=list)
    two_workers: list[Measured] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    queries: list[Answered] = field(default_factory=list)
    memory: list[Held] = field(default_factory=list)

    def ours(self, bodies: str) -> Measured | None:
        """Return the service on SQLite with these bodies."""
        return next((m for m in self.ingest if m.contender.ours and m.contender.bodies == bodies), None)


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
        "Intake, one worker, SQLite, in parts of the bare server", OF_BARE, Spread.of(zipf.of_bare) if zipf else None
    )
    yield _ratio(
        "The same with every leaf different, in parts of that",
        DISTINCT_OF_ZIPF,
        Spread.of([a.rate / b.rate for a, b in zip(distinct.rounds, zipf.rounds, strict=True)])
        if zipf and distinct
        else None,
    )
    yield _p99("Intake, p99 at 60 % of its own maximum", zipf.relaxed if zipf else None)
    two = next((measured for measured in results.two_workers if measured.contender.ours), None)
    name = "Intake, two workers, PostgreSQL, in parts of the bare server with two"
    yield _ratio(name, OF_BARE_TWO_WORKERS, Spread.of(two.of_bare) if two else None)
    for question in (SUMMARY, READINESS):
        yield _answer(question, results.queries)
    yield from _memory(results.memory)


def _ratio(name: str, goal: float, found: Spread | None) -> Figure:
    told = f"at least {goal}"
    if found is None:
        return Figure(name, told)
    return Figure(name, told, f"{found.median:.3f} ({found.least:.3f} to {found.greatest:.3f})", found.median >= goal)


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
    goal = f"under {MEMORY_MB:g} MB"
    if not found:
        yield Figure("Memory", goal)
    for held in found:
        measured = f"{held.most / 1e6:.0f} MB after {held.sent:,} requests"
        reached = held.most < MEMORY_MB * 1e6 if held.sent >= _LONG[held.load] else None
        yield Figure(f"Memory, {held.load}, {_LONG[held.load]:,} requests", goal, measured, reached)
