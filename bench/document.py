"""The results as Markdown: printed, and put between two marks in docs/performance.md."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.ingest import Measured, Spread
from bench.load import Answers
from bench.memory import Held
from bench.queries import Answered
from bench.results import Results, figures

BEGIN, END = "<!-- What follows is written by `make bench`. -->", "<!-- Until here it was written by `make bench`. -->"

INGEST_COLUMNS = (
    "Server",
    "Chains",
    "Ratio to bare",
    "Sustained, requests/s",
    "Behind at the end, s",
    "CPU per request, us",
    "p50 at full load, ms",
    "p99 at full load, ms",
    "p99 at 60%, ms",
    "Rejected",
    "A 2xx means",
)

_LIMITED = 0.95
_NONE = "not measured"


class NoPlace(Exception):
    """The document has no place for the results."""


def write_into(document: Path, results: Results) -> None:
    """Replace the previous results in the document. Raises NoPlace."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{document.name} lacks the lines {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n{END}{behind}")


def markdown(results: Results) -> str:
    """Return everything that was measured, the targets first."""
    parts = [*_conditions(results), "### Targets", *_figures(results)]
    if results.ingest:
        parts += ["### Ingest, one worker", _intake(results.ingest)]
    if results.two_workers:
        parts += ["### Ingest, two workers", _intake(results.two_workers)]
    parts += [f"Not measured: {skipped.name}, because {skipped.reason}." for skipped in results.skipped]
    if results.queries:
        parts += ["### Query latency, p50 / p95 (ms)", _questions(results.queries)]
    if results.memory:
        parts += ["### Memory in MB", _memory(results.memory)]
    return "\n\n".join(parts) + "\n"


def _conditions(results: Results) -> Iterator[str]:
    now = results.conditions
    yield (
        f"Measured on {now.at:%Y-%m-%d} on {now.processors} processors, where 4 kB are durable after "
        f"{now.sync_ms:.2f} ms (median of fdatasync). Load: {results.load}. Versions: {now.versions}."
    )
    if now.busy:
        yield f"**The machine was busy** (load average {now.waiting:.1f}): the figures are not reliable."
    if not results.apart:
        yield "Servers and load shared a processor."
    if limited := [m for m in (*results.ingest, *results.two_workers) if m.spread(_load_busy).median > _LIMITED]:
        names = ", ".join(f"{measured.target.name} ({measured.target.bodies})" for measured in limited)
        yield f"The load generator, not the server, was the bottleneck for: {names}."

    for measured in results.ingest:
        sent, chains = max(answers.requests for answers in measured.rounds), measured.target.mix.chains
        if measured.target.fresh and sent > chains:
            yield f"Up to {sent:,} reports were sent in a round with {chains:,} different leaves: some came twice."


def _figures(results: Results) -> Iterator[str]:
    reached = {None: "", True: "yes", False: "**no**"}
    rows = [(figure.name, figure.goal, figure.measured, reached[figure.reached]) for figure in figures(results)]
    yield table(("Figure", "Goal", "Measured: median (least to greatest)", "Reached"), rows)


def _intake(found: Sequence[Measured]) -> str:
    return table(INGEST_COLUMNS, [_describe_target(measured) for measured in found])


def _describe_target(measured: Measured) -> tuple[str, ...]:
    relaxed, share = measured.relaxed, measured.relaxed_share
    return (
        measured.target.name,
        measured.target.bodies,
        _told(Spread.of(measured.of_bare), _ratio),
        _told(measured.spread(_rate), "{:,.0f}".format),
        _told(measured.spread(_behind), "{:.1f}".format),
        _told(measured.spread(_cpu), "{:.0f}".format),
        _told(measured.spread(_p50), "{:.1f}".format),
        _told(measured.spread(_p99), "{:.1f}".format),
        _NONE if relaxed is None else f"{relaxed.p99:.1f} (at {share:.0%})",
        f"{sum(answers.refused for answers in measured.rounds):,}",
        measured.target.answer,
    )


def _told(spread: Spread, form: Callable[[float], str]) -> str:
    return f"{form(spread.median)} ({form(spread.least)} to {form(spread.greatest)})"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.4f}"


def _rate(answers: Answers) -> float:
    return answers.rate


def _behind(answers: Answers) -> float:
    return answers.behind


def _cpu(answers: Answers) -> float:
    return answers.cpu_us


def _p50(answers: Answers) -> float:
    return answers.p50


def _p99(answers: Answers) -> float:
    return answers.p99


def _load_busy(answers: Answers) -> float:
    return answers.load_busy


def _questions(found: Sequence[Answered]) -> str:
    least, most = found[0], found[-1]
    head = ("Question", *(f"{answered.reports:,} reports" for answered in found), "p95, most to least", "Answer, kB")
    rows = [
        (
            name,
            *(f"{answered.times[name].median:.1f} / {answered.times[name].p95:.1f}" for answered in found),
            f"{most.times[name].p95 / least.times[name].p95:.2f}",
            f"{times.bytes / 1e3:.1f}",
        )
        for name, times in most.times.items()
    ]
    rows.append(("size of the store, MB", *(f"{answered.store_bytes / 1e6:,.0f}" for answered in found), "", ""))
    return table(head, rows)


def _memory(found: Sequence[Held]) -> str:
    head = ("Load", "Requests", "Counted", "At the start", "After a tenth", "At the end", "Most")
    rows = [
        (
            held.load,
            f"{held.sent:,}",
            f"{held.stored:,}",
            *(f"{size / 1e6:.0f}" for size in (held.begun, held.early, held.end, held.most)),
        )
        for held in found
    ]
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, its columns aligned, so that it can be read as it is too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
